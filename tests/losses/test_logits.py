"""Losses on logits equal the loops, and obey the laws that distillation rests on."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, Literal

import pytest
import torch
from torch import Tensor

from tests import tiny
from tests.losses.conftest import Case, MakeCase
from tests.reference import losses as reference
from zoo.losses.logits import hard_labels, output_mse, rows, soft_labels
from zoo.tensors.batch import Batch, Layout

SIZES = ((2, 3, 4), (3, 5, 7))
every_layout = pytest.mark.parametrize("layout", list(Layout))
every_size = pytest.mark.parametrize("size", SIZES)
with_padding = pytest.mark.parametrize("layout", [Layout.SPAN, Layout.TOKENS])
distributions = pytest.mark.parametrize("layout", [Layout.CLASSES, Layout.SPAN, Layout.TOKENS])


def gradient(loss: Callable[[Tensor], Tensor], student: Tensor) -> Tensor:
    leaf = student.clone().requires_grad_()
    loss(leaf).backward()
    assert leaf.grad is not None
    return leaf.grad


@every_layout
@every_size
@pytest.mark.parametrize(
    "stated",
    [
        {},
        {"temperature": 2.0, "scaled": True},
        {"temperature": 3.0, "scaled": False},
        {"over": "elements"},
        {"temperature": 2.0, "over": "elements"},
    ],
)
def test_soft_labels_equal_the_loop(
    case: MakeCase, layout: Layout, size: tuple[int, int, int], stated: dict[str, Any]
) -> None:
    """Every layout, odd sizes, double precision, with and without T^2, both means."""
    at = case(layout, size)
    ours = soft_labels(at.student, at.teacher, at.batch, **stated)
    expected = reference.soft_labels(at.student, at.teacher, at.batch, **stated)
    assert ours.dtype is torch.float64
    assert float(ours) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("temperature", [1.0, 5.0])
@pytest.mark.parametrize(("over", "axes"), [("rows", (0,)), ("elements", (0, 1))])
def test_soft_labels_of_classes_are_torchs_divergence(
    case: MakeCase, temperature: float, over: Literal["rows", "elements"], axes: tuple[int, ...]
) -> None:
    """Through kl_div on probabilities: "elements" is the default mean that PKD's code took."""
    at = case(Layout.CLASSES, SIZES[1])
    theirs = torch.softmax(at.teacher / temperature, dim=-1)
    ours = torch.softmax(at.student / temperature, dim=-1).log()
    elements = torch.nn.functional.kl_div(ours, theirs, reduction="none") * temperature**2
    torch.testing.assert_close(
        soft_labels(at.student, at.teacher, at.batch, temperature=temperature, over=over),
        elements.mean(axes).sum(),
    )


@distributions
def test_the_mean_over_elements_is_smaller_by_the_choices_of_a_row(
    case: MakeCase, layout: Layout
) -> None:
    """Classes, pieces, or the 4 + 5 + 3 answerable positions of three rows."""
    at = case(layout, SIZES[1])
    choices = 12 / 3 if layout is Layout.SPAN else 7
    per_row = soft_labels(at.student, at.teacher, at.batch)
    per_element = soft_labels(at.student, at.teacher, at.batch, over="elements")
    assert float(per_row) == pytest.approx(choices * float(per_element))


@every_layout
@every_size
def test_hard_labels_equal_the_loop(
    case: MakeCase, layout: Layout, size: tuple[int, int, int]
) -> None:
    """Cross-entropy or squared error, over what asks for a prediction."""
    at = case(layout, size)
    ours = hard_labels(at.student, at.batch.labels, at.batch)
    assert ours.dtype is torch.float64
    assert float(ours) == pytest.approx(
        reference.hard_labels(at.student, at.batch.labels, at.batch), abs=1e-6
    )


def test_nothing_asked_is_a_zero_that_still_has_a_gradient(case: MakeCase) -> None:
    """A corpus batch without a masked piece trains nothing, and breaks nothing."""
    at = case(Layout.TOKENS, SIZES[0])
    labels = torch.full_like(at.batch.labels, -100)
    assert float(hard_labels(at.student, labels, at.batch)) == 0.0
    assert not gradient(lambda student: hard_labels(student, labels, at.batch), at.student).any()


@every_layout
def test_equal_logits_give_no_loss_and_no_gradient(case: MakeCase, layout: Layout) -> None:
    """A student that is its teacher has nothing to learn."""
    at = case(layout, SIZES[1])
    loss = partial(soft_labels, teacher=at.teacher, batch=at.batch, temperature=2.0)
    assert abs(float(loss(at.teacher))) < 1e-12
    assert float(gradient(loss, at.teacher).abs().max()) < 1e-12


@with_padding
def test_what_stands_in_padding_changes_nothing(case: MakeCase, layout: Layout) -> None:
    """Neither the value nor the gradient knows the logits of padding."""
    at = case(layout, SIZES[1])
    noisy_student, noisy_teacher = at.student.clone(), at.teacher.clone()
    noisy_student[at.padding], noisy_teacher[at.padding] = 77.0, -55.0
    labels = at.batch.labels
    per_element = partial(soft_labels, over="elements", batch=at.batch)
    for before, after in (
        (
            soft_labels(at.student, at.teacher, at.batch),
            soft_labels(noisy_student, noisy_teacher, at.batch),
        ),
        (per_element(at.student, at.teacher), per_element(noisy_student, noisy_teacher)),
        (hard_labels(at.student, labels, at.batch), hard_labels(noisy_student, labels, at.batch)),
    ):
        assert torch.equal(before, after)
    slope = gradient(lambda s: soft_labels(s, at.teacher, at.batch), noisy_student)
    assert not slope[at.padding].any()


