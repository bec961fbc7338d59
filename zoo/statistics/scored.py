"""What statistics are made of: the stored answers of one entry to one split, seed by seed."""

from collections.abc import Mapping
from dataclasses import dataclass

from zoo.evaluation.predictions import Predictions


@dataclass(frozen=True)
class Scored:
    """The runs of one entry on one split of one task.

    `method` is `teacher` for a teacher's own entry, `teacher` the entry that taught, `twin` the
    entry that trains the same student without a teacher; `runs` are by seed.
    """

    entry: str
    task: str
    split: str
    method: str
    teacher: str
    twin: str | None
    runs: Mapping[int, Predictions]

    @property
    def is_student(self) -> bool:
        """Whether it takes part in ranks and tests; teachers are what these compare with."""
        return self.method != "teacher"

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds of its runs, in order."""
        return tuple(sorted(self.runs))
