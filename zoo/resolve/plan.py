"""Training plans: a method's stages with their budgets, before anything is loaded."""

from dataclasses import dataclass

from zoo.distil.budget import Budget, apportioned, budget_of
from zoo.distil.method import Setting
from zoo.distil.stage import Masking, Stage
from zoo.distil.term import Term
from zoo.losses.logits import hard_labels
from zoo.methods import stages_of
from zoo.models.tap import LOGITS
from zoo.spec.jobs import TransferJob
from zoo.spec.optimise import Optimise, Stages
from zoo.spec.recipe import Recipe
from zoo.spec.task import Task
from zoo.spec.teacher import PretrainedSource
from zoo.spec.words import WordTraining


@dataclass(frozen=True)
class Phase:
    """A stage with its optimisation; its budget is the stage's share."""

    stage: Stage
    optimise: Optimise

    @property
    def stated_budget(self) -> Budget | None:
        """The budget of this phase; None for epochs of data not read yet."""
        return budget_of(self.optimise, self.stage.share)

    def budget(self, batches_per_epoch: int) -> Budget:
        """The budget of this phase for data of the given length."""
        found = budget_of(self.optimise, self.stage.share, batches_per_epoch)
        assert found is not None
        return found


MLM = Term("mlm", hard_labels, LOGITS)
"""The loss of masked language modelling."""


def words_plan(words: WordTraining) -> tuple[Phase, ...]:
    """Training of a masked-language-model head, the rest of the model frozen or slower."""
    moves = words.encoder > 0.0
    stage = Stage(
        "masked-language-model head",
        "corpus",
        (MLM,),
        frozen=() if moves else ("body",),
        paces={"body": words.encoder} if moves else {},
        masking=Masking(words.mask_fraction),
        note=f"1 of {words.held_out_every} documents held out",
    )
    return (Phase(stage, words.optimise),)


def pretraining_plan(source: PretrainedSource) -> tuple[Phase, ...]:
    """Masked language modelling from a random start."""
    stage = Stage(
        "masked language modelling",
        "corpus",
        (MLM,),
        masking=Masking(source.mask_fraction),
    )
    return (Phase(stage, source.optimise),)


def transfer_plan(job: TransferJob) -> tuple[Phase, ...]:
    """The corpus stages of a student's entry, which do not depend on the kind of task."""
    setting = Setting(job.student.shape, job.source.shape, "classification")
    return corpus_phases(stages_of(job.method, setting), job.optimise, job.stages)


def task_plan(recipe: Recipe, task: Task) -> tuple[Phase, ...]:
    """The plan of one run on its task, of a teacher or a student."""
    if recipe.student is None or recipe.method is None:
        stage = Stage("fine-tuning", "task", (Term("labels", hard_labels, LOGITS),))
        return (Phase(stage, recipe.task_optimise(task.name)),)
    setting = Setting(recipe.student.shape, recipe.teacher.source.shape, task.kind.value)
    return task_phases(stages_of(recipe.method, setting), recipe, task.name)


def corpus_phases(
    stages: tuple[Stage, ...], optimise: Optimise, changes: Stages
) -> tuple[Phase, ...]:
    """A method's corpus stages, with their shares of the budget."""
    on_corpus = [stage for stage in stages if stage.data == "corpus"]
    return tuple(Phase(*pair) for pair in apportioned(on_corpus, optimise, changes))


def task_phases(stages: tuple[Stage, ...], recipe: Recipe, task: str) -> tuple[Phase, ...]:
    """A method's task stages, with their shares of the budget."""
    on_task = [stage for stage in stages if stage.data != "corpus"]
    optimise, changes = recipe.task_optimise(task), recipe.task_stages(task)
    return tuple(Phase(*pair) for pair in apportioned(on_task, optimise, changes))
