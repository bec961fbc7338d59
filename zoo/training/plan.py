"""The plan of a training: a method's stages with their budgets, before anything is loaded."""

from dataclasses import dataclass, replace

from zoo.distil.method import Setting
from zoo.distil.stage import Masking, Stage
from zoo.distil.term import Term
from zoo.losses.logits import hard_labels
from zoo.methods import stages_of
from zoo.models.tap import LOGITS
from zoo.spec.jobs import TransferJob
from zoo.spec.optimise import Optimise, Stages, changed
from zoo.spec.recipe import Recipe
from zoo.spec.task import TASKS
from zoo.spec.teacher import PretrainedSource


@dataclass(frozen=True)
class Phase:
    """A stage with the optimisation it gets; its budget is the stage's share of it."""

    stage: Stage
    optimise: Optimise

    def steps(self, batches_per_epoch: int) -> int:
        """Optimiser steps of this phase."""
        whole = self.optimise.steps or self.optimise.epochs * batches_per_epoch  # type: ignore[operator]  # one is stated
        return max(1, round(whole * self.stage.share))


def pretraining_plan(source: PretrainedSource) -> tuple[Phase, ...]:
    """Masked language modelling from a random start."""
    stage = Stage(
        "masked language modelling",
        "corpus",
        (Term("mlm", hard_labels, LOGITS),),
        masking=Masking(source.mask_fraction),
    )
    return (Phase(stage, source.optimise),)


def student_stages(recipe: Recipe, task: str) -> tuple[Stage, ...]:
    """All stages of a student's entry on a task."""
    assert recipe.student is not None
    assert recipe.method is not None
    setting = Setting(recipe.student.shape, recipe.teacher.source.shape, TASKS[task].kind.value)
    return stages_of(recipe.method, setting)


def transfer_plan(job: TransferJob) -> tuple[Phase, ...]:
    """The corpus stages of a student's entry; they do not depend on a task's kind."""
    setting = Setting(job.student.shape, job.source.shape, "classification")
    stages = [stage for stage in stages_of(job.method, setting) if stage.data == "corpus"]
    return _phases(stages, job.optimise, job.stages)


def task_plan(recipe: Recipe, task: str) -> tuple[Phase, ...]:
    """What one run of an entry does on its task, whether it is a teacher's or a student's."""
    optimise = recipe.task_optimise(task)
    if recipe.student is None:
        stage = Stage("fine-tuning", "task", (Term("labels", hard_labels, LOGITS),))
        return (Phase(stage, optimise),)
    stages = [stage for stage in student_stages(recipe, task) if stage.data != "corpus"]
    return _phases(stages, optimise, recipe.task_stages(task))


def whole_plan(recipe: Recipe, task: str) -> tuple[Phase, ...]:
    """All that happens to a student on its way to a task, for people to read."""
    corpus = [stage for stage in student_stages(recipe, task) if stage.data == "corpus"]
    if recipe.corpus_optimise is None:
        return task_plan(recipe, task)
    return (*_phases(corpus, recipe.corpus_optimise, recipe.stages), *task_plan(recipe, task))


def _phases(stages: list[Stage], optimise: Optimise, changes: Stages) -> tuple[Phase, ...]:
    """Stages with their budgets: their own, or their share of what the entry states."""
    stated = {name for name, change in changes.items() if change.has_budget}
    sharing = sum(stage.share for stage in stages if stage.name not in stated)
    return tuple(
        Phase(
            replace(stage, share=1.0 if stage.name in stated else stage.share / sharing),
            changed(optimise, changes.get(stage.name)),
        )
        for stage in stages
    )
