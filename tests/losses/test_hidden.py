"""The cosine of hidden states equals the loop and sees neither padding nor length."""

import pytest
import torch

from tests.losses.conftest import MakeCase
from tests.reference import losses as reference
from zoo.losses.batch import Layout
from zoo.losses.hidden import token_cosine

SIZES = ((2, 3, 4), (3, 5, 7))


@pytest.mark.parametrize("size", SIZES)
def test_equals_the_loop(case: MakeCase, size: tuple[int, int, int]) -> None:
    """Odd sizes, double precision, one row padded."""
    at = case(Layout.TOKENS, size)
    ours = token_cosine(at.student, at.teacher, at.batch)
    assert ours.dtype is torch.float64
    assert float(ours) == pytest.approx(
        reference.token_cosine(at.student, at.teacher, at.batch), abs=1e-6
    )


@pytest.mark.parametrize("scale", [1.0, 3.5])
def test_scaled_copies_are_no_loss(case: MakeCase, scale: float) -> None:
    """DistilBERT's invariant 2: only directions count; value and gradient are zero."""
    at = case(Layout.TOKENS, SIZES[1])
    student = (scale * at.teacher).requires_grad_()
    loss = token_cosine(student, at.teacher, at.batch)
    loss.backward()
    assert abs(float(loss.detach())) < 1e-12
    assert student.grad is not None
    assert float(student.grad.abs().max()) < 1e-12


def test_padding_changes_nothing(case: MakeCase) -> None:
    """Whatever stands at padding, the value stays and its gradient is zero."""
    at = case(Layout.TOKENS, SIZES[1])
    noisy, other = at.student.clone(), at.teacher.clone()
    noisy[at.padding], other[at.padding] = 9.0, -4.0
    noisy.requires_grad_()
    loss = token_cosine(noisy, other, at.batch)
    assert torch.equal(loss, token_cosine(at.student, at.teacher, at.batch))
    loss.backward()
    assert noisy.grad is not None
    assert not noisy.grad[at.padding].any()


def test_gradient_is_the_finite_difference_and_only_the_students(case: MakeCase) -> None:
    """In double precision; a teacher that asks for a gradient gets none."""
    at = case(Layout.TOKENS, SIZES[0])
    student, teacher = at.student.clone().requires_grad_(), at.teacher.clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda s: token_cosine(s, at.teacher, at.batch), (student,))
    token_cosine(student, teacher, at.batch).backward()
    assert teacher.grad is None


def test_half_precision_is_close(case: MakeCase) -> None:
    """bf16 states give the loss to 1 %."""
    at = case(Layout.TOKENS, SIZES[1])
    half = token_cosine(at.student.bfloat16(), at.teacher.bfloat16(), at.batch)
    assert half.dtype is torch.float32
    assert float(half) == pytest.approx(
        float(token_cosine(at.student, at.teacher, at.batch)), rel=0.01
    )
