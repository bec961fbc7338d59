"""Module replacement: the teacher's layers give way to the student's (BERT-of-Theseus)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from zoo.distil.surgery import Continue, Seat, StageProgress

if TYPE_CHECKING:
    from torch.optim import Optimizer
    from transformers import PreTrainedModel


@dataclass(frozen=True)
class Replacement(Continue):
    """The trainee is a copy of the teacher whose modules use their successors more and more.

    In step s of S they do with probability p(s) = min(1, k (s - 1) + b), b being `base_rate` and k
    `slope`, or, where none is stated, what lets p reach 1 after `full_after` of the S steps.
    """

    successors: Literal["predecessor", "student"]
    base_rate: float
    slope: float | None = None
    full_after: float = 1.0

    @property
    def reads_teacher(self) -> bool:
        """Yes: its layers are replaced."""
        return True

    @property
    def reads_student(self) -> bool:
        """Whether successors start as the student's layers."""
        return self.successors == "student"

    def rate(self, step: int, steps: int) -> float:
        """The probability p in a step, counted from 1."""
        slope = self.slope
        if slope is None:
            slope = (1.0 - self.base_rate) / (self.full_after * steps)
        return min(1.0, slope * (step - 1) + self.base_rate)

    def open(self, seat: Seat) -> PreTrainedModel:
        """A copy of the teacher in as many modules as the student has layers."""
        from zoo.distil import replaceable  # noqa: PLC0415  (methods are imported without torch)

        start = seat.student if self.successors == "student" else None
        depth = int(seat.student.config.num_hidden_layers)
        trainee = replaceable.with_modules(seat.teacher(), depth, start)
        replaceable.set_rate(trainee, self.base_rate)
        return trainee

    def edit(self, trainee: PreTrainedModel, optimiser: Optimizer, progress: StageProgress) -> None:  # noqa: ARG002
        """Set p for the next step."""
        from zoo.distil import replaceable  # noqa: PLC0415

        # Surgery edits after the backward pass: what it sets is drawn with in the next forward.
        replaceable.set_rate(trainee, self.rate(progress.step + 1, progress.steps))

    def close(self, trainee: PreTrainedModel) -> PreTrainedModel:
        """The successors between the teacher's embeddings and head."""
        from zoo.distil import replaceable  # noqa: PLC0415

        return replaceable.with_successors(trainee)
