"""Work in a separate process, forked where that is safe, that never outlives its parent."""

import multiprocessing
import os
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Literal

import psutil

from zoo.processes import die_with_parent, ending

_TAIL_LINES = 15
_GRACE_SECONDS = 10.0

StartMethod = Literal["fork", "spawn"]


@dataclass(frozen=True)
class Failure:
    """Why there is no result, with the last lines of the process's output."""

    reason: str
    late: bool = False
    """Whether it timed out."""


def start_method() -> StartMethod:
    """`fork` where it is safe: on Linux, with one thread and no GPU; else `spawn`.

    In a fork, locks of other threads stay locked, and a CUDA context is broken.
    """
    if sys.platform != "linux" or psutil.Process().num_threads() > 1:
        return "spawn"
    torch = sys.modules.get("torch")
    return "spawn" if torch is not None and torch.cuda.is_initialized() else "fork"


def run_apart(
    work: Callable[..., bytes], arguments: tuple[str, ...], seconds: float
) -> bytes | Failure:
    """The result of `work(*arguments)` in a new process, which is killed after `seconds`.

    If it fails, the failure includes its output. `work` must be a module-level function, so that a
    spawned process can import it.
    """
    context = multiprocessing.get_context(start_method())
    answer, sender = context.Pipe(duplex=False)
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "output"
        everything = (sender, str(log), os.getpid(), work, arguments)
        process = context.Process(target=_child, args=everything)  # type: ignore[attr-defined]
        process.start()
        # With this end open here, the death of a child would not close the pipe.
        sender.close()
        try:
            return _await(process, answer, seconds, log)
        finally:
            if process.is_alive():
                process.kill()
            process.join()
            answer.close()


def tail(output: str) -> str:
    """The last lines of a process's output, indented for a message."""
    return "".join(f"\n    {line}" for line in output.splitlines()[-_TAIL_LINES:])


def _await(
    process: multiprocessing.Process, answer: Connection, seconds: float, log: Path
) -> bytes | Failure:
    if not answer.poll(seconds):
        return Failure(f"not done after {seconds:g} s; it was stopped{_output(log)}", late=True)
    try:
        found = answer.recv_bytes()
    except EOFError:
        process.join()
        return Failure(f"{ending(process.exitcode or 0)}{_output(log)}")
    # Libraries that crash or hang on exit have returned their result before.
    process.join(_GRACE_SECONDS)
    return found


def _output(log: Path) -> str:
    return tail(log.read_text(errors="replace")) if log.exists() else ""


def _child(
    sender: Connection,
    log: str,
    parent: int,
    work: Callable[..., bytes],
    arguments: tuple[str, ...],
) -> None:
    die_with_parent(parent)
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(output, 1)
    os.dup2(output, 2)
    sender.send_bytes(work(*arguments))
    sender.close()
