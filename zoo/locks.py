"""Locks on open files: they are the kernel's, and end with their process, however that ends."""

import fcntl
from typing import IO, Any


def taken(file: IO[Any]) -> bool:
    """Whether a file is this process's alone, at once: nothing waits for another one.

    Raises:
        OSError: the system has no locks.
    """
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
