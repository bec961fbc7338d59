"""One training in a process of its own: the CPU seconds it takes, and the weights it leaves."""

import multiprocessing
import resource
import tempfile
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import torch
from numpy.typing import NDArray
from torch.nn.utils import parameters_to_vector
from torch.optim.optimizer import register_optimizer_step_post_hook

from benchmarks.engines import Training


class Trains(Protocol):
    """What prepares a training of some work."""

    @property
    def name(self) -> str:
        """As told of a failure."""
        ...

    def prepare(self, work: Any, folder: Path, /) -> Training:
        """Everything before the first step."""
        ...


class Cost(NamedTuple):
    """What a training took: CPU seconds of its process and its children, and optimiser steps."""

    cpu_s: float
    steps: int


def cost_of(engine: Trains, work: object) -> Cost:
    """Train in a fork of this process, which has imported what all need.

    What an engine prepares before its first step is not timed.

    Raises:
        RuntimeError: the engine failed; its traceback is on standard error.
    """
    cost: Cost = _forked(_timed, engine, work)
    return cost


def weights_of(engine: Trains, work: object) -> NDArray[Any]:
    """The parameters that a training leaves, one after the other, in the order of the model.

    Raises:
        RuntimeError: as `cost_of`.
    """
    weights: NDArray[Any] = _forked(_trained, engine, work)
    return weights


def _timed(engine: Trains, work: object) -> Cost:
    done: list[object] = []
    register_optimizer_step_post_hook(lambda optimiser, *_: done.append(optimiser))
    with tempfile.TemporaryDirectory() as folder:
        torch.manual_seed(0)
        training = engine.prepare(work, Path(folder))
        before = _cpu_s()
        training()
        return Cost(_cpu_s() - before, len(done))


def _trained(engine: Trains, work: object) -> NDArray[Any]:
    with tempfile.TemporaryDirectory() as folder:
        torch.manual_seed(0)
        student = engine.prepare(work, Path(folder))()
        found: NDArray[Any] = parameters_to_vector(student.parameters()).detach().numpy()
        return found


def _cpu_s() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def _forked(work: Callable[..., Any], engine: Trains, *arguments: object) -> Any:
    context = multiprocessing.get_context("fork")
    answer, sender = context.Pipe(duplex=False)
    child = context.Process(target=_send, args=(sender, work, engine, *arguments))
    child.start()
    # With this end open here, the death of the child would not close the pipe.
    sender.close()
    try:
        return answer.recv()
    except EOFError:
        raise RuntimeError(f"{engine.name} failed") from None
    finally:
        child.join()


def _send(sender: Connection, work: Callable[..., Any], *arguments: object) -> None:
    # In a fork, OpenMP would wait for threads that were not forked.
    torch.set_num_threads(1)
    sender.send(work(*arguments))
