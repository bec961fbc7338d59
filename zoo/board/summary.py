"""A line for all tasks of an entry or a variant: a table made of the rows of another one."""

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
    """One line: below the tasks stands one column of its rows, the others are summed up."""

    name: str
    shown: Column[S]
    """What stands below the tasks."""
    cells: Mapping[TaskSplit, S]
    """The row of each task and split."""
    is_yardstick: bool = False
    """Whether it is nobody's: then it has nothing but what stands below the tasks."""

    @property
    def rows(self) -> list[S]:
        """The rows that it sums up, one of each task."""
        own = () if self.is_yardstick else self.cells.values()
        return list({row.task: row for row in own}.values())


def line_of(name: str, shown: Column[S], rows: Sequence[S]) -> Line[S]:
    """A line for some rows."""
    return Line(name, shown, {(row.task, row.split): row for row in rows})


def place_name(place: TaskSplit) -> str:
    """A task, and which of its splits where it has two."""
    task, split = place
    return f"{task}{split_text(split)}"


def split_text(split: str) -> str:
    """What stands behind the name of a task: nothing where it has one dev split."""
    return "" if split == "dev" else f" {split.removeprefix('dev_')}"


def task_columns(
    rows: Sequence[S], places: Sequence[TaskSplit], score: Column[S]
) -> list[Column[Line[S]]]:
    """A column for each task and split."""
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
    """The columns that can be: those that say how."""
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
    """The reason of the fewest tasks: where only one is measured, why that one says nothing."""
    reasons = Counter(cell.reason for cell in cells if isinstance(cell, Absent))
    return Absent(min(reasons, key=lambda reason: reasons[reason])) if reasons else None
