"""What a budget decides: a window and a pull that bring the student to its size in time."""

import pytest
import torch
from torch import nn
from torch.optim import AdamW

from tests.compact.test_schedule import BASE, scheduled
from zoo.compact.fuse import Fuse, Fusing, MaskedParameter, Penalty
from zoo.compact.pace import NEAR_ZERO, fading, pull_within, window_within
from zoo.compact.schedule import Schedule
from zoo.distil.budget import Budget
from zoo.spec.optimise import Optimise

CODE = Optimise(steps=400_000, learning_rate=5e-5, warmup=0.01, epsilon=1e-6)
every_fuse = pytest.mark.parametrize(
    "fuse",
    [
        Fuse(mode, penalty)
        for mode in ("reference", "decoupled")
        for penalty in ("l2", "group_lasso")
    ],
    ids=str,
)


def fitted(fuse: Fuse, schedule: Schedule, optimise: Optimise) -> tuple[Fuse, Schedule, Budget]:
    """All that is left to the budget decided by it."""
    assert optimise.steps is not None
    budget = Budget(optimise, optimise.steps)
    short = window_within(schedule, budget.steps)
    return pull_within(fuse, short, budget, free=True), short, budget


@pytest.mark.parametrize("hidden", [192, 516])
@every_fuse
def test_the_published_budget_gets_the_published_settings(hidden: int, fuse: Fuse) -> None:
    """400,000 steps: the command's window of 500, and neither 20 nor 40 is changed."""
    pull, schedule, _ = fitted(fuse, scheduled(BASE, hidden), CODE)
    assert schedule.window == 500
    assert pull == fuse


@every_fuse
@pytest.mark.parametrize("strategy", ["dim", "head"])
@pytest.mark.parametrize("steps", [60, 240, 562, 3000])
@pytest.mark.parametrize("rate", [1e-4, 1e-3, 4e-3])
def test_every_budget_is_reached(fuse: Fuse, strategy: str, steps: int, rate: float) -> None:
    """Whatever the steps and the learning rate: chosen early, and gone before the last step."""
    optimise = Optimise(steps=steps, learning_rate=rate, warmup=0.05)
    schedule = scheduled(BASE, 192, strategy)
    pull, short, budget = fitted(fuse, schedule, optimise)
    assert short.full_step <= max(0.4 * steps, short.updates)
    fade = fading(pull, short, budget)
    assert fade.left < NEAR_ZERO
    assert fade.step is not None
    assert short.full_step < fade.step <= steps


def test_what_is_stated_stays() -> None:
    """A pull that is not free is the stated one, however few the steps."""
    schedule, budget = window_within(scheduled(BASE, 192), 240), Budget(CODE, 240)
    assert pull_within(Fuse(), schedule, budget, free=False) == Fuse()
    assert pull_within(Fuse(), schedule, budget, free=True).strength > 20.0


@pytest.mark.parametrize("mode", ["reference", "decoupled"])
@pytest.mark.parametrize("penalty", ["l2", "group_lasso"])
@pytest.mark.parametrize("beta2", [0.98, 0.999])
def test_the_followed_entry_is_that_of_a_training(
    mode: Fusing, penalty: Penalty, beta2: float
) -> None:
    """The same step, and the same rest, as torch's AdamW after the fuse's own edits."""
    optimise = Optimise(steps=300, learning_rate=2e-3, warmup=0.1, epsilon=1e-6, beta2=beta2)
    fuse, schedule, budget = fitted(Fuse(mode, penalty), scheduled(BASE, 192), optimise)
    expected = fading(fuse, schedule, budget)
    parameter = nn.Parameter(torch.ones(1, 1, dtype=torch.float64))
    optimiser = AdamW([parameter], betas=(0.9, beta2), eps=1e-6, weight_decay=0.01)
    entries = []
    for step in range(1, budget.steps + 1):
        optimiser.param_groups[0]["lr"] = budget.rate(step)
        parameter.grad = torch.zeros_like(parameter)
        pieces = [MaskedParameter(parameter, torch.tensor([step < schedule.full_step]), 0)]
        if step <= schedule.window:
            fuse.before_masks(pieces)
        else:
            fuse.with_masks(pieces, optimiser)
        optimiser.step()
        entries.append(abs(float(parameter.detach())))
    late = [step for step, entry in enumerate(entries, start=1) if entry >= NEAR_ZERO]
    assert expected.step == late[-1] + 1
    shown = expected.step + 200
    rest = entries[shown - 1] if shown <= budget.steps else entries[-1]
    assert expected.left == pytest.approx(rest, rel=1e-3, abs=1e-6)


def test_nothing_to_cut_is_reached_at_once() -> None:
    """A student of the teacher's shape needs neither window nor pull."""
    pull, schedule, budget = fitted(Fuse(), scheduled(BASE, 768), CODE)
    assert (pull, schedule.window, schedule.full_step) == (Fuse(), 500, 0)
    assert fading(pull, schedule, budget).step == 0
