"""What a library does for the cells that run in it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

from numpy.typing import NDArray

from zoo.latency.inputs import Arrays
from zoo.latency.memory import Meter, NvmlMeter
from zoo.latency.nvml import find_gpu
from zoo.spec.bench import Device, Engine, Runtime


class LoadedModel(Protocol):
    """A loaded model that says what really runs it."""

    @property
    def provider(self) -> str:
        """The device or execution provider that the calls run on."""

    @property
    def attention(self) -> str:
        """Its attention kernel."""

    @property
    def gpu(self) -> str | None:
        """The name of the card that it runs on, where the library tells."""

    def __call__(self, turn: int) -> None:
        """Answer the input whose turn it is; done when the call returns."""

    def logits(self, turn: int) -> tuple[NDArray[Any], ...]:
        """What the call of this turn answers, for whoever checks what is timed."""


Load = Callable[[Runtime, Path, Sequence[Arrays], Device, int], LoadedModel]
"""A runtime's model from what it opens, for these inputs, on a device, in so many threads."""


def _import_nothing(_folders: Sequence[Path]) -> None:
    """Nothing but the library itself serves all cells."""


def _nvml_meter() -> Meter | None:
    gpu = find_gpu()
    return NvmlMeter(gpu) if gpu else None


@dataclass(frozen=True)
class Library:
    """How models are loaded; `LIBRARY` in each module that an engine names as its runner.

    `preload` imports what the checkpoints of an engine that is `imported_once` need beside the
    library; `gpu_meter` counts a model's memory on a GPU, None where that is not available.
    """

    load: Load
    preload: Callable[[Sequence[Path]], None] = _import_nothing
    gpu_meter: Callable[[], Meter | None] = _nvml_meter


def library_of(engine: Engine) -> Library:
    """The library of an engine, which is imported now at the latest."""
    library: Library = import_module(engine.runner).LIBRARY
    return library
