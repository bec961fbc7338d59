"""Resolved specs: everything that decides a checkpoint's bytes, and nothing else."""

from pydantic import Field

from zoo.spec.base import Spec, digest
from zoo.spec.corpus import Corpus
from zoo.spec.entry import MethodField
from zoo.spec.optimise import Optimise, TaskChange, changed
from zoo.spec.shape import Shape
from zoo.spec.student import Start
from zoo.spec.suite import DataSource, TaskSettings
from zoo.spec.teacher import Source

SCHEMA = 1
"""Raised when the meaning of a recipe changes, so that old digests stay with old meanings."""


class TeacherRecipe(Spec):
    """A teacher: its pretrained source and its fine-tuning."""

    source: Source
    optimise: Optimise
    tasks: dict[str, TaskChange] = Field(default_factory=dict)


class StudentRecipe(Spec):
    """A student: its full shape and where its first weights come from."""

    shape: Shape
    start: Start


class Recipe(Spec):
    """An entry. A teacher's own entry has no student and no method."""

    schema_version: int = SCHEMA
    teacher: TeacherRecipe
    student: StudentRecipe | None = None
    method: MethodField | None = None
    optimise: Optimise | None = None
    tasks: dict[str, TaskChange] = Field(default_factory=dict)
    corpus: Corpus | None = None
    corpus_optimise: Optimise | None = None

    @property
    def shape(self) -> Shape:
        """The shape of what this entry trains."""
        return self.student.shape if self.student else self.teacher.source.shape

    def task_optimise(self, task: str) -> Optimise:
        """How this entry is trained on one task."""
        if self.optimise is None:
            return changed(self.teacher.optimise, self.teacher.tasks.get(task))
        return changed(self.optimise, self.tasks.get(task))

    def only(self, task: str) -> "Recipe":
        """What this recipe comes to on one task: changes applied, other tasks left out."""
        stated = changed(self.teacher.optimise, self.teacher.tasks.get(task))
        teacher = self.teacher.model_copy(update={"optimise": stated, "tasks": {}})
        own = self.task_optimise(task) if self.optimise is not None else None
        return self.model_copy(update={"teacher": teacher, "optimise": own, "tasks": {}})


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
