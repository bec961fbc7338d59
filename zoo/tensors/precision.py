"""The precision losses are computed in: float32 at least, whatever the models ran in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

MASKED = -1e4
"""Score of a place that cannot be chosen; finite, so that no precision gives a NaN."""


def full(tensor: Tensor) -> Tensor:
    """The tensor in float32, or as it is where it is finer."""
    return tensor if tensor.dtype == torch.float64 else tensor.float()
