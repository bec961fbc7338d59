"""Documentation of the columns of published tables, generated from their definitions."""

from collections.abc import Mapping, Sequence
from typing import Any

from zoo.board.columns import Column, Table
from zoo.board.comparison import comparison_columns
from zoo.board.leaderboard import board_columns
from zoo.board.render import markdown_table
from zoo.board.timings import LATENCY_COLUMNS

CSV_COLUMNS: Mapping[str, Sequence[Column[Any]]] = {
    "leaderboard.csv": board_columns(),
    "comparison.csv": comparison_columns(),
    "latency.csv": LATENCY_COLUMNS,
}
"""The columns by file."""

_ABOUT: tuple[Column[Column[Any]], ...] = (
    Column("name", lambda column: f"`{column.name}`", "", head="column"),
    Column("unit", lambda column: column.unit or None, "", head="unit"),
    Column("head", lambda column: column.head or None, "", head="in text"),
    Column("note", lambda column: column.note, "", head="description"),
)


def described(columns: Sequence[Column[Any]]) -> str:
    """A Markdown table with one row per column."""
    return markdown_table(Table("columns", columns, _ABOUT))
