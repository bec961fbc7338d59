"""What must fit between a suite and its own tasks."""

from collections.abc import Iterator, Mapping

from zoo.errors import suggestion
from zoo.spec.finding import Finding
from zoo.spec.own_task import OwnTask
from zoo.spec.suite import Suite
from zoo.spec.task import TASKS, Task

Tasks = Mapping[str, Task]
"""The tasks that a suite may name: those of the zoo, and its own."""


def known_tasks(own: Mapping[str, OwnTask]) -> Tasks:
    """The tasks of the zoo, and those of a suite."""
    return TASKS | {name: task.data.task(name) for name, task in own.items() if name not in TASKS}


def unknown_tasks(suite: Suite, own: set[str]) -> Iterator[Finding]:
    """The tasks of suite.yaml that are not declared; `own` are the names of all its files."""
    known = sorted({*TASKS, *own})
    for task in suite.tasks:
        if task not in known:
            given = f"there is no task {task!r}"
            remedy = suggestion(task, known) or f"declare it in tasks/{task}.yaml"
            yield Finding(("tasks", task), given, ", ".join(known), remedy)


def own_task_findings(name: str, suite: Suite) -> Iterator[Finding]:
    """What in the file of a suite's own task does not fit."""
    if name in TASKS:
        yield Finding((), f"{name!r} is already a task of the zoo", remedy="rename this file")
    elif "." in name:
        # Dots join the keys of a study's axes.
        yield Finding(
            (), f"{name!r} contains a dot", "lower-case letters, digits and dashes", "rename it"
        )
    elif name not in suite.tasks:
        yield Finding(
            (),
            "suite.yaml does not list this task",
            ", ".join(suite.tasks),
            f"add {name!r} to its `tasks`, or remove this file",
        )
