"""Dropout whose random numbers are cheap on a CPU.

torch draws a double for every element there, which takes a sixth of a small model's step in bf16.
Sixteen bits an element are enough: the rate is rounded to a multiple of 2^-16, and what is kept is
scaled by exactly what that leaves, so that the mean stays.
"""

from typing import Any

import torch
from torch import Tensor, nn

_PARTS = 1 << 16
_HALF = _PARTS // 2
_PER_DRAW = 4
"""Elements that one number of 64 bits serves."""


class Dropout(nn.Dropout):
    """`nn.Dropout`, which draws from the same generator, but other numbers and fewer."""

    def forward(self, values: Tensor) -> Tensor:
        """The values of any shape, some of them zero, in training."""
        return dropped(values, self.p if self.training else 0.0)


def dropped(values: Tensor, rate: float) -> Tensor:
    """Values of which each is zero with probability `rate`, the others scaled to keep the mean."""
    parts = round(rate * _PARTS)
    if not 0 < parts < _PARTS or values.device.type != "cpu":
        return nn.functional.dropout(values, rate)
    count = values.numel()
    draws = torch.empty(-(-count // _PER_DRAW), dtype=torch.int64).random_(-(2**63), None)
    kept = draws.view(torch.int16)[:count] >= parts - _HALF
    scaled: Tensor = _Masked.apply(values, kept.view(values.shape), _PARTS / (_PARTS - parts))  # type: ignore[no-untyped-call]  # torch does not annotate it
    return scaled


class _Masked(torch.autograd.Function):
    """Keeps a byte an element for the way back, where a product would keep a number."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, kept: Tensor, scale: float) -> Tensor:
        ctx.save_for_backward(kept)
        ctx.scale = scale
        return (values * kept).mul_(scale)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (kept,) = ctx.saved_tensors
        return (gradients[0] * kept).mul_(ctx.scale), None, None
