"""Independent pieces of work in parallel: one process and one thread each."""

import multiprocessing
import os
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

from zoo.errors import Problem, TrainingError, ZooError
from zoo.processes import die_with_parent, ending
from zoo.signals import Stopped, held_back, interruptible, postponed

PieceOfWork = Callable[[], None]
WAIT_SECONDS = 0.5
"""How often the processes at work are looked at: as late may a signal be noticed."""


def run_beside(pieces: Sequence[PieceOfWork], workers: int, *, together: bool = False) -> None:
    """Run all pieces, at most `workers` at a time; in turn where processes cannot be forked.

    Pieces that work `together` cannot go on without one: if one fails, the others are ended. The
    parent must not have computed with several threads yet: a fork does not copy them.

    Raises:
        TrainingError: a piece failed; with its own problems, once the running ones have ended.
        Stopped: a signal came, which was passed on; once the running ones have ended.
    """
    if workers <= 1 or len(pieces) <= 1 or "fork" not in multiprocessing.get_all_start_methods():
        for piece in pieces:
            piece()
        return
    waiting, crew = list(pieces), _Crew(together)
    with postponed(crew.pass_on) as asked:
        while crew.running or (waiting and not crew.problems and not asked.by):
            while waiting and len(crew.running) < workers and not crew.problems and not asked.by:
                crew.start(waiting.pop(0))
            crew.wait()
        if crew.problems:
            raise TrainingError(*crew.problems)
        if asked.by:
            reached = dict.fromkeys(each.where for each in crew.stopped if each.where)
            raise Stopped(asked.by, "; ".join(reached))


@dataclass
class _Crew:
    """The processes at work, and what those said that have ended."""

    together: bool = False
    running: dict[int, tuple[BaseProcess, Connection]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    stopped: list[Stopped] = field(default_factory=list)
    passed_on: signal.Signals | None = None

    def start(self, piece: PieceOfWork) -> None:
        """Let a new process do a piece."""
        context = multiprocessing.get_context("fork")
        told, telling = context.Pipe(duplex=False)
        process = context.Process(target=_run, args=(piece, telling, os.getpid()))
        # Until it answers for itself, its copy of this process's handler would take a signal.
        with held_back():
            process.start()
            self.running[process.sentinel] = process, told
        telling.close()
        # Python answers a signal that another thread took although this one holds it back.
        if self.passed_on is not None:
            _ask(process, self.passed_on)

    def pass_on(self, by: signal.Signals) -> None:
        """Ask every process at work to end."""
        self.passed_on = by
        for process, _ in self.running.values():
            _ask(process, by)

    def wait(self) -> None:
        """Wait a while for processes to end, and take what they say."""
        # Not for ever: a signal that another thread was given does not end this thread's wait.
        for ended in wait([*self.running], WAIT_SECONDS):
            assert isinstance(ended, int)
            if ended in self.running:
                self._take(*self.running.pop(ended))

    def _take(self, process: BaseProcess, told: Connection) -> None:
        process.join()
        said = _said(told)
        if isinstance(said, Stopped) and self.passed_on is not None:
            self.stopped.append(said)
        # Without the one that was asked to end, the others of the same work fail.
        elif not (self.together and self.stopped):
            self.problems += _problems(process.exitcode, said)
            # One that stopped by itself has agreed so with the others, which may be saving.
            if self.together and self.problems and not isinstance(said, Stopped):
                self._kill()

    def _kill(self) -> None:
        for process, told in self.running.values():
            process.kill()
            process.join()
            told.close()
        self.running.clear()


def _ask(process: BaseProcess, by: signal.Signals) -> None:
    if process.pid is not None:
        with suppress(ProcessLookupError):
            os.kill(process.pid, by)


def _run(piece: PieceOfWork, telling: Connection, parent: int) -> None:
    die_with_parent(parent)
    try:
        with interruptible():
            piece()
    except Stopped as stopped:
        telling.send(stopped)
        raise
    except ZooError as error:
        telling.send(error.problems)
        sys.exit(1)
    except Exception as error:  # noqa: BLE001  (a child has nobody above it who could catch)
        traceback.print_exc()
        telling.send((Problem("a training process", f"{type(error).__name__}: {error}"),))
        sys.exit(1)


def _said(told: Connection) -> Stopped | tuple[Problem, ...]:
    """What a process reported at its end: nothing if all is well, or it was killed."""
    with told:
        try:
            said: Stopped | tuple[Problem, ...] = told.recv()
        except EOFError:
            return ()
    return said


def _problems(code: int | None, said: Stopped | tuple[Problem, ...]) -> tuple[Problem, ...]:
    if isinstance(said, Stopped):
        return (Problem("a training process", str(said)),)
    if code and not said:
        given = f"{ending(code)} without an error message"
        return (Problem("a training process", given, remedy="it may have run out of memory"),)
    return said
