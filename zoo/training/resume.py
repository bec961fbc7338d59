"""State of an interrupted stage: kept apart from outputs, named by digest, exact to the bit."""

import json
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.optim import Optimizer

from zoo.paths import new_folder

SAVE_SECONDS = 60.0
_STATE, _PLACE = "state.safetensors", "place.json"


@dataclass(frozen=True)
class Place:
    """Where training stood: the phase, the steps done in it, the loss sums of the open epoch."""

    phase: int
    step: int
    sums: dict[str, float]


class Scratch:
    """The scratch folder of one piece of work."""

    def __init__(self, folder: Path, *, every_seconds: float = SAVE_SECONDS) -> None:
        self._folder = folder / "state"
        self._every = every_seconds
        self._saved = time.monotonic()

    def due(self) -> bool:
        """Whether it is time to save again."""
        return time.monotonic() - self._saved >= self._every

    def save(self, place: Place, modules: dict[str, nn.Module], optimiser: Optimizer) -> None:
        """Save everything that the next step depends on."""
        tensors = {"rng": torch.get_rng_state()}
        for name, module in modules.items():
            for key, value in module.state_dict().items():
                tensors[f"{name}/{key}"] = value
        for index, state in optimiser.state_dict()["state"].items():
            tensors |= {f"optimiser/{index}/{key}": value for key, value in state.items()}
        # Tied tensors share memory, which safetensors refuses: each is stored on its own.
        apart = {key: value.detach().cpu().clone() for key, value in tensors.items()}
        with new_folder(self._folder) as fresh:
            save_file(apart, fresh / _STATE)
            (fresh / _PLACE).write_text(json.dumps(vars(place)), encoding="utf-8")
        self._saved = time.monotonic()

    def place(self) -> Place | None:
        """Where an earlier attempt stood, or None; a damaged state counts as none."""
        try:
            stated: dict[str, Any] = json.loads((self._folder / _PLACE).read_text(encoding="utf-8"))
            with safe_open(self._folder / _STATE, framework="pt") as state:
                state.keys()
            return Place(**stated)
        except (OSError, ValueError, TypeError, SafetensorError):
            return None

    def restore(self, modules: dict[str, nn.Module], optimiser: Optimizer) -> None:
        """Put the saved state back into freshly made modules and their optimiser."""
        with safe_open(self._folder / _STATE, framework="pt") as state:
            tensors: dict[str, Tensor] = {key: state.get_tensor(key) for key in state.keys()}  # noqa: SIM118
        for name, module in modules.items():
            prefix = f"{name}/"
            own = {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
            module.load_state_dict(own)
        moments: dict[int, dict[str, Tensor]] = {}
        for key, value in tensors.items():
            if key.startswith("optimiser/"):
                _, index, name = key.split("/")
                moments.setdefault(int(index), {})[name] = value
        stated = optimiser.state_dict()
        optimiser.load_state_dict({"state": moments, "param_groups": stated["param_groups"]})
        torch.set_rng_state(tensors["rng"])

    def clear(self) -> None:
        """Remove the state: the work is done."""
        shutil.rmtree(self._folder.parent, ignore_errors=True)
