"""Signals that ask a process to end: it leaves cleanly, after the step under way is saved."""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

POLITE = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
AGAIN_SECONDS = 1.0
"""Until a further signal counts as a second request: one request may reach a process twice, from
the terminal and from whoever started it."""


class Stopped(SystemExit):
    """A signal asked the process to end; its exit code is 128 + the signal.

    `where` says how far the work had come, and is empty where nothing had to be saved.
    """

    def __init__(self, by: signal.Signals, where: str = "") -> None:
        super().__init__(128 + by)
        self.by, self.where = by, where

    def __reduce__(self) -> tuple[type["Stopped"], tuple[signal.Signals, str]]:
        return Stopped, (self.by, self.where)

    def __str__(self) -> str:
        at = f" at {self.where}" if self.where else ""
        return f"stopped by {self.by.name}{at}; run the same command again to go on"


class StopRequest:
    """The handler of the signals: it leaves at once, or notes `by` whom it was asked.

    A second signal always ends the process at once.
    """

    def __init__(self) -> None:
        self.by: signal.Signals | None = None
        self.tell: Callable[[signal.Signals], None] | None = None
        """Set where the request is only noted: told to whom it also concerns."""
        self._at = 0.0

    def __call__(self, number: int, _frame: object) -> None:
        """Take a signal."""
        now = time.monotonic()
        if self.by is None:
            self.by, self._at = signal.Signals(number), now
            if self.tell is None:
                raise Stopped(self.by)
            self.tell(self.by)
        elif now - self._at > AGAIN_SECONDS:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)


@contextmanager
def interruptible() -> Iterator[None]:
    """Let a signal end the block at once, `finally` and all; what was held back is delivered.

    Raises:
        Stopped: a signal came.
    """
    with answered_by(StopRequest()):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, POLITE)
        yield


@contextmanager
def leaving_politely(what: str) -> Iterator[None]:
    """An interruptible block of which is told why it ended.

    Raises:
        Stopped: a signal came; the message is printed.
    """
    try:
        with interruptible():
            yield
    except Stopped as stopped:
        print(f"{what}: {stopped}", file=sys.stderr, flush=True)  # noqa: T201
        raise


@contextmanager
def postponed(tell: Callable[[signal.Signals], None] = lambda _: None) -> Iterator[StopRequest]:
    """Let signals wait inside the block, which looks at the request when it can end.

    Args:
        tell: called with the first signal, at any point of the block.

    Raises:
        Stopped: a signal came, at the block's end at the latest.
    """
    answering = [signal.getsignal(number) for number in POLITE]
    request = (
        next((each for each in answering if isinstance(each, StopRequest)), None) or StopRequest()
    )
    with answered_by(request):
        before, request.tell = request.tell, tell
        try:
            yield request
        finally:
            request.tell = before
        if request.by is not None:
            raise Stopped(request.by)


@contextmanager
def held_back() -> Iterator[None]:
    """Keep signals from being delivered inside the block, and in a process forked there until it
    is interruptible.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, POLITE)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def answered_by(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Have a handler answer the signals inside the block, where Python lets a thread do so."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in POLITE}
    # What whoever started this process has it ignore (nohup) stays ignored.
    handled = [number for number in POLITE if before[number] is not signal.SIG_IGN]
    for number in handled:
        signal.signal(number, handler)
    try:
        yield
    finally:
        for number in handled:
            signal.signal(number, before[number])
