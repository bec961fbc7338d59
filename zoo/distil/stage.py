"""A stage: one phase of a method, as a table of terms on one kind of data."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from zoo.distil.surgery import Continue, Surgery
from zoo.distil.term import Term
from zoo.models.tap import LOGITS

Data = Literal["corpus", "task", "augmented"]
"""`augmented`: the task's training examples with the copies that its data augmentation makes."""
Part = Literal["positions", "embeddings", "encoder", "head", "body"]
"""`encoder`: the layers alone; `body`: all that a task's head is put on."""


@dataclass(frozen=True)
class Below:
    """Leave a stage early: at an epoch's end, once the mean of a term is below a threshold."""

    term: str
    threshold: float


@dataclass(frozen=True)
class Masking:
    """How a corpus stage masks tokens (BERT: 80 % [MASK], 10 % unchanged, 10 % random).

    With `smoothing`, a piece is drawn with probability proportional to max(count, 1)^-smoothing,
    one draw over the whole batch (DistilBERT); without, all pieces are alike.
    """

    fraction: float = 0.15
    smoothing: float | None = None


@dataclass(frozen=True)
class Stage:
    """One phase of training.

    `share` is its part of the budget of its kind of data. `frozen` are the parts of the student
    that this stage does not train, `paces` what the learning rates of parts are multiplied with.
    `optimiser` says whether the moments of the stage before are carried on. `note` is what a reader
    of the table must know beside it.
    """

    name: str
    data: Data
    terms: tuple[Term, ...]
    surgery: Surgery = field(default_factory=Continue)
    share: float = 1.0
    leave: Below | None = None
    optimiser: Literal["fresh", "carry"] = "fresh"
    frozen: tuple[Part, ...] = ()
    paces: Mapping[Part, float] = field(default_factory=dict)
    masking: Masking = Masking()
    note: str = ""

    @property
    def needs_teacher(self) -> bool:
        """Whether a term or the surgery looks at the teacher; else it is never loaded."""
        return self.surgery.reads_teacher or any(term.teacher is not None for term in self.terms)

    @property
    def reads_teachers_words(self) -> bool:
        """Whether a term or the surgery needs what the teacher answers, not only its layers."""
        asked = any(term.teacher == LOGITS for term in self.terms)
        return asked or self.surgery.reads_teacher

    @property
    def teaches_words(self) -> bool:
        """Whether a term trains what the student answers, not only its layers."""
        return any(term.student == LOGITS for term in self.terms)

    def without(self, families: Collection[str]) -> "Stage":
        """The stage without the terms of these families."""
        kept = tuple(term for term in self.terms if term.family not in families)
        return replace(self, terms=kept)
