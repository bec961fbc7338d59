"""Losses on hidden states; padding is ignored unless requested.

Shapes: B batch, S length, H width; the first token is [CLS].
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

from zoo.lazy import torch
from zoo.tensors.precision import full

if TYPE_CHECKING:
    from torch import Tensor

    from zoo.tensors.batch import Batch


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
    return _vector_mse(full(student[:, 0]), full(teacher[:, 0].detach()), normalise=normalise)


def mixture_mse(
    student: Tensor,
    teacher: Tensor,
    batch: Batch,  # noqa: ARG001  (as every loss)
    *,
    normalise: bool = True,
    scale_scores: bool = False,
) -> Tensor:
    """`first_mse` of (B, S, H) states against a mixture of (B, K, S, H), K layers; scalar.

    c = sum_k a_k h_T,k of the first tokens' vectors, a of `layer_attention`; the gradient reaches
    the student through a too. `normalise` brings h_S and c to length 1, after mixing. One layer is
    its own mixture. ALP-KD (arXiv 2012.14022, L_ALP).
    """
    ours, theirs = full(student[:, 0]), full(teacher[:, :, 0].detach())
    shares = layer_attention(ours, theirs, scale_scores=scale_scores)
    return _vector_mse(ours, (shares[:, :, None] * theirs).sum(1), normalise=normalise)


def layer_attention(student: Tensor, teacher: Tensor, *, scale_scores: bool) -> Tensor:
    """How much each of K layers' (B, K, H) vectors weighs for (B, H) ones: (B, K), in all 1.

    a = softmax over layers of h_S . h_T,k, of a sqrt(H)-th of it with `scale_scores`.
    """
    scores = (student[:, None] * teacher).sum(-1)
    return torch.softmax(scores / math.sqrt(student.shape[-1]) if scale_scores else scores, dim=-1)


def _vector_mse(ours: Tensor, theirs: Tensor, *, normalise: bool) -> Tensor:
    if normalise:
        ours, theirs = (torch.nn.functional.normalize(each, dim=-1) for each in (ours, theirs))
    return (ours - theirs).square().mean()
