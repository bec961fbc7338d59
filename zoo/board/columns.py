"""A column: the one description of it that every form of a table is made of.

Terminal, Markdown, CSV, JSON, page and the lists of columns in docs/ take a `Table` and know
nothing of single columns; a new column is one more `Column` in the list of its table.
"""

import statistics
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Generic, TypeVar

R_contra = TypeVar("R_contra", contravariant=True)
P = TypeVar("P")
T = TypeVar("T")


@dataclass(frozen=True)
class Absent:
    """Why there is no value where one belongs."""

    reason: str


Value = bool | int | float | str | tuple[int, ...]
Cell = Value | Absent | None
"""What a row holds in a column; None where the column does not apply."""
Over = Callable[[Sequence[float | None]], float | None]
"""One number for those of several tasks."""


def _nothing(_: Any) -> str:
    return ""


def _never(_: Any) -> bool:
    return False


@dataclass(frozen=True)
class Column(Generic[R_contra]):
    """One column of a table whose rows are `R_contra`."""

    name: str
    """In CSV and JSON, with its unit."""
    value: Callable[[R_contra], Cell]
    note: str
    """What it is, without a full stop: for legends, the page and docs/measuring.md."""
    unit: str = ""
    """Of the value; what people read may be scaled, and its head says so."""
    head: str = ""
    """What people read above it; a column without one is for machines alone."""
    text: Callable[[Any], str] = str
    """The value as people read it."""
    beside: Callable[[R_contra], str] = _nothing
    """What stands behind it there: an interval, signs."""
    strong: Callable[[R_contra], bool] = _never
    over: Over | None = None
    """Where tasks share a line: the number for all of them; None leaves the column out there."""
    group: str = ""
    """The beginning of its name, where several columns are about one part of a row."""

    def shown(self, row: R_contra) -> str:
        """What people read."""
        value = self.value(row)
        if value is None:
            return ""
        text = value.reason if isinstance(value, Absent) else self.text(value)
        return text + self.beside(row)

    def within(
        self, part: "Callable[[P], R_contra | Absent | None]", group: str = "", head: str = ""
    ) -> "Column[P]":
        """The same column of a table of which each row has such a part, or has it not."""

        def value(row: P) -> Cell:
            found = part(row)
            return found if isinstance(found, Absent | None) else self.value(found)

        def beside(row: P) -> str:
            found = part(row)
            return "" if isinstance(found, Absent | None) else self.beside(found)

        return Column(
            name=f"{group}_{self.name}" if group else self.name,
            value=value,
            note=self.note,
            unit=self.unit,
            head=f"{head} {self.head}".strip() if self.head else "",
            text=self.text,
            beside=beside,
            over=self.over,
            group=group or self.group,
        )


@dataclass(frozen=True)
class Table(Generic[T]):
    """Rows under columns."""

    title: str
    rows: Sequence[T]
    columns: Sequence[Column[T]]
    remarks: Sequence[str] = ()
    """What holds of the whole, a sentence each."""
    signs: Mapping[str, str] = field(default_factory=dict)
    """What signs in cells mean."""

    @property
    def read(self) -> list[Column[T]]:
        """The columns that people read: those with a head, and a value that somebody has."""
        return [column for column in self.columns if column.head and not self._reason(column)]

    def cells(self, column: Column[T]) -> list[Cell]:
        """The values of a column, from the top."""
        return [column.value(row) for row in self.rows]

    def status(self, row: T) -> dict[str, str]:
        """Why values are absent from a row, by the names of their columns."""
        cells = {column.name: column.value(row) for column in self.columns}
        return {name: cell.reason for name, cell in cells.items() if isinstance(cell, Absent)}

    @property
    def notes(self) -> list[str]:
        """What people must know to read it: remarks, columns, signs, and what nobody has."""
        text = " ".join(column.shown(row) for column in self.read for row in self.rows)
        return [
            *self.remarks,
            *(f"{', '.join(heads)}: {note}." for note, heads in self._legend()),
            *(f"{sign} {meaning}" for sign, meaning in self.signs.items() if sign in text),
            *(f"Without values: {', '.join(heads)} ({why})." for why, heads in self._empty()),
        ]

    def _legend(self) -> list[tuple[str, list[str]]]:
        return _gathered((column.note, column.head) for column in self.read if column.note)

    def _empty(self) -> list[tuple[str, list[str]]]:
        """The heads of which nobody has a value, by the reason."""
        reasons = ((self._reason(column), column.head) for column in self.columns if column.head)
        return _gathered((reason, head) for reason, head in reasons if reason)

    def _reason(self, column: Column[T]) -> str:
        """Why nobody has a value in the column; empty where somebody has, or none belongs there."""
        cells = [cell for cell in self.cells(column) if cell is not None]
        reasons = Counter(cell.reason for cell in cells if isinstance(cell, Absent))
        if reasons.total() < len(cells):
            return ""
        return ", ".join(reason for reason, _ in reasons.most_common())


def rounded(column: Column[T], places: int) -> Column[T]:
    """The column with floats of fewer digits."""

    def value(row: T) -> Cell:
        found = column.value(row)
        return round(found, places) if isinstance(found, float) else found

    return replace(column, value=value)


def largest(values: Sequence[float | None]) -> float | None:
    """Of those that are known."""
    return max((value for value in values if value is not None), default=None)


def middle(values: Sequence[float | None]) -> float | None:
    """The median of those that are known; of an even number, the higher of the two."""
    known = [value for value in values if value is not None]
    return statistics.median_high(known) if known else None


def total(values: Sequence[float | None]) -> float | None:
    """The sum, if all are known."""
    known = [value for value in values if value is not None]
    return sum(known) if known and len(known) == len(values) else None


def number(cell: Cell) -> float | None:
    """The number in a cell, if there is one."""
    return cell if isinstance(cell, int | float) else None


def _gathered(pairs: Any) -> list[tuple[str, list[str]]]:
    found: dict[str, list[str]] = {}
    for key, value in pairs:
        found.setdefault(key, []).append(value)
    return list(found.items())
