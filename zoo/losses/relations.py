"""Losses on relations: how similar the vectors of one network are, whatever their width.

Shapes: B batch, S length, H width, A heads, D head width. Padding never counts.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from zoo.losses.divergence import Mean, row_kl, token_kl
from zoo.tensors.precision import full

if TYPE_CHECKING:
    from torch import Tensor

    from zoo.tensors.batch import Batch


def relation_kl(
    student: Tensor,
    teacher: Tensor,
    batch: Batch,
    *,
    heads: int | None = None,
    mean: Mean = "tokens",
) -> Tensor:
    """KL divergence between softmax(X X^T / sqrt(D)) of (B, S, H) or (B, A, S, D) states; scalar.

    `heads` merges the heads of both networks to (B, S, H) and cuts H into that many slices of
    width D; without it heads are as given, (B, S, H) being one. Sum over columns, mean over heads
    and over real rows as `mean` says. MiniLM (arXiv 2002.10957, value relation), MiniLMv2
    (2012.15828, relation heads), MLKD-BERT (2407.02775, L_EMB and L_MHA).

    Raises:
        ValueError: head counts differ, or `heads` does not divide a width.
    """
    student_heads = _in_heads(full(student), heads)
    teacher_heads = _in_heads(full(teacher.detach()), heads)
    return token_kl(_relations(student_heads), _relations(teacher_heads), batch, mean)


def sample_relation_kl(student: Tensor, teacher: Tensor, batch: Batch) -> Tensor:  # noqa: ARG001  (as every loss)
    """KL divergence between relations of the first tokens' vectors across the batch; scalar.

    softmax(C C^T / sqrt(H)), C the (B, H) first vectors of (B, S, H) states; mean over rows, the
    diagonal included. A batch of one has no relations: exactly 0. MLKD-BERT (2407.02775, L_SS).
    """
    student_first, teacher_first = full(student[:, 0]), full(teacher[:, 0].detach())
    return row_kl(_relations(student_first), _relations(teacher_first)).mean()


def _in_heads(states: Tensor, heads: int | None) -> Tensor:
    """(B, A, S, D), cut anew into `heads` slices of the merged width where that is asked."""
    if heads is None:
        return states if states.dim() == 4 else states.unsqueeze(1)
    merged = states.transpose(1, 2).flatten(2) if states.dim() == 4 else states
    if merged.shape[-1] % heads:
        raise ValueError(f"a width of {merged.shape[-1]} cannot be split into {heads} equal heads")
    return merged.reshape(*merged.shape[:-1], heads, -1).transpose(1, 2)


def _relations(vectors: Tensor) -> Tensor:
    """Scaled dot products between (..., n, d) vectors: (..., n, n)."""
    return vectors @ vectors.mT / math.sqrt(vectors.shape[-1])
