"""Every file that a person names is opened by one function: what it refuses, and who uses it."""

import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from zoo.board.manifest import refuse_edited
from zoo.data import squad, texts
from zoo.data.corpus import TextFile, documents
from zoo.data.reading import MOST_LINE_BYTES, text_lines
from zoo.data.word_vectors import WordVectors
from zoo.errors import DataError, ZooError
from zoo.evaluation.official_files import read_answers, read_null_odds, read_submission
from zoo.evaluation.predictions import read_origin, read_predictions
from zoo.export.manifest import verified_model
from zoo.files import open_file, read_file
from zoo.latency.samples import read_samples
from zoo.methods import METHODS
from zoo.models.identity import read_identity
from zoo.paths import Project, file_sha256
from zoo.pipeline.params import read_job
from zoo.records.gate_file import refuse_ungated
from zoo.records.reported import read_reported
from zoo.records.store import read_record
from zoo.spec.jobs import TrainJob
from zoo.spec.load import load_suites
from zoo.spec.task import TASKS

ALLOWED = "\n  allowed: a regular file, or a link to one"


def make(kind: str, path: Path) -> None:
    """Something at `path` that is no file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "circle":
        path.symlink_to(path.name)
    elif kind == "nowhere":
        path.symlink_to("absent")
    elif kind == "socket":
        here = Path.cwd()
        os.chdir(path.parent)  # a socket's address is short
        with socket.socket(socket.AF_UNIX) as bound:
            bound.bind(path.name)
        os.chdir(here)


TOLD = {
    "folder": f"this is a folder{ALLOWED}",
    "pipe": f"this is a pipe{ALLOWED}",
    "device": f"this is a device{ALLOWED}",
    "socket": f"this is a socket{ALLOWED}",
    "circle": f"this link leads back to itself{ALLOWED}",
    "nowhere": f"this link leads to no file{ALLOWED}",
    "absent": "there is no such file",
}


@pytest.mark.parametrize("kind", TOLD)
def test_what_is_no_file_is_told(kind: str, tmp_path: Path) -> None:
    """Before it is opened: nothing waits for a pipe, and no memory is filled."""
    path = tmp_path / "x"
    make(kind, path)
    with pytest.raises(DataError) as caught:
        read_file(path, error=DataError, remedy="name another")
    assert str(caught.value) == f"{path}: {TOLD[kind]}\n  fix: name another"
    with pytest.raises(ZooError, match="shown: ") as shown, open_file(path, shown="shown"):
        pass
    assert str(shown.value) == f"shown: {TOLD[kind]}"


def test_a_path_through_a_file_is_absent(tmp_path: Path) -> None:
    (tmp_path / "x").touch()
    with pytest.raises(ZooError, match="there is no such file"):
        read_file(tmp_path / "x/y")


def test_what_links_lead_to_is_read(tmp_path: Path) -> None:
    """Wherever it is: data is often linked from another disk."""
    (tmp_path / "far").mkdir()
    (tmp_path / "far/data").write_bytes(b"text")
    (tmp_path / "near").symlink_to("far/data")
    assert read_file(tmp_path / "near") == b"text"


def test_files_beyond_all_measure_are_not_read(tmp_path: Path) -> None:
    """A sparse file of a terabyte costs no memory."""
    path = tmp_path / "x"
    with path.open("wb") as stream:
        stream.truncate(1 << 40)
    with pytest.raises(ZooError) as caught:
        read_file(path, most_bytes=100)
    assert str(caught.value) == f"{path}: 1,099,511,627,776 bytes\n  allowed: at most 100"


def test_lines_have_an_end(tmp_path: Path) -> None:
    """A file without lines is told at its first, and not read to its end."""
    path = tmp_path / "x.txt"
    with path.open("wb") as stream:
        stream.write(b"a line\r\n")
        stream.truncate(1 << 36)
    problems: list[Any] = []
    assert list(text_lines(path, problems)) == [(1, "a line")]
    assert str(problems.pop()) == (
        f"{path}:2: a line of more than {MOST_LINE_BYTES:,} bytes\n"
        "  allowed: lines of text\n  fix: break it into lines"
    )
    assert problems == []
    path.write_bytes(b"a\r" * (MOST_LINE_BYTES // 2 + 1))
    with pytest.raises(DataError, match="a line of more than"):
        list(documents(TextFile(path)))


def spec(path: Path) -> None:
    """A suite whose file is at `path`."""
    root = path.parent
    target = root / "specs/suite/suite.yaml"
    target.parent.mkdir(parents=True)
    path.rename(target)
    load_suites(Project(root), METHODS)


def inside(name: str, read: Callable[[Path], Any]) -> Callable[[Path], Any]:
    """A reader of a file of this name in a folder."""

    def renamed_and_read(path: Path) -> None:
        path.rename(path.with_name(name))
        read(path.parent)

    return renamed_and_read


def of_project(name: str, read: Callable[[Project], Any]) -> Callable[[Path], Any]:
    """A reader of a file of a project."""

    def moved_and_read(path: Path) -> None:
        target = path.parent / name
        target.parent.mkdir(parents=True, exist_ok=True)
        path.rename(target)
        read(Project(path.parent))

    return moved_and_read


RUN: Any = None
READERS: dict[str, Callable[[Path], Any]] = {
    "spec": spec,
    "table": lambda path: texts.read_file(TASKS["rte"], "dev", path),
    "JSON lines": lambda path: texts.read_file(TASKS["boolq"], "dev", path),
    "SQuAD": lambda path: squad.read_file(TASKS["squad-v1.1"], "dev", path),
    "corpus": lambda path: list(documents(TextFile(path))),
    "word vectors": WordVectors.read,
    "submission": lambda path: read_submission(TASKS["rte"], path, 3),
    "answers": read_answers,
    "null odds": read_null_odds,
    "predictions": read_predictions,
    "origin": read_origin,
    "samples": read_samples,
    "record": read_record,
    "gate": lambda path: refuse_ungated(path, "t", "rte"),
    "identity": inside("zoo.json", read_identity),
    "export manifest": inside(
        "manifest.json", lambda folder: verified_model(folder, "x", ("s", "e"), RUN)
    ),
    "params": of_project(
        "pipelines/s/e/params.json", lambda project: read_job(project, "s", "e", "train", TrainJob)
    ),
    "reported": of_project("results/reported.json", read_reported),
    "board manifest": of_project(
        "results/s/manifest.json", lambda project: refuse_edited(project, project.results / "s")
    ),
    "sha256": file_sha256,
}


@pytest.mark.parametrize("kind", ["pipe", "device", "circle"])
@pytest.mark.parametrize("reader", READERS)
def test_every_reader_refuses_what_is_no_file(reader: str, kind: str, tmp_path: Path) -> None:
    """Specs, data, predictions, records, boards: at once, with its place."""
    path = tmp_path / "x.txt"
    make(kind, path)
    if kind == "circle":
        path.unlink()
        path.symlink_to(tmp_path / "y.txt")
        (tmp_path / "y.txt").symlink_to(path)
    with pytest.raises(ZooError) as caught:
        READERS[reader](path)
    assert "this " in str(caught.value)
    assert reader != "spec" or caught.value.problems[0].where == "specs/suite/suite.yaml"
