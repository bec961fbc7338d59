"""What the command line says of optional tasks whose data are absent: one line a suite."""

from collections.abc import Collection, Iterator

from zoo.paths import Project
from zoo.spec.load import LoadedSuite


def absence_lines(project: Project, loaded: LoadedSuite, tasks: Collection[str]) -> Iterator[str]:
    """The line of some tasks of a suite; none where the data of all are there."""
    if not set(loaded.suite.optional_tasks) & set(tasks):
        return
    from zoo.data.absent import absence_told, absent_tasks  # noqa: PLC0415  (few suites need it)

    absent = [task for task in absent_tasks(project, loaded) if task in tasks]
    if absent:
        yield absence_told(loaded, absent)
