"""How a model is trained: budget, optimiser, schedule, precision."""

from typing import Literal, NamedTuple, Self

from pydantic import Field, model_validator

from zoo.spec.base import Fraction, PositiveInt, Spec, misfit


class Optimise(Spec):
    """One phase of training."""

    epochs: float | None = Field(None, gt=0)
    """Passes over the data; either this or `steps`."""
    steps: PositiveInt | None = None
    """Optimiser steps; either this or `epochs`."""
    learning_rate: float = Field(5e-5, gt=0, lt=1)
    """Peak learning rate."""
    batch_size: PositiveInt = 32
    """Sequences per optimiser step."""
    accumulate: PositiveInt = 1
    """Parts a batch is cut into to save memory; each part counts by its share of sequences."""
    warmup: Fraction = 0.1
    """Share of the steps over which the learning rate rises linearly from 0."""
    decay: Literal["linear", "constant"] = "linear"
    """What follows the warm-up."""
    weight_decay: float = Field(0.01, ge=0)
    """Decoupled; biases and layer norms have none."""
    beta1: float = Field(0.9, ge=0, lt=1)
    """AdamW's decay of the first moment."""
    beta2: float = Field(0.999, ge=0, lt=1)
    """AdamW's decay of the second moment."""
    epsilon: float = Field(1e-8, gt=0)
    """AdamW's term in the denominator."""
    clip: float | None = Field(1.0, gt=0)
    """Largest norm of the whole gradient; none when null."""
    precision: Literal["fp32", "bf16"] = "fp32"
    """bf16: forward and backward under autocast, weights and optimiser in fp32."""
    teacher_precision: Literal["fp32", "bf16"] = "fp32"
    """Precision of the frozen teacher's weights."""
    dropout: Fraction | None = None
    """Dropout of the trained model everywhere; the model's own values when null."""
    max_length: int = Field(128, ge=8)
    """Longest sequence in pieces; used for corpora (tasks state their own)."""

    @model_validator(mode="after")
    def _one_budget(self) -> Self:
        if (self.epochs is None) == (self.steps is None):
            allowed = "exactly one of epochs and steps"
            if self.epochs is None:
                raise misfit("", "neither epochs nor steps are stated", allowed)
            raise misfit("steps", "epochs are stated too", allowed)
        if self.batch_size % self.accumulate:
            given = f"{self.accumulate} parts do not divide a batch of {self.batch_size}"
            raise misfit("accumulate", given, f"a divisor of {self.batch_size}")
        return self


class StageChange(Spec):
    """What one stage of a method changes in its entry's optimisation."""

    epochs: float | None = Field(None, gt=0)
    """Its own passes over the data, instead of its share of the entry's."""
    steps: PositiveInt | None = None
    """Its own optimiser steps; either these or `epochs`."""
    learning_rate: float | None = Field(None, gt=0, lt=1)
    """Peak learning rate."""
    batch_size: PositiveInt | None = None
    """Sequences per optimiser step."""
    warmup: Fraction | None = None
    """Share of the steps over which the learning rate rises."""
    decay: Literal["linear", "constant"] | None = None
    """What follows the warm-up."""

    @model_validator(mode="after")
    def _one_budget(self) -> Self:
        if self.epochs is not None and self.steps is not None:
            raise misfit("steps", "epochs are stated too", "one of epochs and steps, or neither")
        return self

    @property
    def has_budget(self) -> bool:
        """Whether the stage takes no part in sharing the entry's budget."""
        return self.epochs is not None or self.steps is not None


Stages = dict[str, StageChange]
"""Changes by the name of the stage."""


class Budgets(NamedTuple):
    """What an entry or its suite states: on a task, on the corpus, and for single stages."""

    task: Optimise | None
    corpus: Optimise | None
    stages: Stages


class TaskChange(Spec):
    """What one task changes in an entry's optimisation."""

    epochs: float | None = Field(None, gt=0)
    """Passes over the task's training set."""
    learning_rate: float | None = Field(None, gt=0, lt=1)
    """Peak learning rate."""
    batch_size: PositiveInt | None = None
    """Sequences per optimiser step."""
    stages: Stages = Field(default_factory=dict)
    """What the task changes in single stages of the method."""


def changed(optimise: Optimise, change: TaskChange | StageChange | None) -> Optimise:
    """`optimise` with what a task or a stage changes; a budget replaces the one there was."""
    if change is None:
        return optimise
    stated = change.model_dump(exclude_none=True, exclude={"stages"})
    if "epochs" in stated or "steps" in stated:
        stated = {"epochs": None, "steps": None, **stated}
    return Optimise.model_validate({**optimise.model_dump(), **stated})


def merged_stages(stages: Stages, change: TaskChange | None) -> Stages:
    """Changes of stages with those that a task makes on top."""
    if change is None:
        return stages
    together = dict(stages)
    for name, on_top in change.stages.items():
        below = together.get(name, StageChange()).model_dump(exclude_none=True)
        stated = on_top.model_dump(exclude_none=True)
        if on_top.has_budget:
            below = {key: value for key, value in below.items() if key not in ("epochs", "steps")}
        together[name] = StageChange.model_validate({**below, **stated})
    return together
