"""A project with a suite so small that DVC builds all of it in a test."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from zoo.paths import Project
from zoo.pipeline.sync import pipeline_files, write_pipelines
from zoo.resolve.entry import ResolvedSuite, read_suite, read_suites

SUITE = """\
seeds: [1]
twin: finetune
tasks:
  sentiment: {train: 48, dev: 32, max_length: 16}
corpus: {kind: pocket, documents: 60}
optimise: {steps: 4, learning_rate: 1.0e-3, batch_size: 16, dropout: 0.0}
corpus_optimise: {steps: 4, learning_rate: 1.0e-3, batch_size: 8, max_length: 16, dropout: 0.0}
bench:
  runtimes: [torch-fp32]
  shapes: [1x8]
  replay: 12
  samples: 20
  seconds: 60
  export: {examples: 32, flips: 1.0, int8_flips: 1.0, int8_loss: 1.0}
train_stage_per: entry
"""

TEACHER = """\
source:
  kind: pretrained
  shape: {layers: 2, hidden: 32, heads: 2, intermediate: 64, vocabulary: 352, positions: 16}
  vocabulary: {kind: words}
  corpus: {kind: pocket, documents: 300}
  optimise: {steps: 10, learning_rate: 1.0e-3, batch_size: 8, max_length: 16, dropout: 0.0}
optimise: {steps: 4, learning_rate: 1.0e-3, batch_size: 16, dropout: 0.0}
"""

FINETUNE = "teacher: teacher\nstudent: {layers: 1}\nmethod: {name: finetune}\n"
KD = "teacher: teacher\nstudent: {layers: 1}\nmethod: {name: kd}\n"
DISTILBERT = """\
teacher: teacher
student: {family: distilbert, layers: 1}
method: {name: distilbert}
"""

FILES = {
    "suite.yaml": SUITE,
    "teachers/teacher.yaml": TEACHER,
    "finetune.yaml": FINETUNE,
    "kd.yaml": KD,
    "distilbert.yaml": DISTILBERT,
}
"""The tiny suite: file below `specs/tiny/`, and content."""

CHECKOUT = Path(__file__).parents[2]

Load = Callable[..., ResolvedSuite]


def write_specs(root: Path, files: dict[str, str]) -> None:
    for file, content in files.items():
        path = root / "specs/tiny" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")


@pytest.fixture
def files() -> dict[str, str]:
    """The tiny suite's files."""
    return dict(FILES)


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Loads the tiny suite with some files replaced, or removed where None stands for them."""

    def loaded(**changes: str | None) -> ResolvedSuite:
        shutil.rmtree(tmp_path / "specs", ignore_errors=True)
        stated = {f"{name.replace('__', '/')}.yaml": text for name, text in changes.items()}
        kept = {name: text for name, text in (FILES | stated).items() if text is not None}
        write_specs(tmp_path, kept)
        return read_suite(Project(tmp_path), "tiny")

    return loaded


def make_project(root: Path, files: dict[str, str]) -> Project:
    """A synced project in a git repository, with DVC configured as in this checkout."""
    write_specs(root, files)
    (root / ".dvc").mkdir()
    shutil.copy(CHECKOUT / ".dvc/config", root / ".dvc/config")
    for name in (".gitignore", ".dvcignore"):
        shutil.copy(CHECKOUT / name, root / name)
    shutil.copy(CHECKOUT / ".dvc/.gitignore", root / ".dvc/.gitignore")
    project = Project(root)
    write_pipelines(project, pipeline_files(read_suites(project)))
    git(root, "init", "--quiet")
    git(root, "add", "--all")
    git(root, "-c", "user.name=t", "-c", "user.email=t@t", "commit", "--quiet", "-m", "tiny")
    return project


@pytest.fixture
def tiny_project(tmp_path: Path) -> Project:
    """The tiny suite in a project of its own."""
    return make_project(tmp_path, FILES)


@pytest.fixture
def one_student(tmp_path: Path) -> Project:
    """The tiny suite with one student only, which is distilled: the fewest stages there can be."""
    suite = SUITE.replace("twin: finetune\n", "")
    files = {"suite.yaml": suite, "teachers/teacher.yaml": TEACHER, "kd.yaml": KD}
    return make_project(tmp_path, files)


def git(root: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(root), *arguments], capture_output=True, text=True, check=True
    )
    return done.stdout
