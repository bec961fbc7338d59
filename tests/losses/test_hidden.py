"""Losses on hidden states: what each one looks at, and what it leaves alone."""

from functools import partial

import pytest
import torch

from tests.losses.table import Subject, sides
from zoo.losses.hidden import (
    first_cosine,
    first_mse,
    hidden_mse,
    layer_attention,
    mixture_mse,
    token_cosine,
)

STATES = Subject(hidden_mse, ("S", 6), ("S", 6))
LAYERS = Subject(mixture_mse, ("S", 6), (4, "S", 6))
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


@pytest.mark.parametrize("scale_scores", [True, False])
def test_attention_over_layers_is_a_mean(scale_scores: bool) -> None:
    """Weights are positive and in all 1, one set for every sample; a scale makes them milder."""
    at = sides(LAYERS, SIZE)
    shares = layer_attention(at.student[:, 0], at.teacher[:, :, 0], scale_scores=scale_scores)
    assert shares.shape == (3, 4)
    assert bool((shares > 0).all())
    torch.testing.assert_close(shares.sum(-1), torch.ones(3, dtype=torch.float64))
    assert not torch.allclose(shares[0], shares[1])
    plain = layer_attention(at.student[:, 0], at.teacher[:, :, 0], scale_scores=False)
    assert bool((shares.max(-1).values <= plain.max(-1).values).all())


def test_the_layer_that_points_the_same_way_weighs_most() -> None:
    """Attention is by dot product: far along the student's vector, one layer is the mixture."""
    at = sides(LAYERS, SIZE)
    teacher = at.teacher.clone()
    teacher[:, 2, 0] = 100.0 * at.student[:, 0]
    shares = layer_attention(at.student[:, 0], teacher[:, :, 0], scale_scores=False)
    assert shares.argmax(-1).tolist() == [2, 2, 2]
    assert float(mixture_mse(at.student, teacher, at.batch)) < 1e-6


@pytest.mark.parametrize("normalise", [True, False])
@pytest.mark.parametrize("scale_scores", [True, False])
def test_one_layer_is_patience(normalise: bool, scale_scores: bool) -> None:
    """A bucket of one is PKD's loss with that layer, its gradient too."""
    at = sides(LAYERS, SIZE)
    gradients = []
    for loss, teacher in (
        (partial(mixture_mse, scale_scores=scale_scores), at.teacher[:, 1:2]),
        (first_mse, at.teacher[:, 1]),
    ):
        student = at.student.clone().requires_grad_()
        loss(student, teacher, at.batch, normalise=normalise).backward()
        gradients.append(student.grad)
    torch.testing.assert_close(*gradients)


def test_layers_that_are_alike_are_one() -> None:
    """However many, and in whatever order layers stand."""
    at = sides(LAYERS, SIZE)
    same = at.teacher[:, :1].expand(-1, 4, -1, -1)
    expected = first_mse(at.student, at.teacher[:, 0], at.batch)
    torch.testing.assert_close(mixture_mse(at.student, same, at.batch), expected)
    before = mixture_mse(at.student, at.teacher, at.batch)
    torch.testing.assert_close(mixture_mse(at.student, at.teacher.flip(1), at.batch), before)


def test_only_the_first_tokens_of_layers_are_mixed() -> None:
    """On either side."""
    at = sides(LAYERS, SIZE)
    student, teacher = at.student.clone(), at.teacher.clone()
    student[:, 1:] += 5.0
    teacher[:, :, 1:] -= 3.0
    before = mixture_mse(at.student, at.teacher, at.batch)
    assert torch.equal(before, mixture_mse(student, teacher, at.batch))
