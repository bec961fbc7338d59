"""A good small suite on disk, to be broken or edited by one change at a time."""

from collections.abc import Callable
from pathlib import Path

import pytest

from zoo.methods import METHODS
from zoo.paths import Project
from zoo.resolve.entry import resolve_suite
from zoo.spec.base import digest
from zoo.spec.load import LoadedSuite, load_suite

SUITE = """\
tasks:
  sentiment:
    train: 64
    dev: 32
    max_length: 32
  span:
    max_length: 64
    max_query: 16
seeds: [1, 2]
corpus:
  kind: pocket
  documents: 50
optimise:
  epochs: 3
  learning_rate: 5e-5
  batch_size: 32
corpus_optimise:
  steps: 10
  max_length: 64
bench:
  shapes: [1x64]
twin: finetune
"""

TEACHER = """\
source:
  kind: pretrained
  shape:
    layers: 4
    hidden: 48
    heads: 4
    intermediate: 96
    vocabulary: 512
    positions: 64
  vocabulary:
    kind: words
  corpus:
    kind: pocket
  optimise:
    steps: 100
    max_length: 64
optimise:
  epochs: 2
tasks:
  span:
    epochs: 4
gates:
  sentiment: 0.8
"""

FINETUNE = """\
teacher: t
student:
  layers: 2
method:
  name: finetune
"""

KD = """\
teacher: t
student:
  layers: 2
method:
  name: kd
  temperature: 4
  soft_weight: 0.7
optimise:
  epochs: 3
tasks:
  span:
    learning_rate: 1e-4
"""

DISTIL = """\
teacher: t
student:
  family: distilbert
  layers: 2
  start: spaced
method:
  name: distilbert
corpus_optimise:
  steps: 20
  max_length: 48
"""

FILES = {
    "suite.yaml": SUITE,
    "teachers/t.yaml": TEACHER,
    "finetune.yaml": FINETUNE,
    "kd.yaml": KD,
    "distil.yaml": DISTIL,
}
"""The good suite: file below `specs/small/`, and content."""

ASSISTANT = """\
source:
  kind: distilled
  entry: distil
  shape:
    family: distilbert
    layers: 2
    hidden: 48
    heads: 4
    intermediate: 96
    vocabulary: 512
    positions: 64
optimise:
  epochs: 2
"""

HELPED = """\
teacher: a
student:
  layers: 1
method:
  name: distilbert
"""

STARTED = """\
teacher: t
student:
  family: distilbert
  layers: 2
  start:
    kind: distilled
    entry: distil
method:
  name: finetune
"""

LINEAGE = {"teachers/a.yaml": ASSISTANT, "helped.yaml": HELPED, "started.yaml": STARTED}
"""What turns the good suite into one whose entries are made of each other's weights."""

Load = Callable[[dict[str, str]], LoadedSuite]
Digests = dict[tuple[str, str], str]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Writes files over the good suite and loads it."""

    def written_and_loaded(changes: dict[str, str]) -> LoadedSuite:
        write_suite(tmp_path, FILES | changes)
        return load_suite(Project(tmp_path), "small", METHODS)

    return written_and_loaded


@pytest.fixture
def write() -> Callable[..., None]:
    """Writes files below `specs/<name>/` of a project."""
    return write_suite


@pytest.fixture
def files() -> dict[str, str]:
    """The good suite's files."""
    return dict(FILES)


@pytest.fixture
def lineage() -> dict[str, str]:
    """A teacher that an entry became, an entry below it, and one that starts from another."""
    return dict(LINEAGE)


def write_suite(root: Path, files: dict[str, str], name: str = "small") -> None:
    for file, content in files.items():
        path = root / "specs" / name / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")


@pytest.fixture
def edit(load: Load) -> Callable[[str, str, str], LoadedSuite]:
    """Loads the good suite with one text of one file replaced."""

    def edited_and_loaded(file: str, old: str, new: str) -> LoadedSuite:
        assert FILES[file].count(old) == 1
        return load({file: FILES[file].replace(old, new)})

    return edited_and_loaded


@pytest.fixture
def digests() -> Callable[[LoadedSuite], Digests]:
    """Every digest of a suite: of recipes under (entry, ""), of runs under (entry, run)."""

    def all_digests(loaded: LoadedSuite) -> Digests:
        found: Digests = {}
        for name, entry in resolve_suite(loaded).entries.items():
            found[name, ""] = digest(entry.recipe)
            found |= {(name, run.key): run.declared for run in entry.runs}
        return found

    return all_digests
