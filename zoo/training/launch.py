"""The processes that train together on one machine, started where nothing else has started them."""

import os
import socket
from collections.abc import Callable
from functools import partial, wraps
from multiprocessing import get_all_start_methods
from typing import ParamSpec

import torch

from zoo.errors import Problem, UsageError
from zoo.training.beside import PieceOfWork, run_beside

MOST_PROCESSES = 64
_VARIABLE = "ZOO_PROCESSES"
_LAUNCHED = "WORLD_SIZE"
"""What every launcher tells its processes: how many there are."""

Arguments = ParamSpec("Arguments")


def in_group(stage: Callable[Arguments, None]) -> Callable[Arguments, None]:
    """A stage whose trainings `$ZOO_PROCESSES` processes do together; by itself it is one.

    Where a launcher has started this process, it is one of the launcher's. If one ends with an
    error, all end with it.

    Raises:
        UsageError: there cannot be as many.
    """

    @wraps(stage)
    def together(*given: Arguments.args, **named: Arguments.kwargs) -> None:
        piece, size = partial(stage, *given, **named), wanted_processes()
        if size == 1 or _LAUNCHED in os.environ:
            piece()
            return
        port = _free_port()
        pieces = [partial(_as_rank, piece, rank, size, port) for rank in range(size)]
        run_beside(pieces, size, together=True)

    return together


def wanted_processes() -> int:
    """`$ZOO_PROCESSES`, 1 if it is not set.

    Raises:
        UsageError: it is not a number of processes, or this system cannot fork them.
    """
    named = os.environ.get(_VARIABLE, "").strip() or "1"
    if not (named.isascii() and named.isdigit() and 0 < int(named[:9]) <= MOST_PROCESSES):
        raise UsageError(
            Problem(_VARIABLE, f"{named!r} is not a number of processes", f"1 to {MOST_PROCESSES}")
        )
    if named != "1" and "fork" not in get_all_start_methods():
        raise UsageError(
            Problem(_VARIABLE, "this system cannot fork processes", "1", "use torchrun")
        )
    return int(named)


def _as_rank(piece: PieceOfWork, rank: int, size: int, port: int) -> None:
    """Do a piece as one of `size` processes, which find each other at a port."""
    threads = max(1, torch.get_num_threads() // size)
    torch.set_num_threads(threads)
    os.environ.setdefault("OMP_NUM_THREADS", str(threads))
    os.environ |= {
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": str(size),
        "LOCAL_WORLD_SIZE": str(size),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
    }
    piece()
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
    return port
