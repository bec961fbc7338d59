"""The jobs that measure what was trained, and join what was measured."""

from zoo.spec.base import Spec
from zoo.spec.bench import Bench, Export
from zoo.spec.data import DataSource, TaskSettings, task_of
from zoo.spec.jobs import Job
from zoo.spec.recipe import run_key
from zoo.spec.task import Task


class Measured(Spec):
    """A run to be measured: where it stands, the data of its task, and what is declared of it."""

    task: str
    seed: int
    settings: TaskSettings
    data: DataSource
    declared: str

    @property
    def definition(self) -> Task:
        """What its task is."""
        return task_of(self.task, self.data)

    @property
    def key(self) -> str:
        """The run's name within its entry."""
        return run_key(self.task, self.seed)


class ScoreJob(Job):
    """Score every run of an entry on its dev splits, and count its parameters."""

    method: str
    """`teacher` for a teacher's own entry."""
    teacher: str
    twin: str | None
    runs: tuple[Measured, ...]


class GateJob(Job):
    """Decide for which tasks a teacher may be distilled from."""

    gates: dict[str, float]
    seed: int
    tasks: tuple[str, ...]


class ExportJob(Job):
    """Export one run of each task to ONNX, and compare."""

    runs: tuple[Measured, ...]
    export: Export


class LatencyJob(Job):
    """Time one run of each task beside its teacher's."""

    teacher: str
    runs: tuple[Measured, ...]
    beside: tuple[Measured, ...]
    """The teacher's run for each of `runs`."""
    bench: Bench


class BoardJob(Job):
    """Make the suite's tables from all records; `entry` is `board`."""

    entries: tuple[str, ...]
    """Every entry that must have records, in an order in which they can be built."""
