"""The interface of libraries that run cells."""

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
    """A loaded model that reports what runs it."""

    @property
    def provider(self) -> str:
        """The device or execution provider that the calls run on."""

    @property
    def attention(self) -> str:
        """Its attention kernel."""

    @property
    def gpu(self) -> str | None:
        """The name of its GPU, if the library exposes it."""

    def __call__(self, turn: int) -> None:
        """Run the current input; finished when the call returns."""

    def logits(self, turn: int) -> tuple[NDArray[Any], ...]:
        """The output for the current input, to check what is timed."""


Load = Callable[[Runtime, Path, Sequence[Arrays], Device, int], LoadedModel]
"""Load a runtime's model from its file, for these inputs, device and number of threads."""


def _import_nothing(_folders: Sequence[Path]) -> None:
    """Import nothing beyond the library itself."""


def _nvml_meter() -> Meter | None:
    gpu = find_gpu()
    return NvmlMeter(gpu) if gpu else None


@dataclass(frozen=True)
class Library:
    """How models are loaded; `LIBRARY` in each engine's runner module.

    `preload` imports what the checkpoints of an engine that is `imported_once` need besides the
    library; `gpu_meter` measures a model's GPU memory, None if unavailable.
    """

    load: Load
    preload: Callable[[Sequence[Path]], None] = _import_nothing
    gpu_meter: Callable[[], Meter | None] = _nvml_meter


def library_of(engine: Engine) -> Library:
    """The library of an engine, imported now at the latest."""
    library: Library = import_module(engine.runner).LIBRARY
    return library
