"""The board as a self-contained HTML page with sortable tables."""

from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from zoo.board.columns import Absent, Cell, Column, T, Table
from zoo.board.render import is_numeric

PAGE_NAME = "index.html"


class _Head(NamedTuple):
    text: str
    note: str
    numeric: bool


class _Shown(NamedTuple):
    """A cell for the template."""

    text: str
    value: str
    """The sort key."""
    strong: bool
    absent: bool
    numeric: bool


class _Section(NamedTuple):
    title: str
    heads: list[_Head]
    lines: list[list[_Shown]]
    notes: Sequence[str]


def as_page(board: Table[T], studies: Sequence[Table[Any]] = ()) -> str:
    """The whole page, with the tables of `studies` at the end; deterministic."""
    return _template().render(
        title=f"distilzoo: {board.title}",
        board=_section(board),
        studies=[_section(study) for study in studies],
    )


@cache
def _template() -> Template:
    loader = PackageLoader("zoo.board")
    environment = Environment(
        loader=loader,
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template("page.html")


def _section(table: Table[T]) -> _Section:
    numeric = {column.name: is_numeric(table.cells(column)) for column in table.read}
    heads = [_Head(c.head, c.note, numeric[c.name]) for c in table.read]
    lines = [[_shown(c, row, numeric[c.name]) for c in table.read] for row in table.rows]
    return _Section(table.title, heads, lines, table.notes)


def _shown(column: Column[T], row: T, numeric: bool) -> _Shown:
    value = column.value(row)
    return _Shown(
        text=column.shown(row),
        value=_sorted_by(value),
        strong=column.strong(row),
        absent=isinstance(value, Absent),
        numeric=numeric,
    )


def _sorted_by(value: Cell) -> str:
    return "" if isinstance(value, Absent | None) else str(value)
