"""Jobs: what one DVC stage does, complete, as it stands in a pipeline's params.json.

Here are those that train; those that measure stand in `measuring.py`.

A stage reads its own job and nothing else of the specs, so that DVC's look at the job decides
exactly when the stage must run again.
"""

from typing import ClassVar

from pydantic import Field

from zoo.spec.base import Grown, Spec, digest
from zoo.spec.corpus import Corpus
from zoo.spec.entry import MethodField
from zoo.spec.optimise import Optimise, Stages
from zoo.spec.recipe import ResolvedSource, RunRecipe, StudentRecipe


class Job(Spec):
    """The base of all jobs: for which entry of which suite."""

    suite: str
    entry: str


class PretrainJob(Job, Grown):
    """Bring first weights: from the hub, a folder, another entry, or by pretraining."""

    later: ClassVar[tuple[str, ...]] = ("origin", "teacher", "projections")

    source: ResolvedSource
    origin: str | None = None
    """The entry whose transferred weights these are, for a distilled source."""
    teacher: str | None = None
    """Whose tokenizer the weights must have, where a student starts from them."""
    projections: bool = False
    """Whether the origin learnt projections, which come with its weights."""

    @property
    def digest(self) -> str:
        """Identity of the weights."""
        return digest(self.source)


class TransferJob(Job, Grown):
    """Train a student on the corpus, before any task: nothing here speaks of tasks."""

    later: ClassVar[tuple[str, ...]] = ("stages", "projections")

    teacher: str
    source: ResolvedSource
    student: StudentRecipe
    method: MethodField
    corpus: Corpus
    optimise: Optimise
    stages: Stages = Field(default_factory=dict)
    seed: int
    projections: bool = False
    """Whether projections that came with the given weights are taken up."""

    @property
    def digest(self) -> str:
        """Identity of the transferred weights: where they stand plays no part.

        Whether projections are taken up follows from the student's start and the source.
        """
        apart = {"suite", "entry", "teacher", "projections"}
        return digest(self.model_dump(mode="json", exclude=apart))


class TrainJob(Job, Grown):
    """Train some runs of an entry on their tasks."""

    later: ClassVar[tuple[str, ...]] = ("start", "projections")

    teacher: str
    runs: tuple[RunRecipe, ...]
    start: str | None = None
    """The entry whose first weights they start from, where these are made once for several."""
    projections: bool = False
    """Whether projections learnt with these first weights are taken up."""
