"""The input of statistics: one entry's stored predictions on one split, by seed."""

from collections.abc import Mapping
from dataclasses import dataclass

from zoo.evaluation.predictions import Predictions
from zoo.spec.data import task_of
from zoo.spec.own_task import OwnData
from zoo.spec.task import Task


@dataclass(frozen=True)
class ScoredRuns:
    """The runs of one entry on one split of one task.

    `method` is `teacher` for a teacher's own entry, `teacher` the entry that taught, `twin` the
    entry that trains the same student without a teacher; `runs` are by seed. `own` declares a
    task of the suite's own.
    """

    entry: str
    task: str
    split: str
    method: str
    teacher: str
    twin: str | None
    runs: Mapping[int, Predictions]
    own: OwnData | None = None

    @property
    def definition(self) -> Task:
        """The task's definition."""
        return task_of(self.task, self.own)

    @property
    def is_student(self) -> bool:
        """Whether it is ranked and tested; teachers are only compared with."""
        return self.method != "teacher"

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds of its runs, in order."""
        return tuple(sorted(self.runs))
