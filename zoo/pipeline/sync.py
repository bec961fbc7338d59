"""Write pipelines: a small dvc.yaml per entry, its jobs as JSON, and code fingerprints."""

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from zoo.errors import Problem, SpecError, at
from zoo.paths import Project, write_file
from zoo.pipeline.compile import Pipeline, PipelineStage, compile_suite
from zoo.pipeline.fingerprint import Code, code_parts
from zoo.pipeline.kinds import INPUTS, STUDY, StageKind
from zoo.pipeline.params import params_file, params_key, params_text
from zoo.pipeline.variants import compile_study
from zoo.resolve.entry import ResolvedSuite
from zoo.spec.jobs import Job
from zoo.spec.load import BOARD_PIPELINE, INPUTS_PIPELINE

DEFAULT_SUITE = "pocket"
CODE = "pipelines/code"
"""The folder of code fingerprints, one file per part."""
PROJECT_PIPELINE = "dvc.yaml"
"""The pipeline that a bare `dvc repro` builds, the default suite's."""
LARGEST = 50
"""Maximum stages per dvc.yaml: beyond it DVC's overhead grows faster than the stages."""


def pipeline_files(suites: Mapping[str, ResolvedSuite]) -> dict[str, str]:
    """Every generated pipeline file: content by path relative to the root.

    Raises:
        SpecError: an entry has more stages than a dvc.yaml may hold.
    """
    files: dict[str, str] = {}
    parts: set[str] = set()
    for suite in suites.values():
        studies = [compile_study(suite, name) for name in sorted(suite.loaded.studies)]
        for pipeline in (*compile_suite(suite), *studies):
            source = _source(suite, pipeline)
            _refuse_large(pipeline, source)
            files |= _files_of(pipeline, source)
            parts |= {
                part for stage in pipeline.stages for part in code_parts(stage.kind, stage.job)
            }
    code = Code()
    return files | {_code_file(part): code.fingerprint_text(part) for part in sorted(parts)}


def write_pipelines(project: Project, files: dict[str, str]) -> list[str]:
    """Write changed files and remove undeclared ones; return the changed paths."""
    changed = []
    for path, content in files.items():
        target = project.root / path
        if not _holds(target, content):
            write_file(target, content)
            changed.append(path)
    for path in _left_over(project, files):
        _remove(project.root / path)
        changed.append(path)
    return changed


def drift(project: Project, files: dict[str, str]) -> Iterator[Problem]:
    """What `zoo sync` would change."""
    for path, content in files.items():
        target = project.root / path
        if not target.is_file():
            yield Problem(path, "missing", remedy="run `zoo sync` and commit the result")
        elif not _holds(target, content):
            code = path.startswith(f"{CODE}/")
            given = f"out of date with the {'code' if code else 'specs'}"
            yield Problem(path, given, remedy="run `zoo sync` and commit the result")
    for path in _left_over(project, files):
        yield Problem(
            path, "not declared by any spec", remedy="run `zoo sync` and commit the result"
        )


def _holds(path: Path, content: str) -> bool:
    """Whether a file has this content; binary files never do."""
    return path.is_file() and path.read_bytes() == content.encode()


def pipeline_file(suite: str, entry: str = BOARD_PIPELINE) -> str:
    """The dvc.yaml of an entry; the board's builds a whole suite."""
    if entry != BOARD_PIPELINE:
        return f"pipelines/{suite}/{entry}/dvc.yaml"
    return PROJECT_PIPELINE if suite == DEFAULT_SUITE else f"pipelines/{suite}/dvc.yaml"


def code_text(project: Project, kind: StageKind, job: Job) -> str:
    """The fingerprint files of a stage's code, which DVC compares."""
    files = [project.root / _code_file(part) for part in code_parts(kind, job)]
    return "".join(path.read_text(encoding="utf-8") for path in files if path.is_file())


def _left_over(project: Project, files: dict[str, str]) -> list[str]:
    kinds = ("dvc.yaml", "*.json", "code/**/*.txt")
    generated = [path for kind in kinds for path in project.pipelines.rglob(kind)]
    return sorted({project.relative(path) for path in generated} - set(files))


def _remove(path: Path) -> None:
    """Remove a generated file, and its folder once only DVC's lock is left in it."""
    path.unlink()
    if {left.name for left in path.parent.iterdir()} <= {"dvc.lock"}:
        shutil.rmtree(path.parent)


def _refuse_large(pipeline: Pipeline, source: str) -> None:
    if len(pipeline.stages) <= LARGEST:
        return
    place = at(f"specs/{pipeline.suite}/suite.yaml", key="train_stage_per")
    remedy = "set train_stage_per to task or entry"
    if pipeline.stages[-1].kind is STUDY:
        place = at(f"{source}.yaml", key="axes")
        remedy = "use fewer values, or split it into two studies"
    given = f"the pipeline of {pipeline.entry} would have {len(pipeline.stages)} stages"
    raise SpecError(Problem(place, given, f"at most {LARGEST}", remedy))


def _files_of(pipeline: Pipeline, source: str) -> dict[str, str]:
    suite, entry = pipeline.suite, pipeline.entry
    params, target = params_file(suite, entry), pipeline_file(suite, entry)
    up = "/".join([".."] * target.count("/")) or "."
    lines = [f"# Written by `zoo sync` from {source}; edit that, not this.", "stages:"]
    for stage in pipeline.stages:
        held = f"{params}: [{params_key(stage.name)}]"
        lines += _stage_lines(f"{suite}/{entry}", stage, held, up)
    return {params: params_text(pipeline), target: "\n".join(lines) + "\n"}


def _source(suite: ResolvedSuite, pipeline: Pipeline) -> str:
    """The spec that a pipeline is generated from."""
    if pipeline.entry in (BOARD_PIPELINE, INPUTS_PIPELINE):
        return f"specs/{suite.name}"
    folder = "studies/" if pipeline.stages[-1].kind is STUDY else ""
    return f"specs/{suite.loaded.home(pipeline.entry)}/{folder}{pipeline.entry}"


def _stage_lines(place: str, stage: PipelineStage, held: str, up: str) -> list[str]:
    code = tuple(map(_code_file, _parts(stage)))
    return [
        f"  {stage.name}:",
        f"    wdir: {up}",
        f"    cmd: zoo stage {place} {stage.name}",
        *(["    always_changed: true"] if stage.kind is INPUTS else []),
        *_list("deps", (*code, *(output.path for output in stage.dependencies))),
        *_list("params", (held,)),
        *_list("outs", tuple(output.path for output in stage.outputs)),
    ]


def _parts(stage: PipelineStage) -> tuple[str, ...]:
    return code_parts(stage.kind, stage.job)


def _code_file(part: str) -> str:
    return f"{CODE}/{part}.txt"


def _list(key: str, values: tuple[str, ...]) -> list[str]:
    return [f"    {key}:", *(f"    - {value}" for value in values)] if values else []
