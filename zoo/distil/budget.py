"""How much training a stage gets: its steps, and the learning rate at each of them."""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from zoo.distil.stage import Stage
from zoo.spec.optimise import Optimise, Stages, changed


class Budget(NamedTuple):
    """A stage's optimisation and its number of steps."""

    optimise: Optimise
    steps: int

    def rate(self, step: int) -> float:
        """The learning rate of a step (from 1): linear warm-up, then linear decay or constant."""
        optimise, steps = self.optimise, self.steps
        warmup = int(optimise.warmup * steps)
        if step <= warmup:
            return optimise.learning_rate * step / warmup
        if optimise.decay == "constant":
            return optimise.learning_rate
        return optimise.learning_rate * (steps - step + 1) / (steps - warmup)


def budget_of(
    optimise: Optimise, share: float, batches_per_epoch: int | None = None
) -> Budget | None:
    """The budget that a share of an optimisation is; None for epochs of an unknown length."""
    whole: float | None = optimise.steps
    if whole is None and batches_per_epoch is not None:
        assert optimise.epochs is not None
        whole = optimise.epochs * batches_per_epoch
    return None if whole is None else Budget(optimise, max(1, round(whole * share)))


def apportioned(
    stages: Sequence[Stage], optimise: Optimise, changes: Stages
) -> list[tuple[Stage, Optimise]]:
    """Stages with what they state themselves, or their share of what the entry states."""
    stated = {name for name, change in changes.items() if change.has_budget}
    sharing = sum(stage.share for stage in stages if stage.name not in stated)
    return [
        (
            replace(stage, share=1.0 if stage.name in stated else stage.share / sharing),
            changed(optimise, changes.get(stage.name)),
        )
        for stage in stages
    ]
