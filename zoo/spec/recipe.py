"""Resolved specs: everything that decides a checkpoint's bytes, and nothing else."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from zoo.spec.augment import Augment
from zoo.spec.base import Grown, Sha256, Spec, digest
from zoo.spec.corpus import Corpus
from zoo.spec.data import DataSource, TaskSettings
from zoo.spec.entry import MethodField
from zoo.spec.optimise import Optimise, Stages, TaskChange, changed, merged
from zoo.spec.shape import Shape
from zoo.spec.student import Start
from zoo.spec.teacher import FolderSource, HubSource, PretrainedSource

SCHEMA = 2
"""Raised when the meaning of a recipe changes, so that old digests stay with old meanings.

2: a stage reads its data on from where the stages before it stopped."""


class TransferredSource(Spec):
    """What an entry is after its corpus stages, known by all that decides it, not by its name."""

    kind: Literal["distilled"] = "distilled"
    transfer: Sha256
    """Digest of the entry's transfer."""
    shape: Shape


Given = Annotated[HubSource | FolderSource | TransferredSource, Field(discriminator="kind")]
ResolvedSource = Annotated[
    HubSource | FolderSource | PretrainedSource | TransferredSource, Field(discriminator="kind")
]


class TeacherRecipe(Spec):
    """A teacher: its pretrained source and its fine-tuning."""

    source: ResolvedSource
    optimise: Optimise
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


class Recipe(Grown):
    """An entry. A teacher's own entry has no student and no method."""

    later: ClassVar[tuple[str, ...]] = ("stages", "augment")

    schema_version: int = SCHEMA
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
        if self.optimise is None:
            return changed(self.teacher.optimise, self.teacher.tasks.get(task))
        return changed(self.optimise, self.tasks.get(task))

    def task_stages(self, task: str) -> Stages:
        """What this entry changes in its stages on one task."""
        return merged(self.stages, self.tasks.get(task))

    def only(self, task: str) -> "Recipe":
        """What this recipe comes to on one task: changes applied, other tasks left out."""
        stated = changed(self.teacher.optimise, self.teacher.tasks.get(task))
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
    def digest(self) -> str:
        """The identity of the run's checkpoint and of everything measured on it."""
        return digest(self)

    @property
    def key(self) -> str:
        """The run's name within its entry."""
        return run_key(self.task, self.seed)


def run_key(task: str, seed: int) -> str:
    """The name of a run within its entry: its folder, and part of its records' names."""
    return f"{task}-{seed}"
