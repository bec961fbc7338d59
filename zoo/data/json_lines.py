"""Rows of files with one JSON object per line, SuperGLUE's format."""

from collections.abc import Iterator
from pathlib import Path

from zoo.data.reading import text_lines
from zoo.data.tables import TableRow
from zoo.errors import DataError, Problem, at
from zoo.json_files import parse_json, type_of
from zoo.spec.task import Columns, Task


def json_rows(
    task: Task, columns: Columns, file: Path, problems: list[Problem]
) -> Iterator[TableRow]:
    """The objects of a file, each as a row of what is wanted of it; others join `problems`.

    Raises:
        DataError: the file is missing.
    """
    for line, text in text_lines(file, problems):
        try:
            found = parse_json(text, at(file, line), remedy=task.mend, error=DataError)
        except DataError as error:
            problems += error.problems
            continue
        cells = {name: _cell(found.get(name)) for name in columns.wanted}
        lacking = [name for name, cell in cells.items() if cell is None]
        problems += [
            Problem(
                at(file, line, name),
                f"given {type_of(found[name])}" if name in found else "this key is missing",
                f"a text; the keys are {', '.join(columns.wanted)}",
                task.mend,
            )
            for name in lacking
        ]
        if not lacking:
            yield TableRow(line, {name: cell for name, cell in cells.items() if cell is not None})


def _cell(value: object) -> str | None:
    """A value as a table would hold it: `true` and `false`, numbers by their digits."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, str | int | float) else None
