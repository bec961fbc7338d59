"""Columns: the single description from which every format of a table is rendered.

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
    """Why an expected value is missing."""

    reason: str


Value = bool | int | float | str | tuple[int, ...]
Cell = Value | Absent | None
"""A row's value in a column; None where the column does not apply."""
Over = Callable[[Sequence[float | None]], float | None]
"""The aggregate of the values of several tasks."""


def _nothing(_: Any) -> str:
    return ""


def _never(_: Any) -> bool:
    return False


@dataclass(frozen=True)
class Column(Generic[R_contra]):
    """One column of a table whose rows are `R_contra`."""

    name: str
    """The key in CSV and JSON, including its unit."""
    value: Callable[[R_contra], Cell]
    note: str
    """A description without a full stop, for legends, the page and docs/columns.md."""
    unit: str = ""
    """The unit of the value; displayed text may be scaled, and its head says so."""
    head: str = ""
    """The displayed header; a column without one appears only in CSV and JSON."""
    text: Callable[[Any], str] = str
    """The displayed value."""
    beside: Callable[[R_contra], str] = _nothing
    """The text displayed after the value: an interval, signs."""
    strong: Callable[[R_contra], bool] = _never
    over: Over | None = None
    """The aggregate over the tasks on one line; None leaves the column out there."""
    group: str = ""
    """The prefix of its name, where several columns describe one part of a row."""

    def shown(self, row: R_contra) -> str:
        """The displayed text of a cell."""
        value = self.value(row)
        if value is None:
            return ""
        text = value.reason if isinstance(value, Absent) else self.text(value)
        return text + self.beside(row)

    def within(
        self, part: "Callable[[P], R_contra | Absent | None]", group: str = "", head: str = ""
    ) -> "Column[P]":
        """This column applied to a part of each row, which may be missing."""

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
    """Rows and columns."""

    title: str
    rows: Sequence[T]
    columns: Sequence[Column[T]]
    remarks: Sequence[str] = ()
    """Remarks on the whole table, one sentence each."""
    signs: Mapping[str, str] = field(default_factory=dict)
    """The meanings of the signs in cells."""

    @property
    def read(self) -> list[Column[T]]:
        """The displayed columns: those with a head and at least one value."""
        return [column for column in self.columns if column.head and not self._reason(column)]

    def cells(self, column: Column[T]) -> list[Cell]:
        """The values of a column, in row order."""
        return [column.value(row) for row in self.rows]

    def status(self, row: T) -> dict[str, str]:
        """The reasons for a row's missing values, by column name."""
        cells = {column.name: column.value(row) for column in self.columns}
        return {name: cell.reason for name, cell in cells.items() if isinstance(cell, Absent)}

    @property
    def notes(self) -> list[str]:
        """The notes below the table: remarks, columns, signs and columns without values."""
        text = " ".join(column.shown(row) for column in self.read for row in self.rows)
        return [
            *self.remarks,
            *(f"{', '.join(heads)}: {note}." for note, heads in self._legend()),
            *(f"{sign} {meaning}" for sign, meaning in self.signs.items() if sign in text),
            *(f"No values: {', '.join(heads)} ({why})." for why, heads in self._empty()),
        ]

    def _legend(self) -> list[tuple[str, list[str]]]:
        return _gathered((column.note, column.head) for column in self.read if column.note)

    def _empty(self) -> list[tuple[str, list[str]]]:
        """The heads of empty columns, by reason."""
        reasons = ((self._reason(column), column.head) for column in self.columns if column.head)
        return _gathered((reason, head) for reason, head in reasons if reason)

    def _reason(self, column: Column[T]) -> str:
        """Why the column is empty; "" if it is not, or if it does not apply."""
        cells = [cell for cell in self.cells(column) if cell is not None]
        reasons = Counter(cell.reason for cell in cells if isinstance(cell, Absent))
        if reasons.total() < len(cells):
            return ""
        return ", ".join(reason for reason, _ in reasons.most_common())


def rounded(column: Column[T], places: int) -> Column[T]:
    """The column with rounded floats."""

    def value(row: T) -> Cell:
        found = column.value(row)
        return round(found, places) if isinstance(found, float) else found

    return replace(column, value=value)


def largest(values: Sequence[float | None]) -> float | None:
    """The maximum of the known values."""
    return max((value for value in values if value is not None), default=None)


def middle(values: Sequence[float | None]) -> float | None:
    """The median of the known values; of an even number, the higher of the two."""
    known = [value for value in values if value is not None]
    return statistics.median_high(known) if known else None


def total(values: Sequence[float | None]) -> float | None:
    """The sum, if all values are known."""
    known = [value for value in values if value is not None]
    return sum(known) if known and len(known) == len(values) else None


def average(values: Sequence[float | None]) -> float | None:
    """The mean, if all values are known."""
    whole = total(values)
    return None if whole is None else whole / len(values)


def half_width(low: float | None, high: float | None) -> str:
    """Half the width of an interval, displayed x 100 after a score."""
    return "" if low is None or high is None else f" ± {50 * (high - low):.1f}"


def number(cell: Cell) -> float | None:
    """The number in a cell, if any."""
    return cell if isinstance(cell, int | float) else None


def _gathered(pairs: Any) -> list[tuple[str, list[str]]]:
    found: dict[str, list[str]] = {}
    for key, value in pairs:
        found.setdefault(key, []).append(value)
    return list(found.items())
