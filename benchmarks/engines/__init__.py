"""The engines that are compared: one module each, imported only where its packages are."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

from transformers import PreTrainedModel

from benchmarks.work import Workload

Training = Callable[[], PreTrainedModel]
"""Trains and returns the student; what was ready before is not timed."""


@dataclass(frozen=True)
class Engine:
    """A way to do the work: a module's `prepare(work, folder, **options)`, which gives a training.

    `needs` are the packages it imports. Some settings only differ on rows of unequal length.
    """

    name: str
    module: str
    options: Mapping[str, bool] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    precisions: tuple[str, ...] = ("fp32", "bf16")
    for_text_only: bool = False

    @property
    def is_installed(self) -> bool:
        """Whether its packages are there."""
        return all(find_spec(package) for package in self.needs)

    def load(self) -> ModuleType:
        """Its module, with all that it imports."""
        return import_module(f"benchmarks.engines.{self.module}")

    def prepare(self, work: Workload, folder: Path) -> Training:
        """Everything before the first step; `folder` is for what the engine writes."""
        training: Training = self.load().prepare(work, folder, **self.options)
        return training


OURS = Engine("distilzoo", "distilzoo")
_TRAINER, _TEXTBREWER = ("accelerate",), ("textbrewer",)
ENGINES = (
    OURS,
    Engine("plain loop, padded to 128", "plain", {"padded": True}, for_text_only=True),
    Engine("plain loop", "plain"),
    Engine("Trainer", "trainer", needs=_TRAINER),
    Engine("Trainer, by length", "trainer", {"by_length": True}, _TRAINER, for_text_only=True),
    Engine("torchdistill", "torchdistill_box", needs=("torchdistill", "torchvision")),
    # Its mixed precision is that of apex, which needs CUDA.
    Engine("TextBrewer", "textbrewer_distiller", needs=_TEXTBREWER, precisions=("fp32",)),
    Engine(
        "TextBrewer, cached logits",
        "textbrewer_distiller",
        {"cached": True},
        _TEXTBREWER,
        precisions=("fp32",),
    ),
)
