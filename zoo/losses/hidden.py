"""Losses on hidden states; padding never counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo.lazy import torch
from zoo.losses.precision import full

if TYPE_CHECKING:
    from torch import Tensor

    from zoo.losses.batch import Batch


def token_cosine(student: Tensor, teacher: Tensor, batch: Batch) -> Tensor:
    """1 - cosine of (B, S, H) hidden states, mean over real tokens; scalar (DistilBERT)."""
    cosines = torch.nn.functional.cosine_similarity(
        full(student[batch.real]), full(teacher[batch.real].detach()), dim=-1
    )
    return (1.0 - cosines).mean()
