"""Tables on a terminal, as wide as it is; in a pipe as wide as they are, and plain."""

from collections.abc import Iterator, Sequence
from typing import TypeVar

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from zoo.board.columns import Column, Table
from zoo.board.render import is_numeric

T = TypeVar("T")
_GAP = 3
"""Columns of the terminal between two of the table."""


def as_terminal(table: Table[T], console: Console | None = None) -> str:
    """The table and its notes, with the colours that standard output takes.

    Where the terminal is too narrow for all columns, they are shown in bands below each other,
    each of which begins with the first column.
    """
    console = console or Console(highlight=False)
    widths = [_width(table, column) for column in table.read]
    if not console.is_terminal:
        console = Console(width=_together(widths), color_system=None, highlight=False)
    with console.capture() as told:
        console.print(Text(table.title, style="bold"))
        console.print()
        for band in _bands(table.read, widths, console.width):
            console.print(_band(table, band))
            console.print()
        for note in table.notes:
            console.print(Text(note), soft_wrap=not console.is_terminal)
    return "\n".join(line.rstrip() for line in told.get().splitlines()) + "\n"


def _bands(
    columns: Sequence[Column[T]], widths: Sequence[int], width: int
) -> Iterator[list[Column[T]]]:
    """The columns in groups that fit beside the first."""
    band, held = [columns[0]], widths[0]
    for column, more in zip(columns[1:], widths[1:], strict=True):
        if len(band) > 1 and held + _GAP + more > width:
            yield band
            band, held = [columns[0]], widths[0]
        band.append(column)
        held += _GAP + more
    yield band


def _band(table: Table[T], columns: Sequence[Column[T]]) -> RichTable:
    shown = RichTable(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for column in columns:
        numeric = is_numeric(table.cells(column))
        shown.add_column(column.head, justify="right" if numeric else "left", overflow="fold")
    for row in table.rows:
        shown.add_row(*(_text(column, row) for column in columns))
    return shown


def _text(column: Column[T], row: T) -> Text:
    return Text(column.shown(row), style="bold" if column.strong(row) else "")


def _width(table: Table[T], column: Column[T]) -> int:
    texts = [column.head, *(column.shown(row) for row in table.rows)]
    return max(map(cell_len, texts))


def _together(widths: Sequence[int]) -> int:
    return sum(widths) + _GAP * len(widths)
