"""Losses on attention: where each token looks.

Scores are (B, A, S, S) before the softmax and without the padding mask (B batch, A heads, S
length); the head counts of student and teacher must agree.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from zoo.losses.divergence import Mean, require_equal_heads, token_kl
from zoo.tensors.precision import full

if TYPE_CHECKING:
    from torch import Tensor

    from zoo.tensors.batch import Batch


def attention_kl(
    student: Tensor, teacher: Tensor, batch: Batch, *, mean: Mean = "tokens"
) -> Tensor:
    """KL divergence between attention distributions, the softmax over real columns; scalar.

    Mean over heads and over real rows as `mean` says. MiniLM (arXiv 2002.10957, L_AT); Aguilar
    et al. (1910.03723, KL of internal representations).

    Raises:
        ValueError: head counts differ.
    """
    return token_kl(full(student), full(teacher.detach()), batch, mean)


def attention_mse(
    student: Tensor,
    teacher: Tensor,
    batch: Batch,
    *,
    padding: Literal["left out", "counted"] = "left out",
) -> Tensor:
    """Mean squared difference of unnormalised attention scores; scalar (TinyBERT, L_attn).

    "left out": mean over heads and pairs of real rows and real columns. "counted": as TinyBERT's
    released code, scores of padded columns are 0 in both, and the mean is over every element.

    Raises:
        ValueError: head counts differ.
    """
    require_equal_heads(student, teacher)
    counted = batch.real[:, None, None, :]
    if padding == "left out":
        counted = counted & batch.real[:, None, :, None]
    differences = (full(student) - full(teacher.detach())).masked_fill(~counted, 0.0)
    if padding == "counted":
        return differences.square().mean()
    # `counted` has one axis for all heads: its sum is of one head's pairs.
    return differences.square().sum() / (counted.sum() * student.shape[1])
