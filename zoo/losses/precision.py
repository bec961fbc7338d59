"""The precision losses are computed in: float32 at least, whatever the models ran in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor


def full(tensor: Tensor) -> Tensor:
    """The tensor in float32, or as it is where it is finer."""
    return tensor if tensor.dtype == torch.float64 else tensor.float()
