"""Odd-sized batches of every layout, with padding and masks."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from zoo.tensors.batch import Batch, Layout

SIZES = ((2, 3, 4), (3, 5, 7))
"""Batch, length, width (classes, pieces or units)."""


@dataclass(frozen=True)
class Case:
    """Logits of a student and a teacher in double precision, and the batch they are of."""

    batch: Batch
    student: Tensor
    teacher: Tensor

    @property
    def padding(self) -> Tensor:
        """Where the logits are of no account."""
        if self.batch.layout is Layout.TOKENS:
            return ~self.batch.real
        assert self.batch.answerable is not None
        return ~self.batch.answerable


MakeCase = Callable[[Layout, tuple[int, int, int]], Case]


def make_case(layout: Layout, size: tuple[int, int, int]) -> Case:
    """A case whose last row is padded by two positions; the first position is always real."""
    generator = torch.Generator().manual_seed(sum(size))
    rows, length, width = size
    mask = torch.ones(rows, length, dtype=torch.long)
    mask[-1, -2:] = 0
    answerable = mask.bool() if layout is Layout.SPAN else None
    if answerable is not None:
        answerable = answerable.clone()
        answerable[0, 1] = False
    shape = {
        Layout.CLASSES: (rows, width),
        Layout.VALUE: (rows, 1),
        Layout.SPAN: (rows, length, 2),
        Layout.TOKENS: (rows, length, width),
    }[layout]
    labels = {
        Layout.CLASSES: torch.arange(rows) % width,
        Layout.VALUE: torch.linspace(-1.0, 2.0, rows, dtype=torch.float64),
        Layout.SPAN: torch.tensor([[0, 2], *[[0, 0]] * (rows - 1)]),
        Layout.TOKENS: torch.where(
            torch.arange(rows * length).reshape(rows, length) % 2 == 0, 1, -100
        ).where(mask.bool(), -100),
    }[layout]
    student, teacher = (
        2.0 * torch.randn(shape, generator=generator, dtype=torch.float64) for _ in range(2)
    )
    batch = Batch(layout, mask * 5, mask, torch.zeros_like(mask), labels, answerable)
    return Case(batch, student, teacher)


@pytest.fixture
def case() -> MakeCase:
    """Makes a case of a layout and a size."""
    return make_case
