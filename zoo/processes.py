"""Processes that work together, and how they end: with their parent, and in words."""

import ctypes
import os
import signal
import sys
import threading
import time

_PARENT_DEATH_SIGNAL = 1
_POLL_SECONDS = 1.0


def leads() -> bool:
    """Whether this process writes what the processes that train together have done."""
    return int(os.environ.get("RANK", "0")) == 0


def process_count() -> int:
    """How many processes train one model with this one, itself included."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def die_with_parent(parent: int) -> None:
    """End this process once `parent`, which started it, has ended."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PARENT_DEATH_SIGNAL, signal.SIGKILL)
    else:
        threading.Thread(target=_watch, args=(parent,), daemon=True).start()
    # The parent may have ended before the kernel was asked: then no signal ever comes.
    if os.getppid() != parent:
        os._exit(1)


def ending(code: int) -> str:
    """How a process ended, in words; a negative code is a signal."""
    return f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_POLL_SECONDS)
    os._exit(1)
