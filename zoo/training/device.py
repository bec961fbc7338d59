"""Where training runs, decided by the machine and never by a spec or a command line."""

import os
import re
import resource
import sys
from collections.abc import Mapping

import torch
from torch import Tensor

from zoo.errors import Problem, UsageError
from zoo.processes import process_count

_DEVICE = re.compile(r"cpu|cuda(:[0-9]{1,3})?")


def training_device() -> torch.device:
    """`$ZOO_DEVICE` (cpu, cuda, cuda:1) if set, else CUDA if available, else the CPU.

    Raises:
        UsageError: the named device is not there.
    """
    named = os.environ.get("ZOO_DEVICE", "").strip()
    named = named or ("cuda" if torch.cuda.is_available() else "cpu")
    if not _DEVICE.fullmatch(named):
        raise UsageError(
            Problem("ZOO_DEVICE", f"{named!r} is not a device", "cpu, cuda, cuda:<number>")
        )
    device = torch.device(_own(named))
    if device.type == "cuda" and not torch.cuda.is_available():
        raise UsageError(
            Problem("ZOO_DEVICE", "no CUDA device available", "cpu", "unset ZOO_DEVICE")
        )
    if device.index and device.index >= torch.cuda.device_count():
        known = ", ".join(f"cuda:{number}" for number in range(torch.cuda.device_count()))
        raise UsageError(Problem("ZOO_DEVICE", f"{named} is not available", f"cpu, {known}"))
    return device


def _own(named: str) -> str:
    """Of the GPUs of a machine each process of a launcher has its own, unless one is named."""
    local = os.environ.get("LOCAL_RANK", "")
    return f"cuda:{int(local)}" if named == "cuda" and local else named


def device_name(device: torch.device) -> str:
    """The device as records name it: `cpu`, or the name of the GPU; `2 x cpu` of two processes."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
    return f"{process_count()} x {name}" if process_count() > 1 else name


NARROW = 128
"""Hidden width up to which two threads are slower than one (docs/log.md)."""


def share_threads(hidden: int) -> int:
    """Give one piece of training the threads it can use; returns how many pieces fit beside it.

    Narrow models get one thread each, so that several can be trained beside each other; all others,
    and processes that train together, get all threads. `OMP_NUM_THREADS` says how many there are.
    """
    threads = torch.get_num_threads()
    if process_count() > 1 or hidden > NARROW or training_device().type != "cpu":
        return 1
    torch.set_num_threads(1)
    return threads


def peak_memory_bytes(device: torch.device) -> int:
    """Peak memory of this process: of its tensors on a GPU, else all of it."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def random_states(device: torch.device) -> dict[str, Tensor]:
    """The states of the generators that a training on `device` draws from, by kind of device."""
    states = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        states["cuda"] = torch.cuda.get_rng_state(device)
    return states


def restore_random_states(states: Mapping[str, Tensor], device: torch.device) -> None:
    """Go on drawing where `random_states` stood; a kind of device that it lacks stays as it is."""
    torch.set_rng_state(states["cpu"])
    if device.type == "cuda" and "cuda" in states:
        torch.cuda.set_rng_state(states["cuda"], device)
