"""Optional tasks whose examples are nowhere: builds skip them.

The stage that looks at a suite's inputs writes it down; later stages read that, and nothing else
(`zoo.data.inputs_file`).
"""

from pathlib import Path

from zoo.data.sources import load_train, split_file
from zoo.errors import DataError
from zoo.paths import Project, data_folder
from zoo.spec.data import DataSource, PinnedData, TaskSettings
from zoo.spec.jobs import InputsJob, TaskInput
from zoo.spec.task import Task


def absent_inputs(project: Project, job: InputsJob) -> list[str]:
    """The inputs that belong to optional tasks whose examples are nowhere, by name."""
    optional = {
        name: given
        for name, given in job.inputs.items()
        if isinstance(given, TaskInput) and given.optional
    }
    tasks = {given.task: (given.definition, given.data) for given in optional.values()}
    absent = {name for name, task in tasks.items() if is_absent(project, job.suite, *task)}
    return [name for name, given in optional.items() if given.task in absent]


def known_input(project: Project, suite: str, name: str) -> Path:
    """The file that says what an input was when it was last reached."""
    return project.scratch / "inputs" / suite / f"{name}.txt"


def is_absent(project: Project, suite: str, task: Task, data: DataSource) -> bool:
    """Whether no split of a task has a file below `$ZOO_DATA`, nor the hub has it.

    A task some of whose files are there is not absent but incomplete: its stages fail. Without
    `$ZOO_DATA`, what was reached before is taken as unchanged, as any other input.
    """
    if data_folder() is None:
        is_known = known_input(project, suite, f"{task.name}/train").is_file()
        return not (is_known or _is_on_hub(task, data))
    files = [split_file(task, split, data) for split in ("train", *task.evaluation)]
    return not any(file is not None and file.is_file() for file in files)


def _is_on_hub(task: Task, data: DataSource) -> bool:
    """Whether the hub may be asked, or was asked before: not to reach it is no absence."""
    if not isinstance(data, PinnedData):
        return False
    from huggingface_hub import constants  # noqa: PLC0415  (only optional tasks need it)

    if not constants.HF_HUB_OFFLINE:
        return True
    try:
        load_train(task, TaskSettings(), data)
    except DataError:
        return False
    return True
