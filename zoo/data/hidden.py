"""The test sets of GLUE, whose labels only the server knows: predicted, not scored."""

from pathlib import Path

from zoo.data import hub
from zoo.data.examples import Split, TextExample
from zoo.data.index import NAMES
from zoo.data.numbering import Numbering
from zoo.data.reading import refuse
from zoo.data.texts import ROWS, example, filled
from zoo.errors import Problem
from zoo.spec.task import Columns, Task


def read_test_split(task: Task, split: str, folder: Path) -> Split:
    """A test split from its place below `folder`, without labels.

    Its index, where it has one, says under which numbers the server takes the answers.

    Raises:
        DataError: the file is missing or empty, lacks a column, or has rows that are cut short or
            an index that is none.
    """
    file = _file(task, split, folder)
    problems: list[Problem] = []
    examples: list[TextExample] = []
    columns = Columns(task.columns.in_test_set, label="")
    numbering = Numbering(file, NAMES)
    for row in filter(None, ROWS[task.reader](task, columns, file, problems)):
        parts = [row.cells[name] for name in columns.texts]
        examples.append(example(task, split, len(examples), parts, None))
        numbering.add(row)
    refuse(problems, str(file))
    index = numbering.index
    if index:
        index.numbers()
    return filled(task, Split(split, tuple(examples), index=index), str(file))


def load_test_split(task: Task, split: str, revision: str) -> Split:
    """A test split from the hub: the examples that `read_test_split` gives.

    Raises:
        DataError: the hub cannot be reached, or lacks the columns.
    """
    source, texts = hub.split_of(task, split, revision), task.columns.on_hub
    rows = enumerate(hub.iterate_rows(hub.load_columns(source, texts)))
    examples = [example(task, split, n, [row[name] for name in texts], None) for n, row in rows]
    return filled(task, Split(split, tuple(examples)), str(source))


def _file(task: Task, split: str, folder: Path) -> Path:
    """The split's file or, where that is not there, its authors' own, whose labels are not read."""
    file, original = folder / task.path(split), task.originals.get(split)
    if original is None or file.is_file() or not (folder / original).is_file():
        return file
    return folder / original
