"""Contrast by label: who attracts whom, and what it does where labels do not differ."""

from dataclasses import replace

import pytest
import torch

from tests.losses.table import Sides, Subject, sides
from zoo.losses.contrast import label_contrast
from zoo.tensors.batch import Layout

STATES = Subject(label_contrast, ("S", 6), ("S", 6))
SIZE = (5, 6)


def labelled(*labels: int) -> Sides:
    at = sides(STATES, SIZE)
    return replace(at, batch=replace(at.batch, labels=torch.tensor(labels)))


def test_with_all_labels_different_only_the_counterpart_attracts() -> None:
    """MLKD-BERT's invariant 6, first half: it is the cross-entropy of finding the counterpart."""
    at = labelled(4, 0, 3, 1, 2)
    both = torch.nn.functional.normalize(torch.cat([at.student[:, 0], at.teacher[:, 0]]), dim=-1)
    similar = (both @ both.T / 0.1).fill_diagonal_(-torch.inf)
    counterparts = torch.arange(10).roll(5)
    torch.testing.assert_close(
        label_contrast(at.student, at.teacher, at.batch),
        torch.nn.functional.cross_entropy(similar, counterparts),
    )


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_one_class_is_finite(dtype: torch.dtype) -> None:
    """MLKD-BERT's invariant 6, second half: everything attracts, nothing is divided by 0."""
    at = labelled(1, 1, 1, 1, 1)
    student = at.student.to(dtype).requires_grad_()
    loss = label_contrast(student, at.teacher.to(dtype), at.batch)
    loss.backward()
    assert student.grad is not None
    assert loss.isfinite()
    assert student.grad.isfinite().all()


def test_descent_brings_one_label_together() -> None:
    """After a few steps examples are nearer to those of their label than to the others."""
    at = labelled(0, 1, 0, 1, 0)
    student = at.student.clone().requires_grad_()
    for _ in range(200):
        (slope,) = torch.autograd.grad(label_contrast(student, at.teacher, at.batch), student)
        student = (student - 0.1 * slope).detach().requires_grad_()
    directions = torch.nn.functional.normalize(student.detach()[:, 0], dim=-1)
    nearness = directions @ directions.T
    same = at.batch.labels[:, None] == at.batch.labels[None, :]
    assert nearness[same].mean() > nearness[~same].mean() + 0.5


def test_only_directions_of_the_first_tokens_count() -> None:
    """Vectors are brought to length 1, and [CLS] stands for the whole."""
    at = labelled(0, 1, 0, 1, 0)
    before = label_contrast(at.student, at.teacher, at.batch)
    longer = 3.0 * at.student
    longer[:, 1:] = 8.0
    torch.testing.assert_close(label_contrast(longer, 0.5 * at.teacher, at.batch), before)


def test_the_batch_has_no_order_and_the_classes_no_names() -> None:
    """Another order of the examples, or other numbers for the same classes, is the same batch."""
    at, order = labelled(0, 1, 0, 2, 1), [4, 2, 0, 1, 3]
    before = float(label_contrast(at.student, at.teacher, at.batch))
    mixed = replace(at.batch, labels=at.batch.labels[order])
    after = label_contrast(at.student[order], at.teacher[order], mixed)
    assert float(after) == pytest.approx(before, rel=1e-12)
    renamed = replace(at.batch, labels=torch.tensor([7, 5, 7, 6, 5]))
    assert float(label_contrast(at.student, at.teacher, renamed)) == before


@pytest.mark.parametrize("layout", [Layout.VALUE, Layout.SPAN, Layout.TOKENS])
def test_labels_that_are_no_classes_are_refused(layout: Layout) -> None:
    """A number, a span or a piece does not say which examples belong together."""
    at = labelled(0, 1, 0, 1, 0)
    with pytest.raises(ValueError, match=f"needs classes, and the labels are a {layout}"):
        label_contrast(at.student, at.teacher, replace(at.batch, layout=layout))
