"""Pieces of work beside each other: all are done, failures are told, as many work as may."""

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path

import pytest

from zoo.errors import Problem, TrainingError
from zoo.signals import POLITE, Stopped, postponed
from zoo.training.beside import _Crew, run_beside

MOST_SECONDS = 300.0
"""Until a meeting that cannot take place is given up: never waited for where all is well."""

_PARENT = """
import sys
from functools import partial
from pathlib import Path
sys.path = sys.argv[2:]
from tests.training.test_beside import outlive
from zoo.training.beside import _Crew, run_beside
run_beside([partial(outlive, Path(sys.argv[1]))] * 2, 2)
"""


def leave(path: Path) -> None:
    path.write_text(str(os.getpid()))


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_every_piece_is_done_once(tmp_path: Path, workers: int) -> None:
    """However many work; one works in this process, several in their own."""
    files = [tmp_path / str(number) for number in range(4)]
    run_beside([partial(leave, file) for file in files], workers)
    processes = {int(file.read_text()) for file in files}
    assert processes == {os.getpid()} if workers == 1 else len(processes) == 4


@pytest.mark.parametrize("workers", [2, 3])
def test_as_many_work_at_once_as_may(workers: int) -> None:
    """Each waits for as many others as work beside it, and none finds one more at work."""
    forked = multiprocessing.get_context("fork")
    together, at_work = forked.Barrier(workers), forked.Semaphore(workers)

    def meet() -> None:
        assert at_work.acquire(block=False), "more work than may"
        together.wait(MOST_SECONDS)
        at_work.release()

    run_beside([meet] * (2 * workers), workers)


def fail() -> None:
    raise TrainingError(Problem("here", "it broke", "whole", "mend it"))


def stumble() -> None:
    message = "five"
    raise ValueError(message)


def test_what_went_wrong_is_told_with_all_its_parts(tmp_path: Path) -> None:
    """A piece that already runs is finished, none is begun after a failure."""
    pieces = [fail, partial(leave, tmp_path / "1"), partial(leave, tmp_path / "2")]
    with pytest.raises(TrainingError) as caught:
        run_beside(pieces, 2)
    assert str(caught.value) == "here: it broke\n  allowed: whole\n  fix: mend it"
    assert (tmp_path / "1").exists()


def test_other_errors_are_named() -> None:
    """With their type."""
    with pytest.raises(TrainingError, match="a training process: ValueError: five"):
        run_beside([stumble, stumble], 2)


def test_a_killed_piece_is_a_failure() -> None:
    """It told nothing, and is not taken for done."""
    with pytest.raises(TrainingError, match="was killed by signal 9 without an error message"):
        run_beside([partial(os._exit, 0), lambda: os.kill(os.getpid(), 9)], 2)


def outlive(note: Path) -> None:
    """Hold `note` open as long as the process lives."""
    with note.open("w") as held:
        held.write("begun\n")
        held.flush()
        threading.Event().wait(MOST_SECONDS)
        held.write("outlived")


def test_no_piece_outlives_a_killed_parent(tmp_path: Path) -> None:
    """Nobody would take what it makes."""
    note = tmp_path / "note"
    os.mkfifo(note)
    parent = subprocess.Popen([sys.executable, "-c", _PARENT, str(note), *sys.path])
    with note.open() as told:
        assert told.readline() == "begun\n"
        assert told.readline() == "begun\n"
        parent.kill()
        parent.wait()
        assert told.read() == ""  # ends when nobody holds it any more


def work_on(note: Path, place: str) -> None:
    """Work until a signal asks for the end, and say in `note` that the signal may come."""
    with postponed() as asked:
        leave(note)
        while asked.by is None:
            time.sleep(0.001)
        raise Stopped(asked.by, place)


def until_there(*files: Path) -> None:
    while not all(file.exists() and file.read_text() for file in files):
        time.sleep(0.001)


@pytest.mark.parametrize("by", POLITE)
def test_a_signal_is_passed_on_and_waited_for(by: signal.Signals, tmp_path: Path) -> None:
    """Each piece at work ends as it wants to; none is begun any more."""
    notes = [tmp_path / str(number) for number in range(3)]

    def ask() -> None:
        until_there(*notes[:2])
        os.kill(os.getpid(), by)

    pieces = [partial(work_on, note, f"step {number}") for number, note in enumerate(notes)]
    threading.Thread(target=ask).start()
    with pytest.raises(Stopped) as stopped:
        run_beside(pieces, 2)
    assert stopped.value.code == 128 + by
    assert sorted(stopped.value.where.split("; ")) == ["step 0", "step 1"]
    assert not notes[2].exists()


def test_a_signal_that_comes_while_a_piece_is_started_reaches_it(tmp_path: Path) -> None:
    """Whoever passes it on does not know the new process yet."""
    crew = _Crew()
    crew.pass_on(signal.SIGTERM)
    crew.start(partial(work_on, tmp_path / "note", "step 1"))
    ends = time.monotonic() + MOST_SECONDS
    while crew.running and time.monotonic() < ends:
        crew.wait()
    assert [each.where for each in crew.stopped] in (["step 1"], [""])


def test_a_signal_to_the_whole_group_is_one_request(tmp_path: Path) -> None:
    """Ctrl-C reaches every process, and the parent passes it on as well: nobody ends at once."""
    notes = [tmp_path / str(number) for number in range(2)]

    def ask() -> None:
        until_there(*notes)
        for pid in (*(int(note.read_text()) for note in notes), os.getpid()):
            os.kill(pid, signal.SIGINT)

    threading.Thread(target=ask).start()
    with pytest.raises(Stopped) as stopped:
        run_beside([partial(work_on, note, note.name) for note in notes], 2)
    assert sorted(stopped.value.where.split("; ")) == ["0", "1"]


def test_a_piece_that_alone_is_asked_to_end_is_a_failure(tmp_path: Path) -> None:
    """Its parent, which was not asked, must not take its work for done."""
    notes = [tmp_path / str(number) for number in range(2)]

    def ask() -> None:
        until_there(notes[0])
        os.kill(int(notes[0].read_text()), signal.SIGTERM)

    threading.Thread(target=ask).start()
    with pytest.raises(TrainingError) as told:
        run_beside([partial(work_on, notes[0], "step 4"), partial(leave, notes[1])], 2)
    assert str(told.value) == (
        "a training process: stopped by SIGTERM at step 4; run the same command again to go on"
    )


def test_a_piece_that_has_nothing_to_save_ends_at_once(tmp_path: Path) -> None:
    """It is loading, say: the signal cuts it short."""
    notes = [tmp_path / str(number) for number in range(2)]

    def load(note: Path) -> None:
        leave(note)
        threading.Event().wait(MOST_SECONDS)

    def ask() -> None:
        until_there(*notes)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=ask).start()
    with pytest.raises(Stopped) as stopped:
        run_beside([partial(load, note) for note in notes], 2)
    assert stopped.value.where == ""
