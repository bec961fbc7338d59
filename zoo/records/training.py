"""Training records: on the corpus and on tasks."""

from typing import ClassVar, Literal

from zoo.records.measured import Amount, Count, Measure, MeasuredRun
from zoo.spec.base import Inputs, Spec


class ClosingRecord(Spec):
    """The cost of turning a stage's surgery into a plain model."""

    cut: float
    """Largest norm removed, relative to the mean of those kept; 0: nothing."""
    near_zero: float
    """Cuts below this count as nothing."""
    before: dict[str, float]
    """Each term before, averaged over the next batches, without dropout."""
    after: dict[str, float]
    """Each term after, on the same batches."""

    @property
    def mark(self) -> str:
        """The board's remark that the entry was cut, not compressed; else empty."""
        if self.cut < self.near_zero:
            return ""
        terms = ", ".join(
            f"{name} {self.before[name]:.2f} to {self.after[name]:.2f}" for name in self.before
        )
        return f"cut where {self.cut:.2g} of the kept norm was left: {terms}"


class PhaseRecord(Spec):
    """One completed phase of training."""

    name: str
    steps: Amount
    left: str
    """The stopping reason."""
    passes: Measure | None = None
    """Passes over its data, in epochs; None in records older than this field."""
    losses: dict[str, float]
    """The final value of each term."""
    report: dict[str, list[float | int | str]] | None = None
    """Values logged by the stage's surgery, as columns of equal length."""
    closing: ClosingRecord | None = None
    """The cost of closing the surgery; None if it changes nothing."""


class HeldOutRecord(Spec):
    """Masked language modelling on documents that were not trained on."""

    positions: Count
    """Masked positions; the mask is fixed."""
    loss: Measure
    """Mean cross-entropy of the pieces at these positions, in nats, computed in fp32."""
    unigram_loss: Measure
    """The same of a model that only knows how often each piece occurs in the training text."""


class TransferRecord(MeasuredRun):
    """Training of an entry on the corpus; `task` is `corpus`, `digest` that of its weights."""

    said: ClassVar[tuple[str, ...]] = ("inputs",)
    later: ClassVar[tuple[str, ...]] = ("held_out",)

    kind: Literal["transfer"] = "transfer"
    inputs: Inputs | None = None
    """Its inputs, by content hash."""
    seconds: Measure
    threads: Count
    peak_memory_bytes: Amount | None = None
    """Peak memory of the training process, libraries included; on a GPU that of its tensors."""
    phases: tuple[PhaseRecord, ...]
    held_out: HeldOutRecord | None = None
    """Of a teacher whose masked-language-model head was trained."""

    @property
    def name(self) -> str:
        """The record's file name."""
        return f"transfer-{self.seed}"


class TrainingRecord(MeasuredRun):
    """Training of a run."""

    said: ClassVar[tuple[str, ...]] = ("inputs",)

    kind: Literal["training"] = "training"
    inputs: Inputs | None = None
    """Its inputs, by content hash."""
    seconds: Measure
    threads: Count
    peak_memory_bytes: Amount | None = None
    """Peak memory of the training process, libraries included; on a GPU that of its tensors."""
    examples: Count
    augmented_examples: Count | None = None
    """Training examples, including augmented copies."""
    data_sha256: str
    """The sha256 of the training examples."""
    phases: tuple[PhaseRecord, ...]

    @property
    def name(self) -> str:
        """The record's file name."""
        return f"training-{self.task}-{self.seed}"
