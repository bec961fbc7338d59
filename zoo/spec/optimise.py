"""How a model is trained: budget, optimiser, schedule, precision."""

from typing import Literal, NamedTuple, Self

from pydantic import Field, model_validator

from zoo.spec.base import Fraction, Spec, misfit
from zoo.spec.bounds import (
    BatchSize,
    Beta,
    Epochs,
    Epsilon,
    LearningRate,
    MaxLength,
    Norm,
    StepCount,
    WeightDecay,
)


class Optimise(Spec):
    """One phase of training."""

    epochs: Epochs | None = None
    """Epochs: passes over the data; mutually exclusive with `steps`."""
    steps: StepCount | None = None
    """Optimiser steps; mutually exclusive with `epochs`."""
    learning_rate: LearningRate = 5e-5
    """Peak learning rate."""
    batch_size: BatchSize = 32
    """Batch size: sequences per optimiser step."""
    accumulate: BatchSize = 1
    """Gradient accumulation: parts a batch is split into; the loss stays that of the batch."""
    warmup: Fraction = 0.1
    """Warm-up: share of the steps over which the learning rate rises linearly from 0."""
    decay: Literal["linear", "constant"] = "linear"
    """Learning-rate schedule after the warm-up."""
    weight_decay: WeightDecay = 0.01
    """Decoupled weight decay; not applied to biases and layer norms."""
    beta1: Beta = 0.9
    """AdamW's beta1."""
    beta2: Beta = 0.999
    """AdamW's beta2."""
    epsilon: Epsilon = 1e-8
    """AdamW's epsilon."""
    clip: Norm | None = 1.0
    """Maximum norm of the whole gradient (clipping); null: no clipping."""
    precision: Literal["fp32", "bf16"] = "fp32"
    """bf16: forward and backward under autocast, weights and optimiser in fp32."""
    teacher_precision: Literal["fp32", "bf16"] = "fp32"
    """Precision of the frozen teacher's weights."""
    dropout: Fraction | None = None
    """Dropout of the trained model everywhere; null: the model's own values."""
    max_length: MaxLength = 128
    """Maximum sequence length in tokens, for corpora (tasks set their own)."""

    @model_validator(mode="after")
    def _one_budget(self) -> Self:
        if (self.epochs is None) == (self.steps is None):
            allowed = "exactly one of epochs and steps"
            if self.epochs is None:
                raise misfit("", "neither epochs nor steps is set", allowed)
            raise misfit("steps", "epochs is set too", allowed)
        if self.batch_size % self.accumulate:
            given = (
                f"accumulate: {self.accumulate} does not divide a batch size of {self.batch_size}"
            )
            raise misfit("accumulate", given, f"a divisor of {self.batch_size}")
        return self


class StageChange(Spec):
    """Overrides of an entry's optimisation for one stage of its method."""

    epochs: Epochs | None = None
    """Its own epochs, instead of its share of the entry's budget."""
    steps: StepCount | None = None
    """Its own optimiser steps; mutually exclusive with `epochs`."""
    learning_rate: LearningRate | None = None
    """Peak learning rate."""
    batch_size: BatchSize | None = None
    """Batch size: sequences per optimiser step."""
    warmup: Fraction | None = None
    """Warm-up: share of the steps over which the learning rate rises."""
    decay: Literal["linear", "constant"] | None = None
    """Learning-rate schedule after the warm-up."""

    @model_validator(mode="after")
    def _one_budget(self) -> Self:
        if self.epochs is not None and self.steps is not None:
            raise misfit("steps", "epochs is set too", "one of epochs and steps, or neither")
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
    """Overrides of an entry's optimisation for one task."""

    epochs: Epochs | None = None
    """Epochs: passes over the task's training set."""
    learning_rate: LearningRate | None = None
    """Peak learning rate."""
    batch_size: BatchSize | None = None
    """Batch size: sequences per optimiser step."""
    stages: Stages = Field(default_factory=dict)
    """Overrides for single stages of the method on this task."""


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
