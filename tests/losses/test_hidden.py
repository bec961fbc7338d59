"""Losses on hidden states: what each one looks at, and what it leaves alone."""

from functools import partial

import pytest
import torch

from tests.losses.table import Subject, sides
from zoo.losses.hidden import first_cosine, first_mse, hidden_mse, token_cosine

STATES = Subject(hidden_mse, ("S", 6), ("S", 6))
SIZE = (3, 5)


@pytest.mark.parametrize("loss", [token_cosine, first_cosine, first_mse])
@pytest.mark.parametrize("scale", [1.0, 3.5])
def test_scaled_copies_are_no_loss(loss: partial[torch.Tensor], scale: float) -> None:
    """DistilBERT's and Aguilar's invariant 2, PKD's PT: only directions count."""
    at = sides(STATES, SIZE)
    student = (scale * at.teacher).requires_grad_()
    value = loss(student, at.teacher, at.batch)
    value.backward()
    assert abs(float(value.detach())) < 1e-12
    assert student.grad is not None
    assert float(student.grad.abs().max()) < 1e-12


def test_lengths_count_where_vectors_are_not_normalised() -> None:
    """PKD's grid has both; the mean is over the batch and the width."""
    at = sides(STATES, SIZE)
    twice = first_mse(2.0 * at.teacher, at.teacher, at.batch, normalise=False)
    torch.testing.assert_close(twice, at.teacher[:, 0].square().mean())


@pytest.mark.parametrize("loss", [first_cosine, first_mse, partial(first_mse, normalise=False)])
def test_only_the_first_token_counts(loss: partial[torch.Tensor]) -> None:
    """[CLS] stands for the whole; the other tokens may be anything."""
    at = sides(STATES, SIZE)
    changed, moved = at.student.clone(), at.student.clone()
    changed[:, 1:] += 5.0
    moved[-1, 0] += torch.arange(6.0, dtype=torch.float64)
    before = loss(at.student, at.teacher, at.batch)
    assert torch.equal(before, loss(changed, at.teacher, at.batch))
    assert not torch.isclose(before, loss(moved, at.teacher, at.batch))


@pytest.mark.parametrize("side", ["student", "teacher"])
def test_a_first_vector_of_zeros_is_not_a_nan(side: str) -> None:
    """It stays zeros, so that the loss is the other's mean square, 1 / H."""
    at = sides(STATES, SIZE)
    states = {"student": at.student.float(), "teacher": at.teacher.float()}
    states[side] = torch.zeros_like(states[side])
    student = states["student"].clone().requires_grad_()
    loss = first_mse(student, states["teacher"], at.batch)
    loss.backward()
    assert float(loss.detach()) == pytest.approx(1 / 6)
    assert student.grad is not None
    assert student.grad.isfinite().all()


def test_padding_counts_only_where_that_is_asked() -> None:
    """TinyBERT's code has padding in its mean; by default it is left out of sum and number."""
    at = sides(STATES, SIZE)
    off_by_one = at.teacher + at.batch.real[:, :, None]
    assert float(hidden_mse(off_by_one, at.teacher, at.batch)) == pytest.approx(1.0)
    counted = hidden_mse(off_by_one, at.teacher, at.batch, padding="counted")
    assert float(counted) == pytest.approx(12 / 15)
    off_in_padding = at.teacher + ~at.batch.real[:, :, None]
    assert float(hidden_mse(off_in_padding, at.teacher, at.batch)) == 0.0
    counted = hidden_mse(off_in_padding, at.teacher, at.batch, padding="counted")
    assert float(counted) == pytest.approx(3 / 15)
