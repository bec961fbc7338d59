"""How models were trained: on the corpus and on tasks."""

from typing import ClassVar, Literal

from zoo.records.measured import Amount, Count, Measure, MeasuredRun
from zoo.spec.base import Inputs, Spec


class ClosingRecord(Spec):
    """What it cost to close a stage's surgery to a plain model."""

    cut: float
    """What was cut away, at most: a norm beside the mean of those kept; 0 is nothing."""
    near_zero: float
    """Below this a cut counts as nothing."""
    before: dict[str, float]
    """Each term before, a mean over the batches that would have come next, without dropout."""
    after: dict[str, float]
    """Each term after, on the same batches."""

    @property
    def mark(self) -> str:
        """What a board shows beside the entry: that it was cut, not compressed; else empty."""
        if self.cut < self.near_zero:
            return ""
        terms = ", ".join(
            f"{name} {self.before[name]:.2f} to {self.after[name]:.2f}" for name in self.before
        )
        return f"cut where {self.cut:.2g} of the kept norm was left: {terms}"


class PhaseRecord(Spec):
    """One phase of a training as it went."""

    name: str
    steps: Amount
    left: str
    """Why it ended."""
    passes: Measure | None = None
    """How often it read its data, in epochs; None where that was not counted yet."""
    losses: dict[str, float]
    """Each term's last value."""
    report: dict[str, list[float | int | str]] | None = None
    """What the stage's surgery noted on its way, as equally long columns."""
    closing: ClosingRecord | None = None
    """What closing the surgery cost; None where it changes nothing."""


class TransferRecord(MeasuredRun):
    """How an entry was trained on the corpus; `task` is `corpus`, `digest` the transfer's own."""

    said: ClassVar[tuple[str, ...]] = ("inputs",)

    kind: Literal["transfer"] = "transfer"
    inputs: Inputs | None = None
    """What it was made of, each by the hash of its content."""
    seconds: Measure
    threads: Count
    peak_memory_bytes: Amount | None = None
    """The most the training process held, libraries included; on a GPU what its tensors took."""
    phases: tuple[PhaseRecord, ...]

    @property
    def name(self) -> str:
        """The record's file name."""
        return f"transfer-{self.seed}"


class TrainingRecord(MeasuredRun):
    """How a run was trained."""

    said: ClassVar[tuple[str, ...]] = ("inputs",)

    kind: Literal["training"] = "training"
    inputs: Inputs | None = None
    """What it was made of, each by the hash of its content."""
    seconds: Measure
    threads: Count
    peak_memory_bytes: Amount | None = None
    """The most the training process held, libraries included; on a GPU what its tensors took."""
    examples: Count
    augmented_examples: Count | None = None
    """With their copies, where a stage read augmented data."""
    data_sha256: str
    """Of the training examples."""
    phases: tuple[PhaseRecord, ...]

    @property
    def name(self) -> str:
        """The record's file name."""
        return f"training-{self.task}-{self.seed}"
