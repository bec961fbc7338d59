"""Work in a process of its own, forked where that is safe, that never outlives who asked for it."""

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
    """Why there is no answer, with the last lines that the process wrote."""

    reason: str
    late: bool = False
    """Whether it was stopped because its time was over."""


def start_method() -> StartMethod:
    """`fork` where a child begins as this process is: on Linux, with one thread and no GPU.

    Locks that other threads hold stay locked in a fork, and a CUDA context is broken there.
    """
    if sys.platform != "linux" or psutil.Process().num_threads() > 1:
        return "spawn"
    torch = sys.modules.get("torch")
    return "spawn" if torch is not None and torch.cuda.is_initialized() else "fork"


def run_apart(
    work: Callable[..., bytes], arguments: tuple[str, ...], seconds: float
) -> bytes | Failure:
    """What `work(*arguments)` returns in a new process; it is killed after `seconds`.

    Whatever it prints goes into the failure, if it fails. `work` is a function of a module, which a
    process that does not begin as a copy of this one can import.
    """
    context = multiprocessing.get_context(start_method())
    answer, sender = context.Pipe(duplex=False)
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "output"
        everything = (sender, str(log), os.getpid(), work, arguments)
        process = context.Process(target=_child, args=everything)  # type: ignore[attr-defined]
        process.start()
        # With this end open here, a child that dies would never read as the end of the pipe.
        sender.close()
        try:
            return _await(process, answer, seconds, log)
        finally:
            if process.is_alive():
                process.kill()
            process.join()
            answer.close()


def tail(output: str) -> str:
    """The last lines of what a process wrote, as they stand below a message."""
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
    # Libraries that crash or hang while they are torn down have given their answer before.
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
