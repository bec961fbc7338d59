"""What the checks of specs must know of a method's stages; the methods answer, see `Catalogue`."""

from typing import NamedTuple


class Outline(NamedTuple):
    """One stage of a method on one kind of task, as far as budgets and starts must fit it."""

    name: str
    data: str
    """`corpus`, `task` or `augmented`."""
    share: float
    """Its part of the budget of its kind of data."""
    asks_teacher: bool
    """Whether a frozen teacher runs alongside the student."""
    over_samples: tuple[str, ...]
    """Families of its terms that compare the samples of a batch with each other."""
    watches: str | None
    """The term that decides at an epoch's end whether the stage is left early."""
    frozen: tuple[str, ...]
    """Parts of the student that it does not train."""
    reads_student: bool
    """Whether it trains the student it is given; else it makes one of the teacher."""

    @property
    def on_corpus(self) -> bool:
        """Whether it reads the corpus, once for all tasks."""
        return self.data == "corpus"