def test_soft_labels_of_a_corpus_count_pieces_that_are_not_masked(case: MakeCase) -> None:
    """DistilBERT's invariant 3: its loss is not restricted to masked positions."""
    at = case(Layout.TOKENS, SIZES[1])
    unmasked = (at.batch.labels == -100) & at.batch.real
    changed = at.student.clone()
    changed[unmasked] += torch.arange(7.0, dtype=torch.float64)
    before = soft_labels(at.student, at.teacher, at.batch)
    assert not torch.isclose(before, soft_labels(changed, at.teacher, at.batch))


@distributions
def test_temperature_squared_keeps_the_gradient(case: MakeCase, layout: Layout) -> None:
    """DistilBERT's invariant 4: scaled gradients at T = 50 and T = 100 are nearly equal."""
    at = case(layout, SIZES[1])

    def size(temperature: float, scaled: bool) -> float:
        loss = partial(
            soft_labels,
            teacher=at.teacher,
            batch=at.batch,
            temperature=temperature,
            scaled=scaled,
        )
        return float(gradient(loss, at.student).norm())

    assert size(50.0, True) / size(100.0, True) == pytest.approx(1.0, abs=0.03)
    assert size(50.0, False) / size(100.0, False) == pytest.approx(4.0, rel=0.03)


@every_layout
def test_gradients_are_the_finite_differences(case: MakeCase, layout: Layout) -> None:
    """Both losses, in double precision."""
    at = case(layout, SIZES[0])
    leaf = at.student.clone().requires_grad_()
    soft = partial(soft_labels, teacher=at.teacher, batch=at.batch, temperature=2.0)
    hard = partial(hard_labels, labels=at.batch.labels, batch=at.batch)
    assert torch.autograd.gradcheck(soft, (leaf,))
    assert torch.autograd.gradcheck(partial(soft, over="elements"), (leaf,))
    assert torch.autograd.gradcheck(hard, (leaf,))


@every_layout
def test_the_gradient_reaches_only_the_student(case: MakeCase, layout: Layout) -> None:
    """Even a teacher that asks for gradients gets none."""
    at = case(layout, SIZES[0])
    student, teacher = at.student.clone().requires_grad_(), at.teacher.clone().requires_grad_()
    soft_labels(student, teacher, at.batch).backward()
    assert student.grad is not None
    assert student.grad.any()
    assert teacher.grad is None


@every_layout
def test_half_precision_inputs_lose_only_their_own_rounding(case: MakeCase, layout: Layout) -> None:
    """bf16 logits: the loss of the rounded logits to 1e-5, of the exact ones to 3 %."""
    at = case(layout, SIZES[1])
    student, teacher = at.student.bfloat16(), at.teacher.bfloat16()
    loss = float(soft_labels(student, teacher, at.batch))
    rounded = float(soft_labels(student.double(), teacher.double(), at.batch))
    exact = float(soft_labels(at.student, at.teacher, at.batch))
    assert soft_labels(student, teacher, at.batch).dtype is torch.float32
    assert loss == pytest.approx(rounded, rel=1e-5)
    assert loss == pytest.approx(exact, rel=0.03)
    hard = float(hard_labels(student, at.batch.labels, at.batch))
    assert hard == pytest.approx(
        float(hard_labels(at.student, at.batch.labels, at.batch)), rel=0.03
    )


def test_rows_are_one_distribution_each(case: MakeCase) -> None:
    """Classes as they are; starts before ends; real tokens only."""
    assert rows(*_logits(case(Layout.CLASSES, SIZES[1]))).shape == (3, 7)
    assert rows(*_logits(case(Layout.SPAN, SIZES[1]))).shape == (6, 5)
    assert rows(*_logits(case(Layout.TOKENS, SIZES[1]))).shape == (13, 7)
    span = case(Layout.SPAN, SIZES[1])
    assert rows(span.student, span.batch)[3, 0] == span.student[0, 0, 1]


def test_without_answerable_positions_stated_all_real_ones_are(case: MakeCase) -> None:
    """A span batch without the mask falls back to padding alone."""
    at = case(Layout.SPAN, SIZES[0])
    batch = replace(at.batch, answerable=None)
    stated = replace(at.batch, answerable=at.batch.real)
    assert torch.equal(rows(at.student, batch), rows(at.student, stated))


def _logits(at: Case) -> tuple[Tensor, Batch]:
    return at.student, at.batch


def test_outputs_are_drawn_together_by_their_squared_difference() -> None:
    """Numbers have no distribution: the loss is the plain mean, and carries no teacher gradient."""
    student = torch.tensor([[1.0], [2.0], [4.0]], requires_grad=True)
    teacher = torch.tensor([[2.0], [2.0], [1.0]], requires_grad=True)
    found = output_mse(student, teacher, tiny.batch(Layout.VALUE, rows=3))
    found.backward()
    assert float(found.detach()) == pytest.approx(10.0 / 3)
    torch.testing.assert_close(student.grad, torch.tensor([[-2.0], [0.0], [6.0]]) / 3)
    assert teacher.grad is None
