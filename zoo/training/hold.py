"""Who works in a folder: one process at a time, and the others wait until it has ended."""

import fcntl
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from zoo.disk import spared
from zoo.locks import taken

_HELD, _AWAITED = "held", "awaited"


@contextmanager
def held(folder: Path, by: str) -> Iterator[None]:
    """Hold a folder inside the block; a process that ends, however it does, holds it no longer.

    While another one does, its name is printed in a line: what it called itself by `by`. A system
    without locks is no error.
    """
    lock = None
    with spared("the lock that keeps two processes from training the same"):
        folder.mkdir(parents=True, exist_ok=True)
        lock = _open_lock(folder)
        lock.truncate(0)
        lock.write(f"process {os.getpid()} ({by})".encode())
        lock.flush()
    try:
        yield
    finally:
        if lock is not None:
            lock.close()


def awaited(folder: Path) -> bool:
    """Whether a process waits for the folder, which will go on with what it finds there."""
    with suppress(OSError), (folder / _AWAITED).open("rb") as mark:
        return not taken(mark)
    return False


def _open_lock(folder: Path) -> BinaryIO:
    told = False
    while True:
        lock = (folder / _HELD).open("a+b")
        try:
            if not taken(lock):
                _wait(folder, lock, told=told)
                told = True
            # Who held it may have removed the folder at its end: then nobody else sees this lock.
            if _stands(folder / _HELD, lock):
                return lock
        except BaseException:
            lock.close()
            raise
        lock.close()
        folder.mkdir(parents=True, exist_ok=True)


def _stands(path: Path, file: BinaryIO) -> bool:
    try:
        return path.stat().st_ino == os.fstat(file.fileno()).st_ino
    except FileNotFoundError:
        return False


def _wait(folder: Path, lock: BinaryIO, *, told: bool) -> None:
    if not told:
        lock.seek(0)
        holder = lock.read().decode(errors="replace") or "another process"
        print(f"  waiting: {holder} is training the same", file=sys.stderr, flush=True)  # noqa: T201
    with (folder / _AWAITED).open("ab") as mark:
        fcntl.flock(mark, fcntl.LOCK_SH)
        fcntl.flock(lock, fcntl.LOCK_EX)
