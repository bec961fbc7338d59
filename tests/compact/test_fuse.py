"""The gradient edit: entry by entry as the equations say, and as fast as the paper's code."""

import math
from collections.abc import Iterator

import pytest
import torch
from torch import nn
from torch.optim import AdamW

from tests.reference.compact import decay_steps, edited, readme_rate
from zoo.compact.fuse import Fuse, MaskedParameter

KEPT = torch.tensor([True, False, True, False])
LIMITS = (0.1, 1e-3, 1e-4)


def stepped(*shape: int) -> tuple[nn.Parameter, AdamW]:
    """A parameter behind one step of its optimiser, with a gradient for the next."""
    torch.manual_seed(2)
    parameter = nn.Parameter(torch.randn(shape))
    optimiser = AdamW([parameter], lr=0.01, fused=True)
    parameter.grad = torch.randn(shape)
    optimiser.step()
    parameter.grad = torch.randn(shape)
    return parameter, optimiser


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("strength", [0.5, 1.0, 20.0])
def test_the_reference_mode_is_the_loop_version(axis: int, strength: float) -> None:
    """Gradient and first moment, on rows and on columns; the weight stays."""
    parameter, optimiser = stepped(4, 4)
    moment = optimiser.state[parameter]["exp_avg"]
    weight, gradient = parameter.detach().clone(), parameter.grad
    assert gradient is not None
    expected = edited(
        weight.tolist(), gradient.tolist(), moment.tolist(), KEPT.tolist(), axis, strength
    )
    Fuse(strength=strength).with_masks([MaskedParameter(parameter, KEPT, axis)], optimiser)
    for ours, theirs in zip((gradient, moment), expected, strict=True):
        assert torch.allclose(ours, torch.tensor(theirs), atol=1e-6)
    assert torch.equal(parameter, weight)


def test_before_the_first_mask_the_whole_compactor_is_drawn() -> None:
    """Invariant 5: gradient after - before == W for compactors, 0 elsewhere, whatever lambda is."""
    (matrix, _), (vector, _) = stepped(4, 4), stepped(4)
    before = [parameter.grad.clone() for parameter in (matrix, vector)]
    pieces = [MaskedParameter(matrix, KEPT, 1), MaskedParameter(vector, KEPT, 0)]
    Fuse(strength=7.0).before_masks(pieces)
    assert torch.equal(matrix.grad, before[0] + matrix.detach())
    assert torch.equal(vector.grad, before[1])
    Fuse("decoupled").before_masks(pieces)
    assert torch.equal(matrix.grad, before[0] + matrix.detach())


@pytest.mark.parametrize("mode", ["reference", "decoupled"])
@pytest.mark.parametrize("penalty", ["l2", "group_lasso"])
def test_kept_gradients_stay_and_pruned_ones_know_no_batch(mode: str, penalty: str) -> None:
    """Invariant 6: bit for bit, and equal for any two batches."""
    found = []
    for seed in (1, 2):
        parameter, optimiser = stepped(4, 3)
        parameter.grad = torch.randn(4, 3, generator=torch.Generator().manual_seed(seed))
        before = parameter.grad.clone()
        Fuse(mode, penalty).with_masks([MaskedParameter(parameter, KEPT, 0)], optimiser)
        assert torch.equal(parameter.grad[KEPT], before[KEPT])
        found.append(parameter.grad[~KEPT])
    assert torch.equal(*found)
    assert (found[0] == 0).all() == (mode == "decoupled")


@pytest.mark.parametrize(("axis", "dim"), [(0, 1), (1, 0)])
def test_group_lasso_draws_along_what_is_pruned(axis: int, dim: int) -> None:
    """W / ||W||: unit rows of right compactors, unit columns of left ones, signs of vectors."""
    parameter, optimiser = stepped(4, 4)
    Fuse(penalty="group_lasso", strength=0.5).with_masks(
        [MaskedParameter(parameter, KEPT, axis)], optimiser
    )
    pruned = parameter.grad.movedim(axis, 0)[~KEPT]
    weight = parameter.detach().movedim(axis, 0)[~KEPT]
    assert torch.allclose(pruned, 0.5 * weight / weight.norm(dim=1, keepdim=True))
    assert dim == 1 - axis
    vector, optimiser = stepped(4)
    Fuse(penalty="group_lasso", strength=1.0).with_masks(
        [MaskedParameter(vector, KEPT, 0)], optimiser
    )
    assert torch.equal(vector.grad[~KEPT], vector.detach().sign()[~KEPT])


