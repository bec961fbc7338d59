"""Changes to a model's structure: before a stage, at every step of it, and after it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from torch.optim import Optimizer
    from transformers import PreTrainedModel

    from zoo.distil.budget import Budget

ReportColumns = Mapping[str, Sequence[float | int | str]]
"""A table: names of columns, and their values, equally many in each."""


@dataclass(frozen=True)
class Seat:
    """What surgery works on.

    `student` is the model as the spec starts it, or as the stage before left it; `teacher` loads
    the stage's teacher (frozen, in evaluation mode) and is only called by surgery that needs it.
    """

    student: PreTrainedModel
    teacher: Callable[[], PreTrainedModel]


@dataclass(frozen=True)
class StageProgress:
    """How far a stage is: `step` counts optimiser steps from 1, of `steps`."""

    step: int
    steps: int

    @property
    def fraction(self) -> float:
        """The share that is done before this step, 0 to 1."""
        return (self.step - 1) / self.steps


class Seam(NamedTuple):
    """What `close` is about to lose, as a share of what it keeps, and up to where that is none."""

    cut: float
    near_zero: float


class Surgery(Protocol):
    """Opens a stage's trainee, may edit it at every step, and closes it to a plain model.

    Before the first step the engine asks for the surgery `within` the stage's budget, and lets that
    one edit. `edit` runs after backward and clipping, before the optimiser's step: what it adds is
    not clipped. The trainee answers to `forward` and to the anatomy of its family as any student
    does. What an edit must remember between steps stands in the trainee's buffers, so that resuming
    restores it. Parameters that `open` sets to need no gradient are not trained. To `edit` the word
    embedding may be one of fewer rows, those that the stage reads; to all else it is whole.
    """

    @property
    def reads_teacher(self) -> bool:
        """Whether `open` needs the teacher."""
        ...

    @property
    def reads_student(self) -> bool:
        """Whether `open` uses the student's weights, not only its shape."""
        ...

    def within(self, budget: Budget) -> Surgery:
        """The same surgery, with what its settings leave open decided by the stage's budget.

        Raises:
            MisfitError: it cannot come to its end within that budget.
        """
        ...

    def note(self, budget: Budget | None) -> str:
        """Its schedule in words; empty where there is nothing to report."""
        ...

    def open(self, seat: Seat) -> PreTrainedModel:
        """The model that this stage trains."""
        ...

    def edit(self, trainee: PreTrainedModel, optimiser: Optimizer, progress: StageProgress) -> None:
        """Change gradients, moments or structure before the optimiser steps."""
        ...

    def seam(self, trainee: PreTrainedModel) -> Seam | None:
        """What closing loses, asked after the last step; None where closing changes nothing.

        Raises:
            MisfitError: more than its settings allow.
        """
        ...

    def close(self, trainee: PreTrainedModel) -> PreTrainedModel:
        """The plain model that the stage leaves behind."""
        ...

    def pace(self, name: str) -> float:
        """What the learning rate of the trainee's parameter `name` is multiplied with."""
        ...

    def report(self, trainee: PreTrainedModel) -> ReportColumns | None:
        """What happened to the structure, as a table of columns stored next to the weights."""
        ...


@dataclass(frozen=True)
class Continue:
    """No surgery: the stage trains the model it is given. The base of all that do less than all."""

    @property
    def reads_teacher(self) -> bool:
        """No: the student is all there is."""
        return False

    @property
    def reads_student(self) -> bool:
        """Yes: it is what is trained."""
        return True

    def within(self, budget: Budget) -> Surgery:  # noqa: ARG002
        """As it is: it fits every budget."""
        return self

    def note(self, budget: Budget | None) -> str:  # noqa: ARG002
        """Nothing to report."""
        return ""

    def open(self, seat: Seat) -> PreTrainedModel:
        """The student itself."""
        return seat.student

    def edit(self, trainee: PreTrainedModel, optimiser: Optimizer, progress: StageProgress) -> None:
        """Leave everything as it is."""

    def seam(self, trainee: PreTrainedModel) -> Seam | None:  # noqa: ARG002
        """Nothing is lost."""
        return None

    def close(self, trainee: PreTrainedModel) -> PreTrainedModel:
        """The student itself."""
        return trainee

    def pace(self, name: str) -> float:  # noqa: ARG002
        """The learning rate as it is."""
        return 1.0

    def report(self, trainee: PreTrainedModel) -> ReportColumns | None:  # noqa: ARG002
        """Nothing to report."""
        return None
