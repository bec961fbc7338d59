"""Stages of a small suite, run here as their jobs say."""

from zoo.paths import Project
from zoo.pipeline.compile import PipelineStage, compile_suite
from zoo.resolve.entry import read_suite

SHAPE = "{layers: 2, hidden: 32, heads: 4, intermediate: 64, vocabulary: 352, positions: 16}"
TEACHER = f"""\
source:
  kind: pretrained
  shape: {SHAPE}
  vocabulary: {{kind: words}}
  corpus: {{kind: pocket, documents: 300}}
  optimise: {{steps: 2, batch_size: 4, max_length: 16}}
optimise: {{steps: 1, batch_size: 4}}
"""
"""A teacher that the pipeline pretrains."""


def write(project: Project, files: dict[str, str]) -> None:
    """Put files of the suite `small` into the project."""
    for file, content in files.items():
        path = project.specs / "small" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")


def stage(project: Project, name: str) -> None:
    """Run one stage's work here, as its job says."""
    found = declared(project)[name]
    found.kind.runner()(project, found.job)


def declared(project: Project) -> dict[str, PipelineStage]:
    """All stages by `<entry>/<stage>`."""
    pipelines = compile_suite(read_suite(project, "small"))
    return {f"{each.entry}/{stage.name}": stage for each in pipelines for stage in each.stages}
