"""Jobs: what one DVC stage does, complete.

Here are those that train; those that measure stand in `measuring.py`. How they stand in a
pipeline's params.json is told in `zoo.pipeline.params`.

A stage reads its own job and nothing else of the specs, so that DVC's look at the job decides
exactly when the stage must run again.
"""

from collections.abc import Collection
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field

from zoo.spec.base import BelowData, Inputs, Spec, content, digest
from zoo.spec.corpus import Corpus, FolderCorpus, HubCorpus
from zoo.spec.data import DataSource, task_of
from zoo.spec.entry import MethodField
from zoo.spec.optimise import Optimise, Stages
from zoo.spec.recipe import (
    RECIPE_SCHEMA,
    ResolvedSource,
    RunRecipe,
    StudentRecipe,
    weights_declared,
)
from zoo.spec.task import Task
from zoo.spec.teacher import FolderSource, HubSource
from zoo.spec.weights import ModelPlace


class Job(Spec):
    """The base of all jobs: for which entry of which suite."""

    run_fields: ClassVar[tuple[str, ...]] = ()
    """Its fields that hold runs."""

    suite: str
    entry: str

    @property
    def method_file(self) -> str | None:
        """The method whose file runs, if any."""
        return None

    @property
    def run_tasks(self) -> tuple[str, ...]:
        """The tasks of its runs."""
        runs = (run for name, value in self if name in self.run_fields for run in value)
        return tuple(dict.fromkeys(run.task for run in runs))

    def without(self, tasks: Collection[str]) -> Self:
        """The job without its runs on some tasks."""
        fields = {name: value for name, value in self if name in self.run_fields}
        kept = {
            name: tuple(run for run in runs if run.task not in tasks)
            for name, runs in fields.items()
        }
        return self.model_copy(update=kept)


class TaskInput(Spec):
    """The files of one split of a task."""

    kind: Literal["task"] = "task"
    task: str
    split: str
    data: DataSource
    optional: bool = False
    """Whether the task is skipped where its files are absent."""

    @property
    def definition(self) -> Task:
        """What the task is."""
        return task_of(self.task, self.data)


class CorpusInput(Spec):
    """The files of a corpus."""

    kind: Literal["corpus"] = "corpus"
    corpus: FolderCorpus | HubCorpus = Field(discriminator="kind")


class ModelInput(Spec):
    """The files of a third-party model."""

    kind: Literal["model"] = "model"
    source: HubSource | FolderSource = Field(discriminator="kind")
    places: tuple[ModelPlace, ...] = ()
    """Where its files may be instead of the hub."""


class FileInput(Spec):
    """A vocabulary, word vectors, or adversarial examples."""

    kind: Literal["file"] = "file"
    path: BelowData
    optional: bool = False
    """Whether what reads it does without where it is absent."""


Input = Annotated[TaskInput | CorpusInput | ModelInput | FileInput, Field(discriminator="kind")]


class InputsJob(Job):
    """Look at all that a suite reads and did not make; `entry` is `inputs`."""

    schema_version: Literal[3] = RECIPE_SCHEMA
    inputs: dict[str, Input]
    """By the name of the file that says what they are."""


class PretrainJob(Job):
    """Provide initial weights: from the hub, a folder, another entry, or by pretraining."""

    schema_version: Literal[3] = RECIPE_SCHEMA
    source: ResolvedSource
    origin: str | None = None
    """The entry whose transferred weights these are, for a distilled source."""
    teacher: str | None = None
    """Whose tokenizer the weights must have, where a student starts from them."""
    places: tuple[ModelPlace, ...] = ()
    """Where the source's files may be instead of the hub."""
    projections: bool = False
    """Whether the origin learnt projections, which come with its weights."""

    @property
    def declared(self) -> str:
        """sha256 of what is declared of the weights."""
        return weights_declared(self.source)

    def digest(self, inputs: Inputs) -> str:
        """Identity of the weights, fetched or made from these inputs."""
        return digest({"recipe": [self.schema_version, content(self.source)], "inputs": inputs})


class TransferJob(Job):
    """Train a student on the corpus, before any task: nothing here speaks of tasks."""

    schema_version: Literal[3] = RECIPE_SCHEMA
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
    def method_file(self) -> str:
        """The method that trains."""
        return self.method.name

    @property
    def declared(self) -> str:
        """sha256 of what is declared of the transfer: its location plays no part.

        Whether projections are taken up follows from the student's start and the source.
        """
        apart = {"suite", "entry", "teacher", "projections"}
        return digest(self.model_dump(mode="json", exclude=apart))

    def digest(self, inputs: Inputs) -> str:
        """Identity of the transferred weights, made of these inputs."""
        own = {
            "schema_version": self.schema_version,
            "student": content(self.student),
            "method": content(self.method),
            "corpus": content(self.corpus),
            "optimise": content(self.optimise),
            "stages": {name: content(stage) for name, stage in self.stages.items()},
            "seed": self.seed,
        }
        return digest({"recipe": own, "inputs": inputs})


class TrainJob(Job):
    """Train some runs of an entry on their tasks."""

    run_fields: ClassVar[tuple[str, ...]] = ("runs",)

    teacher: str
    runs: tuple[RunRecipe, ...]
    start: str | None = None
    """The entry whose first weights they start from, where these are made once for several."""
    started: str | None = None
    """What is declared of the transfer that they start from, if any."""
    taught: dict[str, str] = Field(default_factory=dict)
    """What is declared of the teacher that they are distilled from, by task."""
    projections: bool = False
    """Whether projections learnt with these first weights are taken up."""

    @property
    def method_file(self) -> str | None:
        """The method that trains; none for a teacher's own entry."""
        method = self.runs[0].recipe.method
        return None if method is None else method.name
