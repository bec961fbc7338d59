"""What must fit between a suite and its own tasks."""

from collections.abc import Collection, Iterator, Mapping

from zoo.errors import suggestion
from zoo.spec.finding import Finding, KeyPath
from zoo.spec.own_task import OwnTask
from zoo.spec.robustness import adversarial_tasks
from zoo.spec.suite import Suite
from zoo.spec.task import TASKS, Reader, Task

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


def suite_task_findings(suite: Suite, known: Tasks) -> Iterator[Finding]:
    """What in the seeds of tasks, in what is optional, and in robustness does not fit the suite."""
    first = suite.seeds[0]
    for name in suite.tasks:
        if first not in suite.seeds_of(name):
            yield Finding(
                ("tasks", name, "seeds"),
                f"the suite's first seed, {first}, is not among {list(suite.seeds_of(name))}",
                f"seeds with {first}, the one that is distilled from, exported and timed",
                f"add {first}, or put another seed first in the suite's `seeds`",
            )
    for name in suite.optional_tasks:
        if name in known and known[name].reader is Reader.GENERATOR:
            given = "its examples are generated: they are never absent"
            yield Finding(("tasks", name, "optional"), given, remedy="remove it")
    yield from optional_findings(("tasks",), "tasks of this suite", suite.tasks, suite)
    timed = suite.bench.tasks or ()
    yield from optional_findings(("bench", "tasks"), "tasks of this bench", timed, suite)
    if suite.robustness.adversarial and not any(t in suite.tasks for t in adversarial_tasks()):
        given, allowed = "no task of the suite has such examples", ", ".join(adversarial_tasks())
        remedy = "add one of these tasks, or remove it"
        yield Finding(("robustness", "adversarial"), given, allowed, remedy)


def optional_findings(
    path: KeyPath, which: str, tasks: Collection[str], suite: Suite
) -> Iterator[Finding]:
    """That something is left of a suite, an entry or the bench where optional tasks are skipped."""
    if tasks and set(tasks) <= set(suite.optional_tasks):
        yield Finding(
            path,
            f"all {which} are optional: nothing may be left of it",
            "at least one task that is not",
            "add a task, or remove `optional` from one",
        )


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
