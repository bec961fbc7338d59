"""Resolved specs: everything that is declared of a run, and the identity of what comes of it.

A run has two hashes. `declared` is of its resolved spec: all that people said of it. `digest` is of
what decides the weights: the part of the spec that this run reads, without where bytes are found,
and the content of every input (examples, corpora, model folders), those that were trained named by
their own digests. So a digest changes when the bytes can change, whatever the reason.
"""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from zoo.spec.augment import Augment
from zoo.spec.base import Addressed, Inputs, Sha256, Spec, content, digest
from zoo.spec.corpus import Corpus
from zoo.spec.data import DataSource, TaskSettings, task_of
from zoo.spec.entry import MethodField
from zoo.spec.optimise import Optimise, Stages, TaskChange, changed, merged_stages
from zoo.spec.own_task import OwnData
from zoo.spec.shape import Shape
from zoo.spec.student import Start
from zoo.spec.task import Task
from zoo.spec.teacher import FolderSource, HubSource, PretrainedSource
from zoo.spec.words import WordTraining

RECIPE_SCHEMA: Literal[3] = 3
"""Raised when the meaning of a recipe changes, so that old digests stay with old meanings.

2: a stage reads its data on from where the stages before it stopped. 3: a digest names the content
of what is read."""


class TransferredSource(Addressed):
    """What an entry is after its corpus stages, known by all that is declared of it."""

    addresses: ClassVar[tuple[str, ...]] = ("kind", "transfer")

    kind: Literal["distilled"] = "distilled"
    transfer: Sha256
    """What is declared of the entry's transfer."""
    shape: Shape


Given = Annotated[HubSource | FolderSource | TransferredSource, Field(discriminator="kind")]


class AdaptedSource(Spec):
    """Given weights whose masked-language-model head is trained here."""

    kind: Literal["adapted"] = "adapted"
    base: Given
    words: WordTraining

    @property
    def shape(self) -> Shape:
        """The shape of the encoder."""
        return self.base.shape


ResolvedSource = Annotated[
    HubSource | FolderSource | PretrainedSource | TransferredSource | AdaptedSource,
    Field(discriminator="kind"),
]


def weights_declared(source: ResolvedSource) -> str:
    """sha256 of what is declared of first weights, wherever they lie."""
    return digest([RECIPE_SCHEMA, source.model_dump(mode="json")])


class TeacherRecipe(Spec):
    """A teacher: its pretrained source and, where it is distilled on a task, its fine-tuning."""

    source: ResolvedSource
    optimise: Optimise | None
    tasks: dict[str, TaskChange] = Field(default_factory=dict)


class StudentRecipe(Spec):
    """A student: its full shape and where its first weights come from."""

    shape: Shape
    start: Start | Given

    @property
    def given(self) -> HubSource | FolderSource | TransferredSource | None:
        """The weights it takes, where its start names some; their shape is the student's."""
        start = self.start
        return None if isinstance(start, str | tuple) else start


class Recipe(Spec):
    """An entry. A teacher's own entry has no student and no method."""

    schema_version: Literal[3] = RECIPE_SCHEMA
    teacher: TeacherRecipe
    student: StudentRecipe | None = None
    method: MethodField | None = None
    optimise: Optimise | None = None
    tasks: dict[str, TaskChange] = Field(default_factory=dict)
    corpus: Corpus | None = None
    corpus_optimise: Optimise | None = None
    stages: Stages = Field(default_factory=dict)
    augment: Augment | None = None

    @property
    def shape(self) -> Shape:
        """The shape of what this entry trains."""
        return self.student.shape if self.student else self.teacher.source.shape

    def task_optimise(self, task: str) -> Optimise:
        """How this entry is trained on one task."""
        if self.optimise is not None:
            return changed(self.optimise, self.tasks.get(task))
        assert self.teacher.optimise is not None  # a teacher's own entry says how it is fine-tuned
        return changed(self.teacher.optimise, self.teacher.tasks.get(task))

    def task_stages(self, task: str) -> Stages:
        """What this entry changes in its stages on one task."""
        return merged_stages(self.stages, self.tasks.get(task))

    def only(self, task: str, *, taught: bool) -> "Recipe":
        """What this recipe comes to on one task: changes applied, other tasks left out.

        How the teacher is fine-tuned stays where the student is `taught` by it, or is it.
        """
        theirs = self.teacher.optimise
        stated = changed(theirs, self.teacher.tasks.get(task)) if theirs and taught else None
        teacher = self.teacher.model_copy(update={"optimise": stated, "tasks": {}})
        own = self.task_optimise(task) if self.optimise is not None else None
        stages = self.task_stages(task)
        update = {"teacher": teacher, "optimise": own, "tasks": {}, "stages": stages}
        return self.model_copy(update=update)


class RunRecipe(Spec):
    """A run: an entry on one task with one seed; `teacher_seed` is the distilled teacher's."""

    recipe: Recipe
    task: str
    settings: TaskSettings
    data: DataSource
    seed: int
    teacher_seed: int

    @property
    def declared(self) -> str:
        """sha256 of the resolved spec."""
        return digest(self)

    def digest(self, inputs: Inputs) -> str:
        """The identity of the run's checkpoint, made of these inputs.

        What the teacher and the corpus stages decided is in the inputs.
        """
        recipe = self.recipe
        own = {
            "schema_version": recipe.schema_version,
            "student": content(recipe.student),
            "method": content(recipe.method),
            "optimise": content(recipe.task_optimise(self.task)),
            "stages": {name: content(stage) for name, stage in recipe.stages.items()},
            "augment": content(recipe.augment),
            "task": self.task,
            "cutting": self.settings.cutting,
            "seed": self.seed,
        }
        if isinstance(self.data, OwnData):
            own["definition"] = content(self.data)
        return digest({"recipe": own, "inputs": inputs})

    @property
    def definition(self) -> Task:
        """What its task is."""
        return task_of(self.task, self.data)

    @property
    def key(self) -> str:
        """The run's name within its entry."""
        return run_key(self.task, self.seed)


def run_key(task: str, seed: int) -> str:
    """The name of a run within its entry: its folder, and part of its records' names."""
    return f"{task}-{seed}"
