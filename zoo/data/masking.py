"""Masking for masked language modelling: which tokens are masked, and by what."""

import math
from typing import NamedTuple

import torch
from torch import Generator, Tensor


class Masked(NamedTuple):
    """Pieces with some hidden (B, S), and the labels: the hidden pieces, -100 elsewhere."""

    input_ids: Tensor
    labels: Tensor


def mask_pieces(
    input_ids: Tensor,
    weights: Tensor,
    *,
    fraction: float,
    mask_id: int,
    generator: Generator,
) -> Masked:
    """Hide ceil(fraction * real pieces) of the whole batch, drawn without replacement.

    `weights` (V,) is how readily each piece is drawn, 0 for special and padding pieces. Of the
    drawn ones 80 % become `mask_id`, 10 % stay, 10 % become a random piece of positive weight
    (BERT's rule; DistilBERT's code may also draw special pieces there, ours does not).
    """
    # Over the whole batch, not row by row: short texts would else always lose a piece.
    chances = weights[input_ids].reshape(-1).double()
    wanted = min(math.ceil(fraction * int((chances > 0).sum())), int((chances > 0).sum()))
    labels = torch.full_like(input_ids, -100).reshape(-1)
    hidden = input_ids.clone().reshape(-1)
    if wanted == 0:
        return Masked(hidden.reshape(input_ids.shape), labels.reshape(input_ids.shape))
    drawn = _draw(chances, wanted, generator)
    labels[drawn] = hidden[drawn]
    fate = torch.rand(wanted, generator=generator)
    hidden[drawn[fate < 0.8]] = mask_id
    random_places = drawn[fate >= 0.9]
    ordinary = torch.nonzero(weights > 0).reshape(-1)
    picks = torch.randint(len(ordinary), (len(random_places),), generator=generator)
    hidden[random_places] = ordinary[picks].to(hidden.dtype)
    return Masked(hidden.reshape(input_ids.shape), labels.reshape(input_ids.shape))


def draw_weights(counts: Tensor, special_ids: list[int], smoothing: float | None) -> Tensor:
    """How readily each piece is drawn: max(count, 1)^-smoothing, or all alike; (V,) doubles.

    Special pieces get 0. DistilBERT uses smoothing 0.7 so that rare pieces are seen more often.
    """
    weights = torch.ones(len(counts), dtype=torch.float64)
    if smoothing is not None:
        weights = counts.double().clamp(min=1.0) ** -smoothing
    weights[special_ids] = 0.0
    return weights


def _draw(chances: Tensor, wanted: int, generator: Generator) -> Tensor:
    """`wanted` places without replacement: the largest of u^(1/chance) (Efraimidis, Spirakis)."""
    uniform = torch.rand(len(chances), generator=generator, dtype=torch.float64)
    # By logarithms: where chances are small, u^(1/chance) is 0 in floating point, and all tie.
    keys = torch.where(chances > 0, uniform.clamp(min=1e-300).log() / chances, -math.inf)
    return keys.topk(wanted).indices
