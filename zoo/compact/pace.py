"""Window and pull as a budget needs them, and when pruned entries are gone (docs/methods).

All of it follows one entry of 1, as the identity's are, that no task moves.
"""

import math
from dataclasses import dataclass, replace
from functools import lru_cache

from zoo.compact.fuse import TINY, Fuse
from zoo.compact.schedule import Schedule
from zoo.distil.budget import Budget

NEAR_ZERO = 0.1
"""What is left of pruned rows and columns, beside those kept, when they count as gone."""

_CHOSEN, _GONE = 0.4, 0.9
"""Shares of the steps: when the student's size is chosen, and when its last entries are gone."""
_SETTLED = 200
"""Steps after which an entry that is gone does not come back."""
_WALK = 1.2
"""How far the pull of `reference` must carry: 1, and Adam's slowing down on the way."""
_FOLDS = math.log(100.0)
"""How often a decoupled entry must fall by e to be a hundredth."""


def window_within(schedule: Schedule, steps: int) -> Schedule:
    """The schedule with a window that is no longer than its own, and short enough for the steps."""
    longest = int(_CHOSEN * steps) // max(1, schedule.updates)
    return replace(schedule, window=max(1, min(schedule.window, longest)))


def pull_within(fuse: Fuse, schedule: Schedule, budget: Budget, *, free: bool) -> Fuse:
    """The fuse with a pull no weaker than its own, and strong enough for the budget if `free`.

    With S the sum of the learning rates between the two shares of the steps, and b1 AdamW's beta1:
    a decoupled entry falls as exp(-decay S), or with `group_lasso` by decay S; one of `reference`
    walks (b1 (strength - 1) + 1) / (1 + b1) S, which is its first moment's steady state.
    """
    if not free or not schedule.updates:
        return fuse
    beta = budget.optimise.beta1
    if fuse.mode == "decoupled":
        far, pull = _FOLDS if fuse.penalty == "l2" else 1.0, fuse.decay
    else:
        far, pull = _WALK, (beta * (fuse.strength - 1.0) + 1.0) / (1.0 + beta)
    rates = _rates(budget, schedule.full_step, far / pull)
    if not 0.0 < rates < far / pull:
        return fuse
    if fuse.mode == "decoupled":
        return replace(fuse, decay=far / rates)
    # Without a first moment the edit is forgotten at once: no strength pulls harder.
    return replace(fuse, strength=1.0 + (far / rates * (1.0 + beta) - 1.0) / beta) if beta else fuse


def _rates(budget: Budget, after: int, enough: float) -> float:
    """The sum of the learning rates between the two shares of the steps, or enough of it."""
    total = 0.0
    for step in range(after + 1, max(after + 1, int(_GONE * budget.steps)) + 1):
        if total >= enough or step > budget.steps:
            break
        total += budget.rate(step)
    return total


@dataclass(frozen=True)
class Fading:
    """What becomes of an entry that is pruned when the student's size is reached."""

    step: int | None
    """When it is gone for good; None where it is not by the last step."""
    left: float
    """What is left of it after the last step."""


@lru_cache(maxsize=64)
def fading(fuse: Fuse, schedule: Schedule, budget: Budget) -> Fading:
    """Follow a unit entry through the budget, step by step."""
    if not schedule.updates:
        return Fading(0, 0.0)
    entry = _Entry(fuse, budget)
    full_step, gone = schedule.full_step, None
    for step in range(1, budget.steps + 1):
        drawn = step <= schedule.window
        pruned = step >= full_step and not drawn
        entry.step(step, drawn=drawn, pruned=pruned)
        # Momentum may carry an entry through 0 and out again: it is gone only once it stays.
        if not pruned or abs(entry.value) >= NEAR_ZERO:
            gone = None
        elif gone is None:
            gone = step
        elif step - gone >= _SETTLED:
            break
    return Fading(gone, abs(entry.value))


@dataclass
class _Entry:
    """An entry under AdamW and a fuse's edits; where it is kept, no task moves it."""

    fuse: Fuse
    budget: Budget
    value: float = 1.0
    first: float = 0.0
    second: float = 0.0

    def step(self, step: int, *, drawn: bool, pruned: bool) -> None:
        """One step: `drawn` before the first mask, `pruned` from its own mask on."""
        optimise, rate = self.budget.optimise, self.budget.rate(step)
        if self.fuse.mode == "decoupled":
            if pruned:
                size = 1.0 if self.fuse.penalty == "l2" else max(abs(self.value), TINY)
                self.value *= max(0.0, 1.0 - rate * self.fuse.decay / size)
            self.value *= 1.0 - rate * optimise.weight_decay
            return
        penalty = self.value
        if self.fuse.penalty == "group_lasso":
            penalty = math.copysign(1.0, self.value)
        strength, gradient = self.fuse.strength, penalty if drawn else 0.0
        if strength > 1.0 and not drawn:
            push = (strength - 1.0) * penalty if pruned else 0.0
            self.first += (1.0 - optimise.beta1) * (push - self.first)
        if pruned:
            gradient = min(strength, 1.0) * penalty
        self.first += (1.0 - optimise.beta1) * (gradient - self.first)
        self.second += (1.0 - optimise.beta2) * (gradient * gradient - self.second)
        first = self.first / (1.0 - optimise.beta1**step)
        second = self.second / (1.0 - optimise.beta2**step)
        self.value *= 1.0 - rate * optimise.weight_decay
        self.value -= rate * first / (math.sqrt(second) + optimise.epsilon)
