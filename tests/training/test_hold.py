"""Two processes that would do the same work: one does it, the other waits, and finds it done."""

import multiprocessing
import os
import shutil
import signal
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import BinaryIO

import pytest
import torch

from tests import tiny
from tests.training.tables import LABELS, plain, task_stage
from zoo.locks import taken
from zoo.training import hold
from zoo.training.loop import train
from zoo.training.phase import PhaseRun
from zoo.training.resume import Scratch

FORKED = multiprocessing.get_context("fork")


def hold_until_told(folder: Path, talk: Connection) -> None:
    with Scratch(folder).held("a/b one"):
        talk.send("held")
        talk.recv()


def holder(folder: Path) -> tuple[multiprocessing.Process, Connection]:
    """A process that holds the folder until it is told not to."""
    here, there = FORKED.Pipe()
    process = FORKED.Process(target=hold_until_told, args=(folder, there))
    process.start()
    assert here.recv() == "held"
    return process, here


def until_awaited(folder: Path) -> None:
    while not hold.awaited(folder):
        time.sleep(0.001)


def test_the_second_says_who_works_and_waits(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """In one line; it goes on once the first has ended."""
    process, talk = holder(tmp_path)

    def second() -> None:
        with Scratch(tmp_path).held("c/d two"):
            pass

    waiting = FORKED.Process(target=second)
    waiting.start()
    until_awaited(tmp_path)
    assert waiting.is_alive()
    talk.send("end")
    waiting.join()
    process.join()
    assert waiting.exitcode == 0
    told = f"  waiting: process {process.pid} (a/b one) is training the same\n"
    assert capfd.readouterr().err == told
    assert not hold.awaited(tmp_path)


def test_a_killed_process_holds_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    process, _ = holder(tmp_path)
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    with Scratch(tmp_path).held("c/d two"):
        pass
    assert capfd.readouterr().err == ""


def test_a_folder_can_be_held_again_once_it_was_removed(tmp_path: Path) -> None:
    scratch = Scratch(tmp_path / "work")
    for _again in range(2):
        with scratch.held("a/b one"):
            scratch.clear()
            assert not (tmp_path / "work").exists()


def test_a_lock_that_was_removed_with_its_folder_holds_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever came after would not see it: the one that stands is taken."""
    work = tmp_path / "work"
    found = iter([False])

    def taken_meanwhile(file: BinaryIO) -> bool:
        return next(found, True) and taken(file)

    monkeypatch.setattr(hold, "taken", taken_meanwhile)
    monkeypatch.setattr(hold, "_wait", lambda *_, **__: shutil.rmtree(work))
    with Scratch(work).held("c/d two"):
        assert (work / "held").read_text() == f"process {os.getpid()} (c/d two)"


@pytest.fixture
def one_thread() -> Iterator[None]:
    """A fork does not copy the threads that its parent computed with."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("one_thread")
def test_nothing_is_trained_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second finds the work of the first done, and takes it; then nothing is left behind."""
    setup = tiny.Setup(tmp_path, (task_stage(LABELS),), optimise=plain())
    whole, scratch = train(setup.work()), Scratch(tmp_path / "work")
    here, there = FORKED.Pipe()
    monkeypatch.setattr(PhaseRun, "run", _counted(PhaseRun.run, tmp_path / "trained"))

    def work() -> None:
        with scratch.held("a/b one"):
            there.send("held")
            until_awaited(tmp_path / "work")
            same = tiny.same_weights(train(setup.work(scratch=scratch)).model, whole.model)
            scratch.clear()
        os._exit(0 if same else 1)

    def follow() -> None:
        with scratch.held("c/d two"):
            same = tiny.same_weights(train(setup.work(scratch=scratch)).model, whole.model)
            scratch.clear()
        os._exit(0 if same else 1)

    first = FORKED.Process(target=work)
    first.start()
    assert here.recv() == "held"
    second = FORKED.Process(target=follow)
    second.start()
    for process in (first, second):
        process.join()
        assert process.exitcode == 0
    assert (tmp_path / "trained").read_text() == "run\n"
    assert not (tmp_path / "work").exists()


def _counted(run: object, file: Path) -> object:
    def counted(self: PhaseRun) -> object:
        with file.open("a") as log:
            log.write("run\n")
        return run(self)

    return counted


def test_a_system_without_locks_ends_no_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Some network file systems have none: it is said once, and work goes on."""

    def none(*_: object) -> None:
        raise OSError(37, os.strerror(37))

    monkeypatch.setattr("zoo.disk._SPARED", set())
    monkeypatch.setattr(hold.fcntl, "flock", none)
    scratch = Scratch(tmp_path)
    with scratch.held("a/b one"):
        scratch.clear()
    assert capsys.readouterr().err == (
        "  continuing without the lock that keeps two processes from training the same: "
        "[Errno 37] No locks available\n"
    )
