"""The labels of GLUE's diagnostic set (AX), hidden in the release but published by its authors."""

from pathlib import Path

from zoo.data.reading import refuse, text_lines
from zoo.data.tables import cut_short
from zoo.errors import DataError, Problem, at
from zoo.spec.task import AX

_COLUMNS = ("Label", "label")
"""Label columns: of the authors' diagnostic-full.tsv, and of a table in the tasks' format."""


def read_diagnostic_labels(path: Path) -> list[int]:
    """The class ids of the rows of a TSV file with a header, in file order.

    Raises:
        DataError: the file is missing or empty, has no label column, or contains truncated rows or
            unknown labels; all problems of the file at once.
    """
    problems: list[Problem] = []
    lines = text_lines(path, problems)
    columns = tuple(cell.strip() for cell in next(lines, (0, ""))[1].split("\t"))
    refuse(problems, str(path))
    place = next((columns.index(name) for name in _COLUMNS if name in columns), None)
    if place is None:
        raise DataError(_hidden(path, columns))
    labels: list[int] = []
    for line, text in lines:
        cells = text.split("\t")
        if len(cells) != len(columns):
            problems.append(cut_short(AX, at(path, line), cells, columns))
        elif cells[place].strip() not in AX.labels:
            given = f"the label {cells[place]!r}"
            problems.append(Problem(at(path, line, columns[place]), given, ", ".join(AX.labels)))
        else:
            labels.append(AX.labels.index(cells[place].strip()))
    if not labels and not problems:
        problems.append(Problem(at(path), "no examples", "at least one row"))
    refuse(problems, str(path))
    return labels


def _hidden(path: Path, columns: tuple[str, ...]) -> Problem:
    return Problem(
        at(path, 1),
        f"no labels: the columns are {', '.join(columns)}",
        f"a table with a column {' or '.join(_COLUMNS)}",
        "use the authors' diagnostic-full.tsv: diagnostic.tsv of the GLUE release has no labels",
    )
