"""Every entry beside its teacher and its twin: on each task, and over the tasks that all share."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from zoo.board.fastest import Fastest, device_of, fastest_student, fastest_teacher
from zoo.board.table import Row
from zoo.records.statistics import Contrast, MeanStanding, SuiteStatistics
from zoo.spec.teacher import TEACHER

MEAN = "mean"
"""What stands for a task where shared tasks are averaged."""


@dataclass(frozen=True)
class Costs:
    """What an entry takes, beside its teacher."""

    parameters: int | None
    """Maximum over tasks."""
    teacher_parameters: int | None
    fastest: Fastest | None

    @property
    def of_parameters(self) -> float | None:
        """The share of the teacher's parameters."""
        if not self.parameters or not self.teacher_parameters:
            return None
        return self.parameters / self.teacher_parameters


@dataclass(frozen=True)
class Compared:
    """An entry on one split of one task, or in its mean over the shared tasks."""

    entry: str
    method: str
    teacher: str
    task: str
    split: str
    rows: tuple[Row, ...]
    """The rows of the entry: of this task, or of all its tasks."""
    score: float | None
    low: float | None
    high: float | None
    """95 % interval over examples and, if there are several, seeds."""
    teacher_score: float | None
    against_teacher: Contrast | None
    against_twin: Contrast | None
    rank: tuple[int, int] | None
    costs: Costs

    @property
    def is_student(self) -> bool:
        """Whether it is compared with a teacher."""
        return self.method != TEACHER

    @property
    def retention(self) -> float | None:
        """The share of the teacher's score; None unless that is above 0."""
        if self.score is None or not self.teacher_score or self.teacher_score < 0:
            return None
        return self.score / self.teacher_score


def compared(rows: Sequence[Row], statistics: SuiteStatistics | None) -> list[Compared]:
    """One per entry and task, after one for the entry's mean; in the order of the rows.

    Without statistics, means are unknown.
    """
    by_entry: dict[str, list[Row]] = {}
    for row in rows:
        by_entry.setdefault(row.entry, []).append(row)
    means = {one.entry: one for one in (statistics.means if statistics else ())}
    scores = {(row.entry, row.task, row.split): row.score for row in rows}
    costs = _costs(by_entry, rows)
    found = []
    for name, own in by_entry.items():
        found.append(_mean(own, means, costs[name]))
        found += [_task(row, scores, costs[name]) for row in own]
    return found


def means_of(lines: Sequence[Compared]) -> list[Compared]:
    """The lines of means: teachers first, then by descending mean, entries without one last.

    Among equals the given order is kept.
    """
    own = [line for line in lines if line.task == MEAN]
    return sorted(own, key=lambda line: (line.is_student, -(line.score or -1.0)))


def _mean(own: Sequence[Row], means: Mapping[str, MeanStanding], costs: Costs) -> Compared:
    first = own[0]
    standing, teacher = means.get(first.entry), means.get(first.teacher)
    summary = standing.summary if standing else None
    low, high = summary.shown if summary else (None, None)
    return Compared(
        entry=first.entry,
        method=first.method,
        teacher=first.teacher,
        task=MEAN,
        split="",
        rows=tuple(own),
        score=summary.mean if summary else None,
        low=low,
        high=high,
        teacher_score=teacher.summary.mean if teacher else None,
        against_teacher=standing.to_teacher if standing else None,
        against_twin=standing.to_twin if standing else None,
        rank=standing.rank if standing else None,
        costs=costs,
    )


def _task(row: Row, scores: Mapping[tuple[str, str, str], float | None], costs: Costs) -> Compared:
    return Compared(
        entry=row.entry,
        method=row.method,
        teacher=row.teacher,
        task=row.task,
        split=row.split,
        rows=(row,),
        score=row.score,
        low=row.score_low,
        high=row.score_high,
        teacher_score=scores.get((row.teacher, row.task, row.split)),
        against_teacher=row.against_teacher,
        against_twin=row.against_twin,
        rank=row.rank,
        costs=costs,
    )


def _costs(by_entry: Mapping[str, Sequence[Row]], rows: Sequence[Row]) -> dict[str, Costs]:
    """The costs of every entry."""
    students: dict[str, list[Row]] = {}
    for row in rows:
        if row.method != TEACHER:
            students.setdefault(row.teacher, []).append(row)
    device, found = device_of(rows), {}
    for name, own in by_entry.items():
        if own[0].method == TEACHER:
            fastest = fastest_teacher(own, students.get(name, ()), device)
        else:
            fastest = fastest_student(own, device)
        teacher = by_entry.get(own[0].teacher, ())
        found[name] = Costs(_parameters(own), _parameters(teacher), fastest)
    return found


def _parameters(rows: Sequence[Row]) -> int | None:
    return max((row.size.parameters for row in rows if row.size), default=None)
