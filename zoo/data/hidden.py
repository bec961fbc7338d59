"""The test sets of GLUE, whose labels only the server knows: to be answered, not to be scored."""

from pathlib import Path

from zoo.data import hub
from zoo.data.examples import Split, TextExample
from zoo.data.index import Index, index_column
from zoo.data.reading import refuse, text_lines
from zoo.data.texts import cut_short, example, filled, header
from zoo.errors import Problem
from zoo.spec.task import Task


def read_test(task: Task, split: str, folder: Path) -> Split:
    """A test split from its place below `folder`, without labels.

    Its index, where it has one, says under which numbers the server takes the answers.

    Raises:
        DataError: the file is missing or empty, lacks a column, or has rows that are cut short or
            an index that is none.
    """
    file = _file(task, split, folder)
    problems: list[Problem] = []
    lines = text_lines(file, problems)
    texts = task.columns.in_test_set
    columns = header(task, file, lines, problems, texts)
    examples: list[TextExample] = []
    numbered: list[tuple[int, str]] = []
    place = index_column(columns)
    for line, text in lines:
        cells = text.split("\t")
        if len(cells) != len(columns):
            problems.append(cut_short(file, line, cells, columns))
        else:
            cell = dict(zip(columns, cells, strict=True))
            parts = [cell[name] for name in texts]
            examples.append(example(task, split, len(examples), parts, None))
            numbered += [] if place is None else [(line, cells[place].strip())]
    refuse(problems, str(file))
    index = None if place is None else Index(file, columns[place], tuple(numbered))
    if index:
        index.numbers()
    return filled(Split(split, tuple(examples), index=index), str(file))


def load_test(task: Task, split: str, revision: str) -> Split:
    """A test split from the hub: the examples that `read_test` gives.

    Raises:
        DataError: the hub cannot be reached, or lacks the columns.
    """
    source, texts = hub.split_of(task, split, revision), task.columns.on_hub
    rows = enumerate(hub.rows(hub.load(source, texts)))
    examples = [example(task, split, n, [row[name] for name in texts], None) for n, row in rows]
    return filled(Split(split, tuple(examples)), str(source))


def _file(task: Task, split: str, folder: Path) -> Path:
    """The split's file or, where that is not there, its authors' own, whose labels are not read."""
    file, original = folder / task.path(split), task.originals.get(split)
    if original is None or file.is_file() or not (folder / original).is_file():
        return file
    return folder / original
