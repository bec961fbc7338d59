"""Tables as text: CSV and JSON for machines, Markdown for people."""

import csv
import io
import json
from collections import defaultdict
from collections.abc import Sequence

from zoo.board.columns import Absent, Cell, Column, T, Table

STATUS = "status"
"""The last column of data: why values are missing."""


def as_json(table: Table[T]) -> str:
    """One object per row: values by column name, and the reasons for missing ones."""
    plain = [
        {column.name: _plain(column.value(row)) for column in table.columns}
        | {STATUS: _status(table, row)}
        for row in table.rows
    ]
    return json.dumps(plain, indent=1) + "\n"


def as_csv(table: Table[T]) -> str:
    """One line per row; missing values are empty, and the last column says why."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*(column.name for column in table.columns), STATUS])
    for row in table.rows:
        cells = (_plain(column.value(row)) for column in table.columns)
        line = [" ".join(map(str, cell)) if isinstance(cell, tuple) else cell for cell in cells]
        writer.writerow([*line, _told(_status(table, row))])
    return text.getvalue()


def as_markdown(table: Table[T]) -> str:
    """Title, table and notes."""
    if not table.rows:
        return f"# {table.title}\n\nNo records yet.\n"
    return "\n".join([f"# {table.title}", "", markdown_table(table), "", *table.notes]) + "\n"


def markdown_table(table: Table[T]) -> str:
    """The table alone."""
    columns = table.read
    heads = [column.head for column in columns]
    rule = ["---:" if is_numeric(table.cells(column)) else "---" for column in columns]
    body = [[_marked(column, row) for column in columns] for row in table.rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in (heads, rule, *body))


def is_numeric(cells: Sequence[Cell]) -> bool:
    """Whether a column holds only numbers."""
    known = [cell for cell in cells if not isinstance(cell, Absent | None)]
    return bool(known) and all(
        isinstance(cell, int | float) and not isinstance(cell, bool) for cell in known
    )


def _marked(column: Column[T], row: T) -> str:
    text = column.shown(row).replace("|", "\\|")
    return f"**{text}**" if column.strong(row) else text


def _plain(cell: Cell) -> Cell:
    return None if isinstance(cell, Absent) else cell


def _told(status: dict[str, str]) -> str:
    names: dict[str, list[str]] = defaultdict(list)
    for name, reason in status.items():
        names[reason].append(name)
    return "; ".join(f"{reason}: {' '.join(own)}" for reason, own in names.items())


def _status(table: Table[T], row: T) -> dict[str, str]:
    """The reasons for missing values; `torch_fp32_*` stands for all columns of a group."""
    status, groups = table.status(row), defaultdict[str, list[str]](list)
    for column in table.columns:
        groups[column.group].append(column.name)
    found: dict[str, str] = {}
    for group, names in groups.items():
        reasons = {status.get(name) for name in names}
        (one, *others) = reasons
        if group and one is not None and not others:
            found[f"{group}_*"] = one
        else:
            found |= {name: status[name] for name in names if name in status}
    return found
