"""State of an interrupted stage: separate from outputs, named by digest, bit-exact.

state.safetensors    the tensors, and the place they belong to as one more: JSON in bytes
held, awaited        locks of the process that trains, and of those that wait for it
"""

import os
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import torch
from pydantic import Field
from safetensors import SafetensorError
from safetensors.torch import load, save_file
from torch import Tensor, nn
from torch.optim import Optimizer

from zoo.disk import reported, spared
from zoo.errors import Problem, TrainingError
from zoo.processes import leads
from zoo.records.training import PhaseRecord
from zoo.spec.base import Spec
from zoo.training.device import random_states, restore_random_states
from zoo.training.hold import awaited, held

SAVE_SECONDS = 60.0
_STATE, _PLACE = "state.safetensors", "place"


class Place(Spec):
    """Where training stood: the phases behind it, and how far the open one was."""

    finished: tuple[PhaseRecord, ...] = ()
    step: int = 0
    """Steps done in the open phase."""
    left: str | None = None
    """Why the open phase has no step left, once it has none."""
    losses: dict[str, float] = Field(default_factory=dict)
    """Of the open phase, as they were last looked at."""
    epoch_sum: float = 0.0
    """Of the term that decides about leaving, over the open epoch."""
    seconds: float = 0.0
    """What all attempts took until here."""


@dataclass(frozen=True)
class Saved:
    """The state of an earlier attempt: a place, and the tensors that were saved with it."""

    place: Place
    tensors: Mapping[str, Tensor]
    folder: Path

    def restore(self, modules: dict[str, nn.Module], optimiser: Optimizer | None) -> None:
        """Load the state into newly built modules and their optimiser.

        Raises:
            TrainingError: it was saved by a training of another structure.
        """
        try:
            for name, module in modules.items():
                module.load_state_dict(_below(f"{name}/", self.tensors))
            if optimiser is not None:
                _restore_moments(optimiser, _below("optimiser/", self.tensors))
        except (RuntimeError, ValueError) as error:
            raise TrainingError(
                Problem(
                    str(self.folder),
                    f"this saved state belongs to another training: {str(error).splitlines()[0]}",
                    "a state saved by the same plan",
                    "remove this folder to restart training",
                )
            ) from error
        restore_random_states(_below("rng/", self.tensors), _device(modules))


class Scratch:
    """The scratch folder of one piece of work: of several processes one writes, all read."""

    def __init__(self, folder: Path, *, every_seconds: float = SAVE_SECONDS) -> None:
        self._folder = folder
        self._every = every_seconds
        self._saved = time.monotonic()

    @contextmanager
    def held(self, by: str) -> Iterator[None]:
        """Keep other processes from the same work inside the block; they wait for its end.

        Those that work together are one: the first holds it for all.
        """
        with held(self._folder, by) if leads() else nullcontext():
            yield

    def due(self) -> bool:
        """Whether it is time to save again; never where another process saves."""
        return leads() and time.monotonic() - self._saved >= self._every

    def save(
        self, place: Place, modules: dict[str, nn.Module], optimiser: Optimizer | None
    ) -> None:
        """Save everything that the next step depends on, unless the disk refuses it.

        The state before it then stands, and saving is tried again when it is due.
        """
        if not leads():
            return
        states = random_states(_device(modules))
        tensors = {f"rng/{kind}": state for kind, state in states.items()}
        for name, module in modules.items():
            for key, value in module.state_dict().items():
                tensors[f"{name}/{key}"] = value
        moments = optimiser.state_dict()["state"] if optimiser else {}
        for index, state in moments.items():
            tensors |= {f"optimiser/{index}/{key}": value for key, value in state.items()}
        apart = _apart(tensors)
        text = bytearray(place.model_dump_json(), "utf-8")
        apart[_PLACE] = torch.frombuffer(text, dtype=torch.uint8)
        with spared("the state to resume an interrupted training from"):
            self._write(apart)
        self._saved = time.monotonic()

    def saved(self) -> Saved | None:
        """The state of an earlier attempt, or None; a damaged one counts as none."""
        try:
            # Read at once: another process may put a new file in its place meanwhile, and safe_open
            # opens a path twice, for the header and for the tensors.
            tensors = load((self._folder / _STATE).read_bytes())
            place = Place.model_validate_json(bytes(tensors.pop(_PLACE).numpy()))
        except (OSError, KeyError, ValueError, SafetensorError):
            return None
        return Saved(place, tensors, self._folder)

    def clear(self) -> None:
        """Remove the state: the work is done and its result is saved.

        It stays if a process waits to do the same work, which finds it done.
        """
        if leads() and not awaited(self._folder):
            shutil.rmtree(self._folder, ignore_errors=True)

    def _write(self, tensors: dict[str, Tensor]) -> None:
        # One name for what is not complete yet: a killed process leaves one such file, not many.
        path, fresh = self._folder / _STATE, self._folder / f"{_STATE}.part"
        try:
            with reported(path):
                self._folder.mkdir(parents=True, exist_ok=True)
                save_file(tensors, fresh)
                with fresh.open("rb") as file:
                    os.fsync(file.fileno())
                fresh.replace(path)
        except BaseException:
            fresh.unlink(missing_ok=True)
            raise


def _apart(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors on the CPU, none in the memory of another, as safetensors asks for."""
    apart: dict[str, Tensor] = {}
    owners: set[int] = set()
    for key, value in tensors.items():
        held = value.detach().cpu()
        memory = held.untyped_storage()
        # Tied weights, and views of a larger memory; copies of all would double what a step holds.
        if memory.data_ptr() in owners or memory.nbytes() != held.nbytes:
            held = held.clone()
        owners.add(held.untyped_storage().data_ptr())
        apart[key] = held.contiguous()
    return apart


def _device(modules: Mapping[str, nn.Module]) -> torch.device:
    """Where the modules are, all of them."""
    return next(
        parameter.device for module in modules.values() for parameter in module.parameters()
    )


def _below(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {key.removeprefix(prefix): v for key, v in tensors.items() if key.startswith(prefix)}


def _restore_moments(optimiser: Optimizer, saved: dict[str, Tensor]) -> None:
    moments: dict[int, dict[str, Tensor]] = {}
    for key, value in saved.items():
        index, name = key.split("/")
        moments.setdefault(int(index), {})[name] = value
    # Rates and decay are the plan's, which a digest names: only the moments come from the state.
    groups = optimiser.state_dict()["param_groups"]
    optimiser.load_state_dict({"state": moments, "param_groups": groups})
