"""The neighbour start: heads of the first layers begin by looking beside them and at echoes.

A randomly started BERT spends most of a small pretraining budget on discovering positions: its
loss stays at word frequencies. Here positions are sinusoids in the first dimensions, words are
zero there, and in the first layers a head's query is its key's projection turned by a fixed
offset, so that attention peaks at that neighbour (or, for an echo, at the same word elsewhere).
Everything stays trainable and the result is an ordinary BERT; docs/log.md has the measurements.
"""

import math
from typing import Literal

import torch
from torch import Tensor
from transformers import PreTrainedModel

from zoo.models.anatomy import anatomy_of, embeddings_of, layers_of

Look = int | Literal["echo"] | None
LOOKS: tuple[tuple[Look, ...], ...] = (
    (-1, 1, -2, 2),
    ("echo", "echo", -1, 1),
    ("echo", "echo", None, None),
)
"""What the heads of each of the first layers begin with; taken in turn where there are more."""

SHARPNESS = 2.5
"""How much longer a query is than its key: peaks of attention without saturation."""
POSITION_SHARE = 5 / 16
"""Share of the dimensions that hold the position."""
SELF_AVERSION = -0.5
"""Keeps an echo from looking at its own position."""


@torch.no_grad()
def look_at_neighbours(model: PreTrainedModel, *, seed: int) -> None:
    """Give a freshly built model the neighbour start."""
    generator = torch.Generator().manual_seed(seed)
    dimensions = 2 * round(int(model.config.hidden_size) * POSITION_SHARE / 2)
    _place_positions(model, dimensions)
    heads = int(model.config.num_attention_heads)
    anatomy = anatomy_of(model)
    for layer, looks in zip(layers_of(model), LOOKS, strict=False):
        query = layer.get_parameter(f"{anatomy.query}.weight")
        key = layer.get_parameter(f"{anatomy.key}.weight")
        width = len(query) // heads
        for head in range(heads):
            look = looks[head % len(looks)]
            if look is not None:
                rows = slice(head * width, (head + 1) * width)
                key[rows] = _projection(key[rows], model, generator)
                query[rows] = SHARPNESS * _turned(key[rows], look, _frequencies(model, dimensions))


def _place_positions(model: PreTrainedModel, dimensions: int) -> None:
    """Sinusoids of the size of words in the first dimensions; words and segments are zero there."""
    embeddings = embeddings_of(model)
    positions = embeddings.get_parameter("position_embeddings.weight")
    angles = torch.arange(len(positions))[:, None] * _frequencies(model, dimensions)
    size = float(model.config.initializer_range) * math.sqrt(2)
    positions.zero_()
    positions[:, :dimensions] = size * torch.cat([angles.sin(), angles.cos()], dim=1)
    for table in ("word_embeddings", "token_type_embeddings"):
        embeddings.get_parameter(f"{table}.weight")[:, :dimensions] = 0.0


def _frequencies(model: PreTrainedModel, dimensions: int) -> Tensor:
    """From one radian per position down to half a turn over twice the longest sequence."""
    half = dimensions // 2
    longest = 2.0 * int(model.config.max_position_embeddings)
    return torch.exp(torch.arange(half) * (-math.log(longest) / half))


def _projection(key: Tensor, model: PreTrainedModel, generator: torch.Generator) -> Tensor:
    size = float(model.config.initializer_range)
    return torch.randn(key.shape, generator=generator) * size


def _turned(key: Tensor, look: Look, frequencies: Tensor) -> Tensor:
    """The query that meets this key at `look` positions aside, or at the same word elsewhere."""
    half, query = len(frequencies), key.clone()
    sines, cosines = key[:, :half], key[:, half : 2 * half]
    if look == "echo":
        query[:, : 2 * half] *= SELF_AVERSION
        return query
    assert isinstance(look, int)
    turn, rest = torch.sin(look * frequencies), torch.cos(look * frequencies)
    # sin(a + b) = sin a cos b + cos a sin b; the query at p must equal the key's at p + look.
    query[:, :half] = sines * rest - cosines * turn
    query[:, half : 2 * half] = sines * turn + cosines * rest
    return query
