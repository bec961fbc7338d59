"""One line for all tasks of an entry or a variant: a table pivoted from another one's rows."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from zoo.board.columns import Absent, Cell, Column, Over, number
from zoo.board.table import Row

S = TypeVar("S", bound=Row)
TaskSplit = tuple[str, str]
"""A task and one of its splits."""


@dataclass(frozen=True)
class Line(Generic[S]):
    """One line: one column of its rows is shown per task, the others are aggregated."""

    name: str
    shown: Column[S]
    """The column shown per task."""
    cells: Mapping[TaskSplit, S]
    """The row of each task and split."""
    is_yardstick: bool = False
    """Whether it is a reference line of no entry, with values in the task columns only."""

    @property
    def rows(self) -> list[S]:
        """The rows that it aggregates, one per task."""
        own = () if self.is_yardstick else self.cells.values()
        return list({row.task: row for row in own}.values())


def line_of(name: str, shown: Column[S], rows: Sequence[S]) -> Line[S]:
    """A line of the given rows."""
    return Line(name, shown, {(row.task, row.split): row for row in rows})


def place_name(place: TaskSplit) -> str:
    """A task and, where it has two, its split."""
    task, split = place
    return f"{task}{split_text(split)}"


def split_text(split: str) -> str:
    """The suffix of a task's name: nothing if it has one dev split."""
    return "" if split == "dev" else f" {split.removeprefix('dev_')}"


def task_columns(
    rows: Sequence[S], places: Sequence[TaskSplit], score: Column[S]
) -> list[Column[Line[S]]]:
    """One column per task and split."""
    metrics = {(row.task, row.split): row.primary for row in rows}
    return [_task_column(place, metrics[place], score) for place in places]


def _task_column(place: TaskSplit, metric: str, score: Column[S]) -> Column[Line[S]]:
    def value(line: Line[S]) -> Cell:
        return line.shown.value(line.cells[place]) if place in line.cells else None

    def beside(line: Line[S]) -> str:
        return line.shown.beside(line.cells[place]) if place in line.cells else ""

    def is_strong(line: Line[S]) -> bool:
        return place in line.cells and line.shown.strong(line.cells[place])

    return Column(
        name="_".join(place),
        value=value,
        note=score.note,
        head=f"{place_name(place)} ({metric})",
        text=score.text,
        beside=beside,
        strong=is_strong,
    )


def summed_up(columns: Sequence[Column[S]]) -> list[Column[Line[S]]]:
    """The aggregated columns: those that define an aggregate."""
    return [_over_tasks(column, column.over) for column in columns if column.over]


def _over_tasks(column: Column[S], over: Over) -> Column[Line[S]]:
    def value(line: Line[S]) -> Cell:
        cells = [column.value(row) for row in line.rows]
        found = over([number(cell) for cell in cells])
        return _why(cells) if found is None else found

    def beside(line: Line[S]) -> str:
        told = value(line)
        ours = (row for row in line.rows if column.value(row) == told)
        row = next(ours, None)
        return column.beside(row) if row is not None else ""

    return Column(
        name=column.name,
        value=value,
        note=column.note,
        unit=column.unit,
        head=column.head,
        text=column.text,
        beside=beside,
    )


def _why(cells: Sequence[Cell]) -> Absent | None:
    """The least frequent reason: where only one task is measured, why that one has no value."""
    reasons = Counter(cell.reason for cell in cells if isinstance(cell, Absent))
    return Absent(min(reasons, key=lambda reason: reasons[reason])) if reasons else None
