"""How far a student's attention is from its teacher's."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from zoo.records.measured import Amount, Count, Measure, MeasuredRun
from zoo.spec.base import Sha256, Spec


class LayerDivergence(Spec):
    """One layer of the student beside the one of the teacher that it is compared with."""

    teacher_layer: Amount
    """Counted from 0."""
    heads: Annotated[tuple[Measure, ...], Field(min_length=1)]
    """KL divergence of each head's distributions from the teacher's same head, in nats."""


class AttentionRecord(MeasuredRun):
    """The attention of a run beside its teacher's, on one dev split."""

    said: ClassVar[tuple[str, ...]] = ("weights_sha256", "teacher_sha256")

    kind: Literal["attention"] = "attention"
    teacher: str
    weights_sha256: Sha256 | None = None
    """The sha256 of the model's weights."""
    teacher_sha256: Sha256 | None = None
    """The sha256 of the teacher's."""
    split: str
    data_sha256: str
    """The sha256 of the split's examples."""
    rows: Count
    """Real tokens, whose distributions are averaged."""
    layers: Annotated[tuple[LayerDivergence, ...], Field(min_length=1)]
    """The student's, from the first."""

    @property
    def name(self) -> str:
        """The record's file name."""
        return f"attention-{self.task}-{self.split}-{self.seed}"

    @property
    def mean(self) -> float:
        """The divergence over all layers and heads."""
        every = [value for layer in self.layers for value in layer.heads]
        return sum(every) / len(every)
