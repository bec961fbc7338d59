"""The jobs that measure what was trained, and join what was measured."""

from typing import ClassVar

from zoo.spec.bench import Bench, Export
from zoo.spec.jobs import Job
from zoo.spec.recipe import RunRecipe
from zoo.spec.robustness import Robustness


class ScoreJob(Job):
    """Score every run of an entry on its dev splits, and count its parameters."""

    run_fields: ClassVar[tuple[str, ...]] = ("runs",)

    method: str
    """`teacher` for a teacher's own entry."""
    teacher: str
    twin: str | None
    runs: tuple[RunRecipe, ...]


class RobustnessJob(Job):
    """Score every run of an entry on altered examples."""

    run_fields: ClassVar[tuple[str, ...]] = ("runs",)

    runs: tuple[RunRecipe, ...]
    robustness: Robustness


class GateJob(Job):
    """Decide for which tasks a teacher may be distilled from."""

    gates: dict[str, float]
    seed: int
    tasks: tuple[str, ...]


class WordGateJob(Job):
    """Decide whether methods may read the words that a teacher predicts."""

    gate: float | None
    """The highest loss on held-out text, in nats; None: any will do."""
    seed: int


class ExportJob(Job):
    """Export one run of each task to ONNX, and compare."""

    run_fields: ClassVar[tuple[str, ...]] = ("runs",)

    runs: tuple[RunRecipe, ...]
    export: Export


class LatencyJob(Job):
    """Time one run of each task alongside its teacher's."""

    run_fields: ClassVar[tuple[str, ...]] = ("runs", "beside")

    teacher: str
    runs: tuple[RunRecipe, ...]
    beside: tuple[RunRecipe, ...]
    """The teacher's run for each of `runs`."""
    bench: Bench


class BoardJob(Job):
    """Make the suite's tables from all records; `entry` is `board`."""

    entries: tuple[str, ...]
    """Every entry that must have records, in an order in which they can be built."""
    optional: tuple[str, ...] = ()
    """The tasks on which none need have any."""
