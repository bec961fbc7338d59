"""Losses on hidden states; padding never counts unless that is asked for.

Shapes: B batch, S length, H width; the first token is [CLS].
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

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


def first_cosine(student: Tensor, teacher: Tensor, batch: Batch) -> Tensor:  # noqa: ARG001  (as every loss)
    """1 - cosine of the first tokens of (B, S, H) states, mean over the batch; scalar.

    Aguilar et al. (arXiv 1910.03723), the activations of [CLS].
    """
    cosines = torch.nn.functional.cosine_similarity(
        full(student[:, 0]), full(teacher[:, 0].detach()), dim=-1
    )
    return (1.0 - cosines).mean()


def hidden_mse(
    student: Tensor,
    teacher: Tensor,
    batch: Batch,
    *,
    padding: Literal["left out", "counted"] = "left out",
) -> Tensor:
    """Mean squared difference of (B, S, H) hidden states over their elements; scalar.

    "left out": elements of real tokens. "counted": every element, as TinyBERT's released code.
    TinyBERT (arXiv 1909.10351, L_embd and L_hidn), MLKD-BERT (2407.02775, L_FFN).
    """
    differences = full(student) - full(teacher.detach())
    return (differences if padding == "counted" else differences[batch.real]).square().mean()


def first_mse(
    student: Tensor,
    teacher: Tensor,
    batch: Batch,  # noqa: ARG001  (as every loss)
    *,
    normalise: bool = True,
) -> Tensor:
    """Mean squared difference of the first tokens of (B, S, H) states over B and H; scalar.

    `normalise` brings every vector to length 1 first (a vector of zeros stays one). BERT-PKD
    (arXiv 1908.09355, patience loss; the mean is the released code's, the paper sums).
    """
    ours, theirs = full(student[:, 0]), full(teacher[:, 0].detach())
    if normalise:
        ours, theirs = (torch.nn.functional.normalize(each, dim=-1) for each in (ours, theirs))
    return (ours - theirs).square().mean()
