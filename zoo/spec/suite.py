"""A suite: which tasks and seeds, on which data, and what is measured."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from zoo.spec.augment import Augment
from zoo.spec.base import Name, Seed, Spec, misfit
from zoo.spec.bench import Bench
from zoo.spec.bounds import MOST_SEEDS
from zoo.spec.corpus import Corpus
from zoo.spec.data import SuiteData, TaskSettings
from zoo.spec.optimise import Optimise
from zoo.spec.teacher import TaskName


class Suite(Spec):
    """The file `specs/<suite>/suite.yaml`."""

    note: str = ""
    """Free text; has no effect."""
    extends: Name | None = None
    """Suite whose teachers, entries and keys this one takes over, where it has none of its own."""
    tasks: Annotated[dict[TaskName, TaskSettings], Field(min_length=1)]
    """The tasks every entry is trained and scored on."""
    seeds: Annotated[tuple[Seed, ...], Field(min_length=1, max_length=MOST_SEEDS)]
    """One run per entry, task and seed; the distilled teacher has the first."""
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
    train_stage_per: Literal["entry", "task", "run"] = "run"
    """Runs trained per DVC stage: larger stages save start-up time, smaller ones are cached and
    restarted separately."""
    twin: Name | None = None
    """Baseline that trains the same student without a teacher; others are compared with it."""

    @model_validator(mode="after")
    def _seeds_are_distinct(self) -> Self:
        if len(set(self.seeds)) < len(self.seeds):
            raise misfit("seeds", f"a seed appears twice in {list(self.seeds)}", "distinct seeds")
        return self
