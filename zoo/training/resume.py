"""State of an interrupted stage: separate from outputs, named by digest, bit-exact."""

import shutil
import time
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.optim import Optimizer

from zoo.disk import spared
from zoo.errors import Problem, TrainingError
from zoo.paths import new_folder
from zoo.records.training import PhaseRecord
from zoo.spec.base import Spec

SAVE_SECONDS = 60.0
_STATE, _PLACE = "state.safetensors", "place.json"


class Place(Spec):
    """Where training stood: the phases behind it, and how far the open one was."""

    finished: tuple[PhaseRecord, ...] = ()
    step: int = 0
    """Steps done in the open phase."""
    epoch_sum: float = 0.0
    """Of the term that decides about leaving, over the open epoch."""
    seconds: float = 0.0
    """What all attempts took until here."""


class Scratch:
    """The scratch folder of one piece of work."""

    def __init__(self, folder: Path, *, every_seconds: float = SAVE_SECONDS) -> None:
        self._folder = folder / "state"
        self._every = every_seconds
        self._saved = time.monotonic()

    def due(self) -> bool:
        """Whether it is time to save again."""
        return time.monotonic() - self._saved >= self._every

    def save(
        self, place: Place, modules: dict[str, nn.Module], optimiser: Optimizer | None
    ) -> None:
        """Save everything that the next step depends on, unless the disk refuses it.

        The state before it then stands, and saving is tried again when it is due.
        """
        tensors = {"rng/cpu": torch.get_rng_state()}
        for index, state in enumerate(torch.cuda.get_rng_state_all()):
            tensors[f"rng/cuda/{index}"] = state
        for name, module in modules.items():
            for key, value in module.state_dict().items():
                tensors[f"{name}/{key}"] = value
        moments = optimiser.state_dict()["state"] if optimiser else {}
        for index, state in moments.items():
            tensors |= {f"optimiser/{index}/{key}": value for key, value in state.items()}
        # Tied tensors share memory, which safetensors refuses: each is stored on its own.
        apart = {key: value.detach().cpu().clone() for key, value in tensors.items()}
        with (
            spared("the state to resume an interrupted training from"),
            new_folder(self._folder) as fresh,
        ):
            save_file(apart, fresh / _STATE)
            (fresh / _PLACE).write_text(place.model_dump_json(), encoding="utf-8")
        self._saved = time.monotonic()

    def place(self) -> Place | None:
        """The state of an earlier attempt, or None; a damaged one counts as none."""
        try:
            place = Place.model_validate_json((self._folder / _PLACE).read_bytes())
            with safe_open(self._folder / _STATE, framework="pt") as state:
                state.keys()
        except (OSError, ValueError, SafetensorError):
            return None
        return place

    def restore(self, modules: dict[str, nn.Module], optimiser: Optimizer | None) -> None:
        """Load the saved state into newly built modules and their optimiser.

        Raises:
            TrainingError: it was saved by a training of another structure.
        """
        with safe_open(self._folder / _STATE, framework="pt") as state:
            tensors: dict[str, Tensor] = {key: state.get_tensor(key) for key in state.keys()}  # noqa: SIM118
        try:
            for name, module in modules.items():
                module.load_state_dict(_below(f"{name}/", tensors))
            if optimiser is not None:
                _restore_moments(optimiser, _below("optimiser/", tensors))
        except (RuntimeError, ValueError) as error:
            raise TrainingError(
                Problem(
                    str(self._folder.parent),
                    f"this saved state belongs to another training: {str(error).splitlines()[0]}",
                    "a state saved by the same plan",
                    "remove this folder to restart training",
                )
            ) from error
        torch.set_rng_state(tensors["rng/cpu"])
        for index, value in _below("rng/cuda/", tensors).items():
            torch.cuda.set_rng_state(value, int(index))

    def clear(self) -> None:
        """Remove the state: the work is done and its result is saved."""
        shutil.rmtree(self._folder.parent, ignore_errors=True)


def _below(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {key.removeprefix(prefix): v for key, v in tensors.items() if key.startswith(prefix)}


def _restore_moments(optimiser: Optimizer, saved: dict[str, Tensor]) -> None:
    moments: dict[int, dict[str, Tensor]] = {}
    for key, value in saved.items():
        index, name = key.split("/")
        moments.setdefault(int(index), {})[name] = value
    # Rates and decay are the plan's, which a digest names: only the moments come from the state.
    groups = optimiser.state_dict()["param_groups"]
    optimiser.load_state_dict({"state": moments, "param_groups": groups})
