import os
import signal
import subprocess
import sys
import threading
from multiprocessing.connection import Connection
from multiprocessing.util import Finalize
from pathlib import Path

import psutil
import pytest

from zoo.latency import processes
from zoo.latency.processes import Failure, run_apart, start_method, tail

_MOST_SECONDS = 300.0
"""Until what should have been stopped ends by itself, for the test to fail."""
linux = pytest.mark.skipif(sys.platform != "linux", reason="processes are forked on Linux only")

_PARENT = """
import sys
sys.path = sys.argv[3:]
from tests.latency import test_processes
from zoo.latency import processes
processes.start_method = lambda: sys.argv[1]
processes.run_apart(test_processes.outlive, (sys.argv[2],), 600)
"""


def answer(text: str) -> bytes:
    """An answer that names its process."""
    return f"{text} {os.getpid()}".encode()


def refuse() -> bytes:
    """An exception that nobody expects."""
    raise KeyError("nobody")


def leave(code: str) -> bytes:
    """An end without an answer."""
    os.write(1, b"some last words\n")  # As libraries do, whatever sys.stdout is.
    os._exit(int(code))


def kill_itself() -> bytes:
    """What the system does where memory runs out."""
    os.kill(os.getpid(), signal.SIGKILL)
    return b""


def hang(note: str) -> bytes:
    """Say something, tell the process's id where `note` is read, and do not end."""
    print("loading", flush=True)  # noqa: T201  (a library that talks)
    Path(note).write_text(str(os.getpid()))
    threading.Event().wait(_MOST_SECONDS)
    return b""


def crash_afterwards() -> bytes:
    """A library that dies while it is torn down."""
    Finalize(None, os._exit, args=(9,), exitpriority=0)
    return b"answer"


def outlive(note: str) -> bytes:
    """Tell the process's id, hold `note` open as long as the process lives."""
    with Path(note).open("w") as held:
        held.write(f"{os.getpid()}\n")
        held.flush()
        threading.Event().wait(_MOST_SECONDS)
        held.write("outlived")
    return b""


@pytest.fixture(params=["fork", "spawn"])
def method(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways of starting a process."""
    monkeypatch.setattr(processes, "start_method", lambda: request.param)
    return str(request.param)


@pytest.mark.usefixtures("method")
def test_work_is_done_in_another_process() -> None:
    """Its answer comes back, from a process of its own."""
    found = run_apart(answer, ("here",), 60)
    assert isinstance(found, bytes)
    text, _, process = found.decode().partition(" ")
    assert text == "here"
    assert int(process) != os.getpid()


@pytest.mark.usefixtures("method")
def test_end_without_an_answer_is_told_with_its_code_and_last_words() -> None:
    """What it printed stands below."""
    assert run_apart(leave, ("7",), 60) == Failure("ended with exit code 7\n    some last words")


@pytest.mark.usefixtures("method")
def test_killed_process_is_told_with_its_signal() -> None:
    """One that the system killed is told apart from one that gave up."""
    assert run_apart(kill_itself, (), 60) == Failure("was killed by signal 9")


def test_exception_is_told_with_its_traceback() -> None:
    """The last line says what it was."""
    found = run_apart(refuse, (), 60)
    assert isinstance(found, Failure)
    assert found.reason.startswith("ended with exit code 1\n    ")
    assert found.reason.endswith("KeyError: 'nobody'")


@linux
def test_late_process_is_stopped_and_what_it_said_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its time is over once it hangs; it does not run on."""
    note = tmp_path / "note"
    os.mkfifo(note)
    told: list[int] = []

    def time_is_over(_: Connection, seconds: float) -> bool:
        assert seconds == 0.4
        told.append(int(note.read_text()))  # there once the process hangs
        return False

    monkeypatch.setattr(Connection, "poll", time_is_over)
    found = run_apart(hang, (str(note),), 0.4)
    assert found == Failure("not done after 0.4 s; it was stopped\n    loading", late=True)
    assert not _lives(told[0])


def test_death_after_the_answer_does_not_undo_it() -> None:
    """Libraries may crash while they are torn down."""
    assert run_apart(crash_afterwards, (), 60) == b"answer"


@linux
@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_process_does_not_outlive_a_killed_parent(tmp_path: Path, start: str) -> None:
    """Not even where the parent had no time to stop it."""
    note = tmp_path / "note"
    os.mkfifo(note)
    command = [sys.executable, "-c", _PARENT, start, str(note), *sys.path]
    parent = subprocess.Popen(command)
    with note.open() as told:
        child = int(told.readline())
        assert _lives(child)
        parent.kill()
        parent.wait()
        assert told.read() == ""  # ends when nobody holds it any more


@linux
def test_fork_only_where_nothing_else_runs() -> None:
    """A second thread may hold a lock that the child would wait for."""
    program = (
        "import threading\n"
        "from zoo.latency.processes import start_method\n"
        "print(start_method())\n"
        "threading.Thread(target=threading.Event().wait, daemon=True).start()\n"
        "print(start_method())"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert done.stdout.split() == [b"fork", b"spawn"]


def test_elsewhere_a_process_is_spawned(monkeypatch: pytest.MonkeyPatch) -> None:
    """macOS forks unsafely, Windows not at all."""
    monkeypatch.setattr(sys, "platform", "darwin")
    assert start_method() == "spawn"


def test_tail_is_the_last_lines() -> None:
    """Of a long output fifteen lines, of none nothing."""
    assert tail("") == ""
    assert tail("\n".join(map(str, range(40)))).split() == [str(n) for n in range(25, 40)]


def _lives(process: int) -> bool:
    try:
        return psutil.Process(process).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
