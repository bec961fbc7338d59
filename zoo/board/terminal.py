"""Tables on a terminal, fitted to its width; in a pipe at full width, without colours."""

from collections.abc import Iterator, Sequence
from io import BytesIO, TextIOWrapper
from typing import Literal, TextIO, get_args

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from zoo.board.columns import Column, T, Table
from zoo.board.render import is_numeric

Colours = Literal["standard", "256", "truecolor", "windows"]
COLOURS: tuple[Colours, ...] = get_args(Colours)
"""The systems of colours that a terminal may have."""
_GAP = 3
"""Spaces between two columns."""


def as_terminal(table: Table[T], console: Console | None = None) -> str:
    """The table and its notes, with the colours that standard output supports.

    If the terminal is too narrow, columns are split into bands, each starting with the first
    column.
    """
    shown_on = console or Console(highlight=False)
    widths = [_width(table, column) for column in table.read]
    # Standard output itself is left alone: what it refuses is told where the text is printed.
    kept = TextIOWrapper(BytesIO(), encoding=shown_on.encoding, errors="backslashreplace")
    paper = _paper(kept, shown_on, _together(widths))
    paper.print(Text(table.title, style="bold"))
    paper.print()
    for band in _bands(table.read, widths, paper.width):
        paper.print(_band(table, band))
        paper.print()
    for note in table.notes:
        paper.print(Text(note), soft_wrap=not paper.is_terminal)
    kept.seek(0)
    return "\n".join(line.rstrip() for line in kept.read().splitlines()) + "\n"


def _paper(kept: TextIO, console: Console, width: int) -> Console:
    """A console that writes to `kept`, as wide and as colourful as the one it is shown on."""
    if not console.is_terminal:
        return Console(file=kept, width=width, color_system=None, highlight=False)
    colours = next((each for each in COLOURS if each == console.color_system), None)
    return Console(
        file=kept, force_terminal=True, width=console.width, color_system=colours, highlight=False
    )


def _bands(
    columns: Sequence[Column[T]], widths: Sequence[int], width: int
) -> Iterator[list[Column[T]]]:
    """The columns in groups that fit next to the first."""
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