def test_decoupled_entries_decay_by_themselves() -> None:
    """Neither gradient nor moment moves them; kept entries take Adam's ordinary step."""
    (ours, optimiser), (plain, ordinary) = stepped(4, 4), stepped(4, 4)
    before = ours.detach().clone()
    Fuse("decoupled", decay=3.0).with_masks([MaskedParameter(ours, KEPT, 0)], optimiser)
    for group in (*optimiser.param_groups, *ordinary.param_groups):
        group["weight_decay"] = 0.0
    optimiser.step()
    ordinary.step()
    assert torch.allclose(ours[~KEPT], before[~KEPT] * (1 - 0.01 * 3.0), atol=1e-7)
    assert torch.equal(ours[KEPT], plain[KEPT])


def test_decoupled_group_lasso_reaches_zero_and_stays() -> None:
    """A step is never longer than what is left."""
    parameter, optimiser = stepped(4, 4)
    for _ in range(12):
        Fuse("decoupled", "group_lasso", decay=30.0).with_masks(
            [MaskedParameter(parameter, KEPT, 1)], optimiser
        )
    assert (parameter[:, ~KEPT] == 0).all()
    assert (parameter[:, KEPT] != 0).all()


def test_what_has_no_gradient_is_left_alone() -> None:
    """A frozen bias has neither gradient nor moments."""
    parameter, optimiser = stepped(4)
    before = parameter.detach().clone()
    parameter.grad = None
    for mode in ("reference", "decoupled"):
        Fuse(mode).before_masks([MaskedParameter(parameter, KEPT, 0)])
        Fuse(mode).with_masks([MaskedParameter(parameter, KEPT, 0)], optimiser)
    assert parameter.grad is None
    assert torch.equal(parameter, before)


def test_the_published_decay() -> None:
    """A unit entry falls below 0.1, 1e-3 and 1e-4 when methods.md 2.4 says, if Adam is the code's.

    torch corrects Adam's bias, the code's Adam does not: with correction all come 150 to 160 later.
    """
    assert decay_steps(20.0, LIMITS, 8000, corrected=False)[0] == dict(
        zip(LIMITS, (4833, 6859, 7410), strict=True)
    )
    found, left = decay_steps(1.0, LIMITS, 20_000, corrected=False)
    assert not found
    assert left == pytest.approx(0.18, abs=0.005)
    assert decay_steps(20.0, LIMITS, 8000, corrected=True)[0] == dict(
        zip(LIMITS, (4983, 7017, 7569), strict=True)
    )


def test_our_decay_is_the_published_one() -> None:
    """The edit and torch's AdamW together, against the loop version with bias correction."""
    expected = decay_steps(20.0, LIMITS, 8000, corrected=True)[0]
    found: dict[float, int] = {}
    for step, entry in enumerate(entries(Fuse(), steps=7600), start=1):
        for limit in LIMITS:
            if entry < limit:
                found.setdefault(limit, step)
    assert found.keys() == expected.keys()
    assert all(abs(found[limit] - expected[limit]) <= 2 for limit in LIMITS), found


def test_decoupled_decay_is_about_as_fast() -> None:
    """c = 40 brings 1 to 1e-4 in about 5,000 steps at 5e-5."""
    steps = math.log(1e-4) / math.log(1 - 5e-5 * Fuse("decoupled").decay)
    assert steps == pytest.approx(4600, rel=0.01)


def entries(fuse: Fuse, steps: int) -> Iterator[float]:
    """The first entry of an identity compactor whose first row is pruned, under README's rates."""
    parameter = nn.Parameter(torch.ones(1, 1))
    pieces = [MaskedParameter(parameter, torch.tensor([False]), 0)]
    optimiser = AdamW([parameter], eps=1e-6, weight_decay=0.01, fused=True)
    for step in range(1, steps + 1):
        optimiser.param_groups[0]["lr"] = readme_rate(step)
        parameter.grad = torch.zeros(1, 1)
        if step <= 500:
            fuse.before_masks(pieces)
        else:
            fuse.with_masks(pieces, optimiser)
        optimiser.step()
        yield float(parameter.detach())
