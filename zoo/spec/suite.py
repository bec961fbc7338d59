"""A suite: which tasks and seeds, on which data, and what is measured."""

from collections.abc import Sequence
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from zoo.spec.augment import Augment
from zoo.spec.base import Name, Seed, Spec, misfit
from zoo.spec.bench import Bench
from zoo.spec.bounds import MOST_SEEDS
from zoo.spec.corpus import Corpus
from zoo.spec.data import SuiteData, TaskSettings
from zoo.spec.optimise import Optimise
from zoo.spec.robustness import Robustness
from zoo.spec.teacher import TaskName


class SuiteTask(TaskSettings):
    """A task as a suite uses it; entries read its `settings` alone."""

    seeds: tuple[Seed, ...] | None = Field(None, min_length=1, max_length=MOST_SEEDS)
    """One run per entry and seed on this task; defaults to the suite's, the first of which must be
    among them."""
    optional: bool = False
    """Whether builds skip the task where its files are absent; otherwise they fail."""

    @property
    def settings(self) -> TaskSettings:
        """What is declared of the task's runs."""
        return TaskSettings(**self.model_dump(include=set(TaskSettings.model_fields)))

    @model_validator(mode="after")
    def _seeds_are_distinct(self) -> Self:
        require_distinct(self.seeds or ())
        return self


def require_distinct(seeds: Sequence[int]) -> None:
    """Check that no seed appears twice.

    Raises:
        PydanticCustomError: one does.
    """
    if len(set(seeds)) < len(seeds):
        raise misfit("seeds", f"a seed appears twice in {list(seeds)}", "distinct seeds")


class Suite(Spec):
    """The file `specs/<suite>/suite.yaml`."""

    note: str = ""
    """Free text; has no effect."""
    extends: Name | None = None
    """Suite whose teachers, entries and keys this one takes over, where it has none of its own."""
    tasks: Annotated[dict[TaskName, SuiteTask], Field(min_length=1)]
    """The tasks every entry is trained and scored on."""
    seeds: Annotated[tuple[Seed, ...], Field(min_length=1, max_length=MOST_SEEDS)]
    """One run per entry, task and seed; the distilled teacher has the first. A task may have others
    of its own."""
    data: SuiteData = SuiteData()
    """Where the tasks' examples come from."""
    corpus: Corpus | None = None
    """Raw text for methods with a corpus stage."""
    optimise: Optimise = Optimise(epochs=3)
    """How students are trained on a task; entries can override it."""
    corpus_optimise: Optimise | None = None
    """How students are trained on the corpus; entries can override it."""
    augment: Augment | None = None
    """How task data is augmented, for methods that use it."""
    bench: Bench = Bench()
    """What the harness measures."""
    robustness: Robustness = Robustness()
    """Altered examples on which all runs are scored as well."""
    train_stage_per: Literal["entry", "task", "run"] = "run"
    """Runs trained per DVC stage: larger stages save start-up time, smaller ones are cached and
    restarted separately."""
    twin: Name | None = None
    """Baseline that trains the same student without a teacher; others are compared with it."""

    @property
    def optional_tasks(self) -> tuple[str, ...]:
        """The tasks that builds skip where their files are absent."""
        return tuple(name for name, task in self.tasks.items() if task.optional)

    def seeds_of(self, task: str) -> tuple[int, ...]:
        """The seeds of the runs on a task."""
        return self.tasks[task].seeds or self.seeds

    @model_validator(mode="after")
    def _seeds_are_distinct(self) -> Self:
        require_distinct(self.seeds)
        return self
