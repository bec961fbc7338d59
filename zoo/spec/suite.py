"""A suite: which tasks and seeds, on which data, and what is measured."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from zoo.spec.augment import Augment
from zoo.spec.base import Name, PositiveInt, Revision, Seed, Spec, misfit
from zoo.spec.bench import Bench
from zoo.spec.corpus import Corpus
from zoo.spec.optimise import Optimise
from zoo.spec.task import Task
from zoo.spec.teacher import TaskName


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


class Suite(Spec):
    """The file `specs/<suite>/suite.yaml`."""

    note: str = ""
    """Anything for people; changes nothing."""
    tasks: Annotated[dict[TaskName, TaskSettings], Field(min_length=1)]
    """The tasks every entry is trained and scored on."""
    seeds: Annotated[tuple[Seed, ...], Field(min_length=1)]
    """One run per entry, task and seed; the teacher that is distilled has the first."""
    data: DataSource = DataSource()
    """Where the tasks' examples come from."""
    corpus: Corpus | None = None
    """Raw text for methods that have a corpus stage."""
    optimise: Optimise = Optimise(epochs=3)
    """How students are trained on a task, where the entry does not say."""
    corpus_optimise: Optimise | None = None
    """How students are trained on the corpus, where the entry does not say."""
    augment: Augment | None = None
    """How task data is augmented, for methods that ask for it."""
    bench: Bench = Bench()
    """What the harness measures."""
    train_stage_per: Literal["entry", "task", "run"] = "run"
    """How many runs one DVC stage trains: fewer, larger stages spare start-up time, smaller ones
    are cached and restarted apart."""
    twin: Name | None = None
    """The entry that trains the same student without a teacher; others are compared with it."""

    @model_validator(mode="after")
    def _seeds_are_distinct(self) -> Self:
        if len(set(self.seeds)) < len(self.seeds):
            raise misfit("seeds", f"a seed stands twice in {list(self.seeds)}", "distinct seeds")
        return self
