"""A disk that takes no more is told in the same words, whatever library met it first."""

import errno
import json
import os
import resource
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import save_file

from tests import tiny
from tests.made import identity
from tests.training.tables import LABELS, plain, task_stage
from zoo import disk
from zoo.data.corpus import write_shards
from zoo.disk import no_room, reported, spared
from zoo.errors import ZooError
from zoo.evaluation.predict import forward_of
from zoo.export.exam import exam_of
from zoo.export.onnx import export_onnx
from zoo.export.parity import Limits, checked
from zoo.models.checkpoint import save_checkpoint
from zoo.paths import Project, new_folder, write_file
from zoo.records.durations import note_duration, own_durations
from zoo.training.journal import Journal
from zoo.training.loop import train
from zoo.training.resume import Place, Scratch

FULL = (
    "cannot be written: File too large\n"
    "  fix: free some space or fix the permissions; existing files are unchanged"
)
IDENTITY = identity("e", "trained")


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No file may grow beyond 2 KiB: what a full disk does, for everybody who writes."""
    monkeypatch.setattr(disk, "_SPARED", set())
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2048, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def checkpoint(folder: Path) -> None:
    save_checkpoint(folder, tiny.model(), tiny.tokenizer(), IDENTITY)


def tokenizer(folder: Path) -> None:
    with new_folder(folder) as fresh:
        tiny.tokenizer().save_pretrained(fresh)


def shards(folder: Path) -> None:
    words = " ".join(list(tiny.tokenizer().get_vocab())[10:40])
    write_shards([words] * 200, tiny.tokenizer(), folder, max_tokens=None)


def arrays(folder: Path) -> None:
    with new_folder(folder) as fresh:
        np.save(fresh / "a.npy", np.zeros(9999))


def tensors(folder: Path) -> None:
    with new_folder(folder) as fresh:
        torch.save(torch.zeros(9999), fresh / "a.pt")


def onnx_file(folder: Path) -> None:
    model, exam = tiny.model(task="inference"), exam_of(tiny.encoded("inference", 2), tiny.SETTINGS)
    with new_folder(folder) as fresh:
        checked(
            lambda path: export_onnx(model, path, max_length=48, metadata={}),
            fresh / "m.onnx",
            model=forward_of(model),
            exam=exam,
            limits=Limits(),
        )


WRITERS = [checkpoint, tokenizer, shards, arrays, tensors, onnx_file]


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("writer", WRITERS, ids=lambda writer: writer.__name__)
def test_every_writer_tells_a_full_disk_alike(
    writer: Callable[[Path], None], tmp_path: Path
) -> None:
    """The message names what was to be written, and what stood there stands."""
    folder = tmp_path / "made"
    folder.mkdir()
    (folder / "old").write_text("old")
    with pytest.raises(ZooError) as caught:
        writer(folder)
    said = "No space left on device" if writer in {arrays, shards, tensors} else "File too large"
    place = str(folder)
    if writer is onnx_file:
        place = str(caught.value.problems[0].where)
        assert place.startswith(str(tmp_path))
    assert str(caught.value) == f"{place}: {FULL}".replace("File too large", said)
    assert [path.name for path in tmp_path.iterdir()] == ["made"]
    assert [path.name for path in folder.iterdir()] == ["old"]


@pytest.mark.usefixtures("small")
def test_a_file_that_does_not_fit_is_told(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    with pytest.raises(ZooError) as caught:
        write_file(path, "x" * 9999)
    assert str(caught.value) == f"{path}: {FULL}"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS])
def test_errors_of_all_libraries_are_recognised(number: int) -> None:
    """By number, by what Rust and Python write into texts, and through causes."""
    said = os.strerror(number)
    told = [
        OSError(number, said),
        SafetensorError(f'Error: IoError(Os {{ message: "{said}" }}): {said} (os error {number})'),
        Exception(f"{said} (os error {number})"),
        RuntimeError(f"[Errno {number}] Error writing bytes to file"),
    ]
    for error in told:
        assert no_room(error) == said
        outer = ValueError("could not save")
        outer.__cause__ = error
        assert no_room(outer) == said
    for other in (None, OSError(errno.EACCES, "x"), ValueError("os error 28"), KeyError("28")):
        assert no_room(other) is None


def test_other_errors_stay_what_they_are(tmp_path: Path) -> None:
    """Of a block that fills a folder; where a file itself is written, permissions are told too."""
    for error in (ValueError("x"), SafetensorError("header too large"), FileNotFoundError("x")):
        with pytest.raises(type(error)), reported(tmp_path, only_room=True):
            raise error
    with pytest.raises(ZooError, match="cannot be written: Permission denied"), reported(tmp_path):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    with pytest.raises(ValueError, match="x"), reported(tmp_path):
        raise ValueError("x")


@pytest.mark.usefixtures("small")
def test_a_training_goes_on_without_what_is_convenient(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No resume state and no journal: said once each, and the weights are those of a calm disk."""
    setup = tiny.Setup(tmp_path, (task_stage(LABELS),), optimise=plain(steps=6), examples=20)
    work = setup.work(scratch=Scratch(tmp_path / "scratch", every_seconds=0.0))
    lines = Journal(tmp_path / "journal" / "a.jsonl", quiet=True)
    for step in range(200):
        lines.write("step", {"step": step})
    lines.close()
    outcome = train(work)
    assert outcome.phases[0].steps == 6
    told = capsys.readouterr().err.splitlines()
    state = "the state to resume an interrupted training from"
    full = "cannot be written: File too large"
    assert told == [
        f"  continuing without the journal: {tmp_path}/journal/a.jsonl: {full}",
        f"  continuing without {state}: {tmp_path}/scratch/state.safetensors: {full}",
    ]
    assert (tmp_path / "journal/a.jsonl").read_text().startswith('{"event": "step"')
    assert not list((tmp_path / "scratch").iterdir())


@pytest.mark.usefixtures("small")
def test_a_refused_state_leaves_the_one_before(tmp_path: Path) -> None:
    """It can still be gone on from."""
    scratch = Scratch(tmp_path / "scratch")
    small = torch.nn.Linear(1, 1)
    torch.set_rng_state(torch.get_rng_state())
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, resource.RLIM_INFINITY))
    scratch.save(Place(step=1), {"trainee": small}, None)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2048, resource.RLIM_INFINITY))
    scratch.save(Place(step=2), {"trainee": small}, None)
    saved = scratch.saved()
    assert saved is not None
    assert saved.place.step == 1


def test_places_that_cannot_be_written_spare_a_training(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file stands where a folder is wanted: no journal, no durations, and nothing ends."""
    monkeypatch.setattr(disk, "_SPARED", set())
    (tmp_path / ".zoo").write_text("")
    for _again in range(2):
        journal = Journal(tmp_path / ".zoo/journal/a.jsonl", quiet=True)
        journal.write("step", {})
        journal.close()
        note_duration(Project(tmp_path), "s", "e/train", 1.0)
    assert own_durations(Project(tmp_path), "s") == {}
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith("  continuing without the journal: ")
    assert second.startswith("  continuing without how long stages took: ")


def test_what_is_no_disk_is_not_spared(tmp_path: Path) -> None:
    """A fault of the program is not hidden."""
    with pytest.raises(ValueError, match="x"), spared("a thing"):
        raise ValueError("x")
    save_file({"a": torch.zeros(1)}, tmp_path / "a")
    journal = Journal(tmp_path / "j/a.jsonl", quiet=True)
    journal.write("step", {"a": 1})
    journal.close()
    assert json.loads((tmp_path / "j/a.jsonl").read_text())["a"] == 1
