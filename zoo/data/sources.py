"""Where a task's examples come from: the generator, `$ZOO_DATA`, or the hub at a pinned commit."""

import hashlib
import sys
from dataclasses import replace
from functools import cache

from zoo.data import glue, hidden, pocket, squad
from zoo.data.examples import Split
from zoo.errors import DataError, Problem
from zoo.paths import data_folder
from zoo.spec.data import DataSource, TaskSettings
from zoo.spec.task import Task

POCKET_TRAIN, POCKET_DEV = 2000, 500


def load_train(task: Task, settings: TaskSettings, source: DataSource) -> Split:
    """The training examples of a task, cut to the suite's limit."""
    return _limited(_load(task, "train", settings, source), settings.train)


def load_evaluation(task: Task, settings: TaskSettings, source: DataSource) -> dict[str, Split]:
    """The scored splits of a task by name, each cut to the suite's limit."""
    return {
        name: _limited(_load(task, name, settings, source), settings.dev)
        for name in task.evaluation
    }


def load_test(task: Task, source: DataSource) -> dict[str, Split]:
    """The test splits of a GLUE task by name, whole and without labels.

    Raises:
        DataError: they are not there, or the task has no public test set.
    """
    if task.source != "glue":
        given = "there is no public test set"
        raise DataError(Problem(task.name, given, remedy="answer the dev split: --split dev"))
    folder = data_folder()
    if folder is not None:
        return {name: hidden.read_test(task, name, folder) for name in hidden.test_splits(task)}
    return {name: hidden.load_test(task, name, source.glue) for name in hidden.test_splits(task)}


def content_sha256(split: Split) -> str:
    """Identity of the examples themselves, whichever way they came."""
    whole = hashlib.sha256()
    for example in split.examples:
        whole.update(repr(example).encode())
    return whole.hexdigest()


def _load(task: Task, name: str, settings: TaskSettings, source: DataSource) -> Split:
    if task.source == "pocket":
        wanted = (settings.train or POCKET_TRAIN) if name == "train" else settings.dev or POCKET_DEV
        return pocket.split(
            task.name, "train" if name == "train" else "dev", wanted, source.pocket_seed
        )
    folder = data_folder()
    if task.source == "glue":
        if folder is not None:
            return glue.read_split(task, name, folder)
        return glue.load_split(task, name, source.glue)
    if folder is not None:
        split = squad.read_split(task, name, folder)
    else:
        revision = source.squad_v2 if task.unanswerable else source.squad
        split = squad.load_split(task, name, revision)
    _tell_moved(task, split)
    return split


@cache
def _tell(text: str) -> None:
    """Say it once: a stage reads a split several times."""
    print(text, file=sys.stderr, flush=True)  # noqa: T201


def _tell_moved(task: Task, split: Split) -> None:
    if split.moved:
        _tell(
            f"  {task.name} {split.name}: {split.moved} answers do not stand at their offsets and"
            " were moved to their nearest occurrence"
        )


def _limited(split: Split, limit: int | None) -> Split:
    if not split.examples:
        raise DataError(Problem(f"split {split.name}", "there are no examples", "at least one"))
    return split if limit is None else replace(split, examples=split.examples[:limit])
