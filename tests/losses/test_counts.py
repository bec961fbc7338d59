"""Parts of a batch, each with its share of what a loss is a mean over, make up all of it."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest
import torch
from torch import Tensor

from tests import tiny
from zoo.losses.attention import attention_kl, attention_mse
from zoo.losses.counts import COUNTS, portion
from zoo.losses.hidden import first_cosine, first_mse, hidden_mse, mixture_mse, token_cosine
from zoo.losses.logits import hard_labels, output_mse, soft_labels
from zoo.losses.relations import relation_kl
from zoo.tensors.batch import Batch, Layout
from zoo.training.trainee import rows_of

B, S = 5, 9
STATES, SCORES, LAYERS = (B, S, 8), (B, 2, S, S), (B, 3, S, 8)
CLASSES, VALUE, SPAN, TOKENS = (B, 3), (B, 1), (B, S, 2), (B, S, 11)
SHAPES = {
    Layout.CLASSES: CLASSES,
    Layout.VALUE: VALUE,
    Layout.SPAN: SPAN,
    Layout.TOKENS: TOKENS,
}
ON_LAYERS = (
    (attention_kl, SCORES),
    (partial(attention_kl, mean="samples"), SCORES),
    (attention_mse, SCORES),
    (partial(attention_mse, padding="counted"), SCORES),
    (first_cosine, STATES),
    (first_mse, STATES),
    (hidden_mse, STATES),
    (partial(hidden_mse, padding="counted"), STATES),
    (relation_kl, STATES),
    (partial(relation_kl, mean="samples"), STATES),
    (token_cosine, STATES),
)
ON_ANSWERS = (
    *((hard_labels, layout) for layout in Layout),
    *((soft_labels, layout) for layout in Layout),
    *((partial(soft_labels, temperature=2.0, over="elements"), layout) for layout in Layout),
    (output_mse, Layout.VALUE),
)


def drawn(layout: Layout) -> Batch:
    """Rows of many lengths, of which the tokens ask for few predictions."""
    batch = tiny.batch(layout, B, S)
    numbers = tiny.generator(3)
    if layout is Layout.TOKENS:
        labels = torch.randint(0, 11, (B, S), generator=numbers)
        asked = (torch.rand(B, S, generator=numbers) < 0.3) & batch.real
        return replace(batch, labels=labels.masked_fill(~asked, -100))
    if layout is Layout.SPAN:
        return replace(batch, labels=torch.zeros(B, 2, dtype=torch.long), answerable=batch.real)
    if layout is Layout.VALUE:
        return replace(batch, labels=torch.rand(B, generator=numbers))
    return replace(batch, labels=torch.randint(0, 3, (B,), generator=numbers))


def both(loss: Callable[..., Tensor], shapes: tuple[tuple[int, ...], ...], batch: Batch) -> None:
    """Compare a loss on a batch with its parts, of two rows and of three."""
    numbers = tiny.generator(4)
    sides = [torch.randn(shape, dtype=torch.float64, generator=numbers) for shape in shapes]
    if len(sides) == 1:
        sides.append(batch.labels)
    total = 0.0
    for rows in (slice(0, 2), slice(2, None)):
        part = rows_of(batch, rows)
        share = float(portion(loss, part, batch))
        total += share * float(loss(*(side[rows] for side in sides), part))
    assert total == pytest.approx(float(loss(*sides, batch)), rel=1e-6)


@pytest.mark.parametrize(("loss", "shape"), ON_LAYERS)
def test_losses_on_layers(loss: Callable[..., Tensor], shape: tuple[int, ...]) -> None:
    both(loss, (shape, shape), drawn(Layout.CLASSES))


def test_a_loss_on_a_mixture_of_layers() -> None:
    both(mixture_mse, (STATES, LAYERS), drawn(Layout.CLASSES))


@pytest.mark.parametrize(("loss", "layout"), ON_ANSWERS)
def test_losses_on_answers(loss: Callable[..., Tensor], layout: Layout) -> None:
    given = (SHAPES[layout],) if loss is hard_labels else (SHAPES[layout],) * 2
    both(loss, given, drawn(layout))


def test_every_row_is_tried() -> None:
    """What stands in the table is compared above."""
    tried = {getattr(loss, "func", loss) for loss, _ in (*ON_LAYERS, *ON_ANSWERS)}
    assert set(COUNTS) <= tried
