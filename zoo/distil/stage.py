"""A stage: one phase of a method, as a table of terms on one kind of data."""

from dataclasses import dataclass, field
from typing import Literal

from zoo.distil.surgery import Continue, Surgery
from zoo.distil.term import Term

Data = Literal["corpus", "task"]
Part = Literal["positions", "embeddings", "encoder", "head"]


@dataclass(frozen=True)
class Below:
    """Leave a stage early: at an epoch's end, once the mean of a term is below a threshold."""

    term: str
    threshold: float


@dataclass(frozen=True)
class Masking:
    """How a corpus stage hides pieces (BERT: 80 % [MASK], 10 % unchanged, 10 % random).

    With `smoothing`, a piece is drawn with probability proportional to max(count, 1)^-smoothing,
    one draw over the whole batch (DistilBERT); without, all pieces are alike.
    """

    fraction: float = 0.15
    smoothing: float | None = None


@dataclass(frozen=True)
class Stage:
    """One phase of training.

    `share` is its part of the budget of its kind of data. `frozen` are the parts of the student
    that this stage does not train. `optimiser` says whether the moments of the stage before are
    carried on.
    """

    name: str
    data: Data
    terms: tuple[Term, ...]
    surgery: Surgery = field(default_factory=Continue)
    share: float = 1.0
    leave: Below | None = None
    optimiser: Literal["fresh", "carry"] = "fresh"
    frozen: tuple[Part, ...] = ()
    masking: Masking = Masking()

    @property
    def needs_teacher(self) -> bool:
        """Whether any term looks at the teacher; one that is never looked at never runs."""
        return any(term.teacher is not None for term in self.terms)
