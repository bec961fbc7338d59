"""What the command line says of optional tasks and files that are absent: a line each a suite."""

import os
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from zoo.paths import Project
from zoo.spec.data import FolderData, PinnedData
from zoo.spec.load import LoadedSuite
from zoo.spec.own_task import OwnData
from zoo.spec.robustness import adversarial_tasks


def absence_lines(project: Project, loaded: LoadedSuite, tasks: Collection[str]) -> Iterator[str]:
    """The lines of some tasks of a suite; none where the data of all are there."""
    yield from _absent_tasks(project, loaded, tasks)
    yield from _absent_examples(project, loaded, tasks)


def _absent_tasks(project: Project, loaded: LoadedSuite, tasks: Collection[str]) -> Iterator[str]:
    optional = [task for task in loaded.suite.optional_tasks if task in tasks]
    if not optional:
        return
    from zoo.data.absent import is_absent  # noqa: PLC0415  (few suites need it)

    absent = [
        task
        for task in optional
        if is_absent(project, loaded.name, loaded.definition(task), loaded.data_of(task))
    ]
    if absent:
        yield _told(loaded, absent)


def _absent_examples(
    project: Project, loaded: LoadedSuite, tasks: Collection[str]
) -> Iterator[str]:
    adversarial = loaded.suite.robustness.adversarial
    if adversarial is None or not any(task in tasks for task in adversarial_tasks()):
        return
    from zoo.data.adversarial_input import is_adversarial_absent  # noqa: PLC0415  (few suites need it)

    if is_adversarial_absent(project, loaded.name, adversarial.path):
        why = f"{adversarial.path} is not below ZOO_DATA"
        if not os.environ.get("ZOO_DATA"):
            why = "ZOO_DATA is not set"
        told = f"to score them, put {adversarial.path} below ZOO_DATA"
        yield f"{loaded.name}: skipped: adversarial examples (optional): {why}; {told}"


def _told(loaded: LoadedSuite, tasks: Sequence[str]) -> str:
    """Which tasks are skipped, why, and what to do."""
    why = "none of their files is below ZOO_DATA"
    if not os.environ.get("ZOO_DATA"):
        asks_hub = any(isinstance(loaded.data_of(task), PinnedData) for task in tasks)
        why = "ZOO_DATA is not set, but HF_HUB_OFFLINE is" if asks_hub else "ZOO_DATA is not set"
    files = ", ".join(_train_path(loaded, task) for task in tasks)
    put = f"put {files} and the other splits below ZOO_DATA"
    return f"{loaded.name}: skipped: {', '.join(tasks)} (optional): {why}; to build them, {put}"


def _train_path(loaded: LoadedSuite, task: str) -> str:
    """The file of a task's training examples, relative to `$ZOO_DATA`."""
    data = loaded.data_of(task)
    if isinstance(data, OwnData):
        return data.files.train
    path = loaded.definition(task).path("train")
    return f"{data.path}/{Path(path).name}" if isinstance(data, FolderData) else path
