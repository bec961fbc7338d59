"""The readers of tasks in files or on the hub."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from zoo.data import squad, texts
from zoo.data.examples import Split
from zoo.spec.task import Reader, Task


class FromOutside(NamedTuple):
    """How one split of a task is read: from a file, and from a commit of the hub."""

    read_file: Callable[[Task, str, Path], Split]
    load_split: Callable[[Task, str, str], Split]


READERS = {
    Reader.TSV: FromOutside(texts.read_file, texts.load_split),
    Reader.JSON_LINES: FromOutside(texts.read_file, texts.load_split),
    Reader.SQUAD_JSON: FromOutside(squad.read_file, squad.load_split),
}
"""Of all tasks but those that are generated."""
