"""What is compared, and how much of it: works at two precisions, with the goals they have."""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from benchmarks.work import (
    BATCH_SIZE,
    Workload,
    optimisation,
    random_rows,
    shape,
    text_rows,
    workload,
)

TEACHER, STUDENT = shape(12, 256), shape(4, 256)
LENGTH = 64
"""Of the rows of fixed shape."""


class Size(NamedTuple):
    """How much a run measures: rounds, batches an epoch of fixed shape, rows of a task's text."""

    rounds: int
    batches: int
    rows: int


FULL, QUICK = Size(rounds=3, batches=8, rows=480), Size(rounds=1, batches=1, rows=64)


@dataclass(frozen=True)
class Case:
    """One work; `task` is None where all rows are of one length.

    `goal` bounds our CPU seconds relative to the best of the others.
    """

    label: str
    task: str | None
    epochs: int
    goal: float

    def work(self, precision: str, size: Size, vocabulary: Path) -> Workload:
        """The work itself.

        Raises:
            DataError: the task's file below `$ZOO_DATA` is missing or malformed.
        """
        rows = (
            random_rows(size.batches * BATCH_SIZE, LENGTH, LENGTH)
            if self.task is None
            else text_rows(self.task, size.rows, vocabulary)
        )
        return workload(rows, TEACHER, STUDENT, optimisation(self.epochs, precision))


CASES = (
    Case("fixed shapes, 1 epoch", None, 1, 0.9),
    Case("fixed shapes, 3 epochs", None, 3, 0.65),
    Case("SST-2, 3 epochs", "sst2", 3, 0.5),
    Case("MRPC, 3 epochs", "mrpc", 3, 0.5),
)
PRECISIONS = ("fp32", "bf16")
