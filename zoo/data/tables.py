"""Rows of files whose columns have names: tables as GLUE is released in."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from zoo.data.reading import refuse, text_lines
from zoo.errors import DataError, Problem, at
from zoo.spec.task import Columns, Task


class TableRow(NamedTuple):
    """A row: its line, and its cells by the names of their columns."""

    line: int
    cells: Mapping[str, str]


def tsv_rows(
    task: Task, columns: Columns, file: Path, problems: list[Problem]
) -> Iterator[TableRow | None]:
    """The rows of a table; None for one that is known to be cut short in the release.

    Cells are tab-separated, never quoted. What is wrong with a row joins `problems`.

    Raises:
        DataError: the file is missing or empty, or a column is missing.
    """
    lines = text_lines(file, problems)
    names = columns.named or _header(task, file, lines, problems, columns.wanted)
    for line, text in lines:
        cells = text.split("\t")
        if len(cells) == len(names):
            yield TableRow(line, dict(zip(names, cells, strict=True)))
        elif len(cells) < len(names) and columns.ragged:
            yield None
        else:
            problems.append(cut_short(task, at(file, line), cells, names))


def cut_short(task: Task, where: str, cells: Sequence[str], columns: Sequence[str]) -> Problem:
    """A row that has not the columns of its file."""
    return Problem(
        where,
        f"a row with {len(cells)} columns",
        f"{len(columns)} columns: {', '.join(columns)}",
        task.mend,
    )


def no_rows(task: Task, where: str) -> Problem:
    """A file, or a split of the hub, that is empty."""
    return Problem(where, "contains no examples", "at least one row", task.mend)


def _header(
    task: Task,
    file: Path,
    lines: Iterator[tuple[int, str]],
    problems: list[Problem],
    wanted: Sequence[str],
) -> tuple[str, ...]:
    """The columns of a file, by its first line."""
    _line, text = next(lines, (0, ""))
    refuse(problems, str(file))
    columns = tuple(cell.strip() for cell in text.split("\t"))
    lacking = [name for name in wanted if name not in columns]
    if not text:
        raise DataError(no_rows(task, str(file)))
    twice = [name for name in wanted if columns.count(name) > 1]
    if twice:
        given = f"the column {twice[0]!r} appears twice"
        raise DataError(Problem(at(file, 1), given, "each column once", task.mend))
    if lacking:
        raise DataError(
            Problem(
                at(file, 1),
                f"no column {', '.join(map(repr, lacking))}; there are {', '.join(columns)}",
                f"a header with {', '.join(wanted)}",
                task.mend,
            )
        )
    return columns
