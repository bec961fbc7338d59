"""Which examples a task has, how many are used, and how they are cut into pieces."""

from pydantic import Field

from zoo.spec.base import PositiveInt, Revision, Seed, Spec
from zoo.spec.task import Task


class TaskSettings(Spec):
    """How much of a task is used, and how it is cut into pieces."""

    train: PositiveInt | None = None
    """Most training examples: the first ones in the order of the file; all when null."""
    dev: PositiveInt | None = None
    """Most scored examples; all when null."""
    max_length: int = Field(128, ge=8)
    """Longest sequence in pieces."""
    stride: PositiveInt = 128
    """Pieces by which the windows on a long context advance (span tasks)."""
    max_query: PositiveInt = 64
    """Most pieces of a question (span tasks)."""
    max_answer: PositiveInt = 30
    """Most pieces of an answer (span tasks)."""


class DataSource(Spec):
    """Which data the suite's tasks are read from; `$ZOO_DATA` replaces the hub where it is set."""

    pocket_seed: Seed = 0
    """Seed of the generated tasks."""
    glue: Revision = "bcdcba79d07bc864c1c254ccfcedcce55bcc9a8c"
    """Commit of nyu-mll/glue on the hub."""
    squad: Revision = "7b6d24c440a36b6815f21b70d25016731768db1f"
    """Commit of rajpurkar/squad on the hub."""
    squad_v2: Revision = "3ffb306f725f7d2ce8394bc1873b24868140c412"
    """Commit of rajpurkar/squad_v2 on the hub."""

    def only(self, task: Task) -> "DataSource":
        """The same source without what it says of other tasks' data."""
        ours = {"pocket": "pocket_seed", "glue": "glue", "squad": "squad"}[task.source]
        if task.name == "squad-v2.0":
            ours = "squad_v2"
        return DataSource.model_validate({ours: getattr(self, ours)})
