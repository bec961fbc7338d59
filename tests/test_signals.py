"""A process that is asked to end does so cleanly, and says so."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from zoo import signals
from zoo.signals import POLITE, Stopped, interruptible, leaving_politely, postponed


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """None of ours stays behind."""
    before = [signal.getsignal(number) for number in POLITE]
    yield
    assert [signal.getsignal(number) for number in POLITE] == before


def asked(by: signal.Signals, seen: list[str]) -> None:
    """Get a signal, and note whether it went on after it and what `finally` did."""
    try:
        os.kill(os.getpid(), by)
        seen.append("went on")
    finally:
        seen.append("cleaned")


@pytest.mark.parametrize("by", POLITE)
def test_a_signal_ends_a_block_at_once(
    by: signal.Signals, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the usual exit code, one line, and whatever `finally` says."""
    seen: list[str] = []
    with pytest.raises(SystemExit) as stopped, leaving_politely("a/b train"):
        asked(by, seen)
    assert stopped.value.code == 128 + by
    assert seen == ["cleaned"]
    told = f"a/b train: stopped by {by.name}; run the same command again to go on\n"
    assert capsys.readouterr().err == told


def save_and_leave(seen: list[str], told: list[signal.Signals]) -> None:
    with postponed(told.append) as request:
        asked(signal.SIGTERM, seen)
        assert request.by is not None
        raise Stopped(request.by, "step 3 of 8")


def test_a_postponed_signal_waits_for_whoever_asks(capsys: pytest.CaptureFixture[str]) -> None:
    """It is told to others at once; the block says how far it has come."""
    seen: list[str] = []
    told: list[signal.Signals] = []
    with pytest.raises(Stopped), leaving_politely("a/b train"):
        save_and_leave(seen, told)
    assert seen == ["went on", "cleaned"]
    assert told == [signal.SIGTERM]
    assert capsys.readouterr().err == (
        "a/b train: stopped by SIGTERM at step 3 of 8; run the same command again to go on\n"
    )


def test_a_postponed_signal_is_not_forgotten() -> None:
    """A block that asks nobody ends with it, also without a block around it."""
    seen: list[str] = []
    with pytest.raises(Stopped), postponed():
        asked(signal.SIGHUP, seen)
    assert seen == ["went on", "cleaned"]


def postpone_nothing(seen: list[str]) -> None:
    with postponed():
        pass
    asked(signal.SIGTERM, seen)


def test_after_a_block_that_postponed_signals_end_at_once_again() -> None:
    seen: list[str] = []
    with pytest.raises(Stopped), interruptible():
        postpone_nothing(seen)
    assert seen == ["cleaned"]


def fail_when_asked() -> None:
    asked(signal.SIGTERM, [])
    message = "x"
    raise ValueError(message)


def test_a_failure_is_not_hidden_by_a_signal() -> None:
    """What went wrong is told first."""
    with pytest.raises(ValueError, match="x"), interruptible(), postponed():
        fail_when_asked()


AGAIN = """
import os, signal, sys, time
from zoo import signals
signals.AGAIN_SECONDS = float(sys.argv[1])
with signals.postponed():
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(0.01)
    os.kill(os.getpid(), signal.SIGTERM)
    print("saved", flush=True)
"""


@pytest.mark.parametrize(("seconds", "code", "told"), [("0", -15, ""), ("1e9", 143, "saved\n")])
def test_a_second_signal_ends_at_once(seconds: str, code: int, told: str) -> None:
    """Unless it comes with the first: a terminal and a parent both pass one request on."""
    command = [sys.executable, "-c", AGAIN, seconds]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (code, told), done.stderr


def test_what_is_ignored_stays_ignored() -> None:
    """Under nohup a closed terminal ends nothing."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with interruptible(), postponed() as request:
            os.kill(os.getpid(), signal.SIGHUP)
        assert request.by is None
    finally:
        signal.signal(signal.SIGHUP, before)


def test_other_threads_are_left_alone() -> None:
    """Python lets the main thread alone handle signals."""
    seen = []

    def work() -> None:
        with interruptible(), postponed() as request:
            seen.append(request.by)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [None]


def test_the_time_between_two_requests_is_short() -> None:
    """A person who presses Ctrl-C again means it."""
    assert 0 < signals.AGAIN_SECONDS <= 2
