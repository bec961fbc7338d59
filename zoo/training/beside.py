"""Independent pieces of work beside each other: one process and one thread each."""

import json
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence

from zoo.errors import Problem, TrainingError

Piece = Callable[[], None]


def run_beside(pieces: Sequence[Piece], workers: int) -> None:
    """Run all pieces, at most `workers` at a time; in turn where processes cannot be forked.

    The parent must not have computed with several threads yet: a fork does not copy them.

    Raises:
        TrainingError: a piece failed; with its own problems, once the running ones have ended.
    """
    if workers <= 1 or len(pieces) <= 1 or not hasattr(os, "fork"):
        for piece in pieces:
            piece()
        return
    waiting = list(pieces)
    running: dict[int, int] = {}
    problems: list[Problem] = []
    while waiting or running:
        while waiting and len(running) < workers and not problems:
            pid, told = _started(waiting.pop(0))
            running[pid] = told
        if not running:
            break
        pid, status = os.wait()
        if pid in running:
            problems += _problems(running.pop(pid), status)
    if problems:
        raise TrainingError(*problems)


def _started(piece: Piece) -> tuple[int, int]:
    """A child that runs a piece: its process id, and where it tells what went wrong."""
    reading, writing = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    parent = os.getpid()
    pid = os.fork()
    if pid:
        os.close(writing)
        return pid, reading
    os.close(reading)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    status = 1
    try:
        piece()
        status = 0
    except Exception as error:  # noqa: BLE001  (a child has nobody above it who could catch)
        problems = getattr(error, "problems", None)
        if problems is None:
            traceback.print_exc()
            problems = (Problem("a training process", f"{type(error).__name__}: {error}"),)
        os.write(writing, json.dumps([vars(problem) for problem in problems]).encode())
    finally:
        sys.stderr.flush()
        os._exit(status)


def _end_with(parent: int) -> None:
    """End this process when its parent is gone: nobody would take what it makes."""
    while os.getppid() == parent:
        time.sleep(1.0)
    os._exit(1)


def _problems(told: int, status: int) -> list[Problem]:
    with os.fdopen(told, "rb") as pipe:
        text = pipe.read()
    if text:
        return [Problem(**problem) for problem in json.loads(text)]
    if status:
        given = f"ended with status {status} and told nothing"
        return [Problem("a training process", given, remedy="it may have run out of memory")]
    return []
