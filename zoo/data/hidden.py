"""The test sets of GLUE, whose labels only the server knows: to be answered, not to be scored."""

from pathlib import Path

from zoo.data import hub
from zoo.data.examples import Split, TextExample
from zoo.data.glue import HUB_NAME, LAYOUTS, cut_short, example, filled, header
from zoo.data.index import Index, index_column
from zoo.data.reading import refuse, text_lines
from zoo.errors import Problem
from zoo.spec.task import AX, Task

_SPLITS = {"mnli": ("test_matched", "test_mismatched"), AX.name: ("diagnostic",)}
_ORIGINAL_MRPC = "msr_paraphrase_test.txt"
"""MRPC's test set as its authors publish it, with labels, which are not read here."""
_TEXTS = {AX.name: ("sentence1", "sentence2")}
"""Names of the text columns where they are others than in labelled files."""


def test_splits(task: Task) -> tuple[str, ...]:
    """The splits of a task whose labels only the server knows."""
    return _SPLITS.get(task.name, ("test",))


def read_test(task: Task, split: str, folder: Path) -> Split:
    """A test split from `<folder>/glue/<TASK>/<split>.tsv`, without labels.

    Its index, where it has one, says under which numbers the server takes the answers.

    Raises:
        DataError: the file is missing or empty, lacks a column, or has rows that are cut short or
            an index that is none.
    """
    home = folder / "glue" / task.folder
    file = home / f"{split}.tsv"
    if task.name == "mrpc" and not file.is_file() and (home / _ORIGINAL_MRPC).is_file():
        file = home / _ORIGINAL_MRPC
    problems: list[Problem] = []
    lines = text_lines(file, problems)
    texts = _TEXTS.get(task.name, LAYOUTS[task.name].texts)
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
    named = "test" if task.name == AX.name else split
    source = hub.HubData(HUB_NAME, task.config, named, revision)
    texts = LAYOUTS[task.name].hub_texts
    rows = enumerate(hub.rows(hub.load(source, texts)))
    examples = [example(task, split, n, [row[name] for name in texts], None) for n, row in rows]
    return filled(Split(split, tuple(examples)), str(source))
