"""Independent pieces of work in parallel: one process and one thread each."""

import multiprocessing
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

from zoo.errors import Problem, TrainingError, ZooError
from zoo.processes import die_with_parent, ending

PieceOfWork = Callable[[], None]


def run_beside(pieces: Sequence[PieceOfWork], workers: int) -> None:
    """Run all pieces, at most `workers` at a time; in turn where processes cannot be forked.

    The parent must not have computed with several threads yet: a fork does not copy them.

    Raises:
        TrainingError: a piece failed; with its own problems, once the running ones have ended.
    """
    if workers <= 1 or len(pieces) <= 1 or "fork" not in multiprocessing.get_all_start_methods():
        for piece in pieces:
            piece()
        return
    waiting, problems = list(pieces), list[Problem]()
    running: dict[int, tuple[BaseProcess, Connection]] = {}
    while running or (waiting and not problems):
        while waiting and len(running) < workers and not problems:
            process, told = _started(waiting.pop(0))
            running[process.sentinel] = process, told
        for ended in wait([*running]):
            assert isinstance(ended, int)
            problems += _problems(*running.pop(ended))
    if problems:
        raise TrainingError(*problems)


def _started(piece: PieceOfWork) -> tuple[BaseProcess, Connection]:
    """A process that runs a piece, and where it reports its errors."""
    context = multiprocessing.get_context("fork")
    told, telling = context.Pipe(duplex=False)
    process = context.Process(target=_run, args=(piece, telling, os.getpid()))
    process.start()
    telling.close()
    return process, told


def _run(piece: PieceOfWork, telling: Connection, parent: int) -> None:
    die_with_parent(parent)
    try:
        piece()
    except KeyboardInterrupt:
        sys.exit(1)  # whoever interrupted this process interrupted its parent, which tells
    except ZooError as error:
        telling.send(error.problems)
        sys.exit(1)
    except Exception as error:  # noqa: BLE001  (a child has nobody above it who could catch)
        traceback.print_exc()
        telling.send((Problem("a training process", f"{type(error).__name__}: {error}"),))
        sys.exit(1)


def _problems(process: BaseProcess, told: Connection) -> tuple[Problem, ...]:
    process.join()
    with told:
        try:
            problems: tuple[Problem, ...] = told.recv()
        except EOFError:
            problems = ()
    if process.exitcode and not problems:
        given = f"{ending(process.exitcode)} without an error message"
        return (Problem("a training process", given, remedy="it may have run out of memory"),)
    return problems
