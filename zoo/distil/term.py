"""One loss at one place, and how much it counts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal

from zoo.models.tap import Tap

if TYPE_CHECKING:
    from torch import Tensor

    from zoo.tensors.batch import Batch

Loss = Callable[["Tensor", "Tensor", "Batch"], "Tensor"]
"""(student, teacher or labels, batch) -> scalar; pure, and blind to models.

On logits of tokens it is a mean over the positions that `Term.places` names."""

Positions = Literal["first", "real", "all"]
"""Of a sequence: its first token, all but padding, or the whole row of a batch."""


@dataclass(frozen=True)
class Ramp:
    """A weight that moves linearly from `start` to `end` over the stage."""

    start: float
    end: float


@dataclass(frozen=True)
class Term:
    """One loss at one place.

    `name` is a family (`soft`), with the student's layer where there is one a layer (`hidden[0]`).
    `teacher` is None for losses against the batch's labels. `project` names a learnt linear map
    from the student's width to the teacher's that is applied to the student's side first; terms
    that name the same one share it. The engine owns it: it is never part of the student, and what
    the corpus stages learnt of it is where the stages on a task begin.
    """

    name: str
    loss: Loss
    student: Tap
    teacher: Tap | None = None
    weight: float | Ramp = 1.0
    project: str | None = None
    vanishes: bool = True
    """Whether it is zero between equal sides; a contrast with other samples is not, nor is the
    distance to a mixture of layers."""

    reads: Positions = "real"
    """The positions of the teacher's states that the loss depends on: what may be kept of them."""

    over_samples: bool = False
    """Whether it compares the samples of a batch with each other: it must see whole batches."""

    def weight_at(self, progress: float) -> float:
        """The weight when `progress` (0 to 1) of the stage is done."""
        if isinstance(self.weight, Ramp):
            return self.weight.start + (self.weight.end - self.weight.start) * progress
        return self.weight

    def places(self, batch: Batch) -> Tensor:
        """Where it reads logits of tokens: (N,) positions, counted along the batch's rows.

        Those with a label, where it compares with labels, else all real tokens.
        """
        read = batch.labels != -100 if self.teacher is None else batch.real
        return read.reshape(-1).nonzero().squeeze(-1)

    @property
    def family(self) -> str:
        """The name without its layer: what `leave_out` speaks of."""
        return self.name.partition("[")[0]

    @property
    def settings(self) -> str:
        """The loss and its settings, for people."""
        if isinstance(self.loss, partial):
            stated = ", ".join(f"{key}={value}" for key, value in self.loss.keywords.items())
            return f"{self.loss.func.__name__}({stated})"
        return str(getattr(self.loss, "__name__", self.loss))
