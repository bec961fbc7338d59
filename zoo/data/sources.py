"""Where a task's examples come from: the generator, `$ZOO_DATA`, or the hub at a pinned commit."""

import hashlib
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path

from zoo.data import hidden, pocket
from zoo.data.examples import Split
from zoo.data.readers import READERS
from zoo.errors import DataError, Problem
from zoo.paths import data_folder
from zoo.spec.data import DataSource, FolderData, PinnedData, PocketData, TaskSettings
from zoo.spec.own_task import OwnData
from zoo.spec.task import Task

POCKET_TRAIN, POCKET_DEV = 2000, 500


def load_train(task: Task, settings: TaskSettings, source: DataSource) -> Split:
    """The training examples of a task, the first `settings.train` of them where that is stated.

    Raises:
        DataError: the files or the hub's data are missing or malformed.
    """
    return _limited(_load(task, "train", settings, source), settings.train)


def load_evaluation(task: Task, settings: TaskSettings, source: DataSource) -> dict[str, Split]:
    """The scored splits of a task by name, the first `settings.dev` of each where that is stated.

    Raises:
        DataError: as `load_train`.
    """
    return {
        name: _limited(_load(task, name, settings, source), settings.dev)
        for name in task.evaluation
    }


def load_test(task: Task, source: DataSource) -> dict[str, Split]:
    """The test splits of a task by name, complete and without labels.

    Raises:
        DataError: they are not there, or the task has no public test set.
    """
    if not task.hidden or isinstance(source, FolderData):
        given = "there is no public test set"
        raise DataError(Problem(task.name, given, remedy="use the dev split: --split dev"))
    root = data_folder()
    if root is not None:
        return {name: hidden.read_test_split(task, name, root) for name in task.hidden}
    assert isinstance(source, PinnedData)
    return {name: hidden.load_test_split(task, name, source.revision) for name in task.hidden}


def content_sha256(split: Split) -> str:
    """Identity of the examples themselves, whichever way they came: sha256 in hex, order counts."""
    whole = hashlib.sha256()
    for example in split.examples:
        whole.update(repr(example).encode())
    return whole.hexdigest()


def split_file(task: Task, split: str, source: DataSource) -> Path | None:
    """The file a split is read from; None where it is generated, or read from the hub.

    Raises:
        DataError: it lies below `$ZOO_DATA`, which is not set.
    """
    root = data_folder()
    if isinstance(source, PocketData):
        return None
    if root is None:
        if isinstance(source, PinnedData):
            return None
        place = source.path if isinstance(source, FolderData) else source.files.train
        remedy = "set ZOO_DATA to the parent of this folder"
        if isinstance(source, OwnData):
            remedy = "set ZOO_DATA to the folder that contains its files"
        raise DataError(Problem(f"{task.name} in {place}", "ZOO_DATA is not set", remedy=remedy))
    path = task.path(split)
    return root / (f"{source.path}/{Path(path).name}" if isinstance(source, FolderData) else path)


def _load(task: Task, name: str, settings: TaskSettings, source: DataSource) -> Split:
    if isinstance(source, PocketData):
        wanted = (settings.train or POCKET_TRAIN) if name == "train" else settings.dev or POCKET_DEV
        return pocket.split(task.name, "train" if name == "train" else "dev", wanted, source.seed)
    reader, file = READERS[task.reader], split_file(task, name, source)
    if isinstance(source, OwnData) and file is not None and not file.is_file():
        allowed = f"the file set as `files.{name}` in tasks/{task.name}.yaml, below ZOO_DATA"
        remedy = "put the table there, or correct `files`"
        raise DataError(Problem(str(file), "there is no such file", allowed, remedy))
    if file is not None:
        split = reader.read_file(task, name, file)
    else:
        assert isinstance(source, PinnedData)
        split = reader.load_split(task, name, source.revision)
    _tell_moved(task, split)
    return split


@cache
def _tell(text: str) -> None:
    """Say it once: a stage reads a split several times."""
    print(text, file=sys.stderr, flush=True)  # noqa: T201


def _tell_moved(task: Task, split: Split) -> None:
    if split.moved:
        _tell(
            f"  {task.name} {split.name}: {split.moved} answers were not at their offsets and were "
            "moved to the nearest occurrence"
        )


def _limited(split: Split, limit: int | None) -> Split:
    if not split.examples:
        raise DataError(Problem(f"split {split.name}", "there are no examples", "at least one"))
    return split if limit is None else replace(split, examples=split.examples[:limit])
