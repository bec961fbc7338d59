"""The neighbour start: heads of the first layers start out attending to neighbours and echoes.

A randomly started BERT spends most of a small pretraining budget on discovering positions: its
loss stays at word frequencies. Here positions are waves in the first quarter of the dimensions,
words stand in the rest, and in the first layers a head's query is its key's projection turned by a
fixed offset, so that attention peaks at that neighbour; an echo head looks at the same word
elsewhere. What heads find is added to the stream unmixed, and all else begins small. Everything
stays trainable and the result is an ordinary BERT; docs/log.md has the measurements.
"""

import math
from typing import Literal

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from zoo.models.anatomy import embeddings_of, layers_of

Look = int | Literal["echo"] | None
LOOKS: tuple[tuple[Look, ...], ...] = (
    (-1, 1, -2, 2),
    ("echo", "echo", "echo", -1),
    ("echo", "echo", 1, -1),
    (1, -1, None, None),
)
"""What the heads of each of the first layers begin with; taken in turn where there are more."""

POSITION_SHARE = 1 / 4
"""Share of the dimensions that hold the position."""
SLOWEST, FASTEST = 0.1, 2.5
"""Radians per position of the waves: the fast ones tell neighbours apart, the slow ones regions."""
NEIGHBOUR_PEAK, ECHO_PEAK = 6.0, 8.0
"""Score of the place a head looks at, above the rest: sharp, and far from saturation."""
SEGMENT_SIZE = 0.2
"""Segments begin as a hint beside words."""
REST_SIZE = 0.3
"""Feed-forward outputs and heads without a look begin quieter than the looks."""


@torch.no_grad()
def look_at_neighbours(model: PreTrainedModel, *, seed: int) -> None:
    """Give a freshly built BERT for masked language modelling the neighbour start."""
    generator = torch.Generator().manual_seed(seed)
    width = int(model.config.hidden_size)
    dimensions = 2 * round(width * POSITION_SHARE / 2)
    _place_positions(model, dimensions)
    nn.init.eye_(model.get_parameter("cls.predictions.transform.dense.weight"))
    for layer in layers_of(model):
        layer.get_parameter("output.dense.weight").mul_(REST_SIZE)
        layer.get_parameter("attention.output.dense.weight").mul_(REST_SIZE)
    for layer, looks in zip(layers_of(model), LOOKS, strict=False):
        _point_heads(layer, looks, int(model.config.num_attention_heads), dimensions, generator)


def _place_positions(model: PreTrainedModel, dimensions: int) -> None:
    """Waves of the size of words in the first dimensions; words and segments are zero there."""
    tables = dict(embeddings_of(model).named_parameters())
    positions, words = tables["position_embeddings.weight"], tables["word_embeddings.weight"]
    # Words and segments leave the positions' dimensions free, so that heads can read these alone.
    segments = tables["token_type_embeddings.weight"].mul_(SEGMENT_SIZE)
    angles = torch.arange(len(positions))[:, None] * _frequencies(dimensions)
    size = float(model.config.initializer_range) * math.sqrt(2)
    positions.zero_()
    positions[:, :dimensions] = size * torch.cat([angles.sin(), angles.cos()], dim=1)
    words[:, :dimensions] = 0.0
    segments[:, :dimensions] = 0.0


def _point_heads(
    layer: nn.Module,
    looks: tuple[Look, ...],
    heads: int,
    dimensions: int,
    generator: torch.Generator,
) -> None:
    """Write the queries, keys, values and outputs of the heads that have a look."""
    query, key, value, output = (
        layer.get_parameter(f"attention.{name}.weight")
        for name in ("self.query", "self.key", "self.value", "output.dense")
    )
    head_width, content = len(query) // heads, query.shape[1] - dimensions
    basis = _orthonormal(content, content, generator)
    for head in range(heads):
        look = looks[head % len(looks)]
        if look is None:
            continue
        rows = slice(head * head_width, (head + 1) * head_width)
        drawn = torch.randn(head_width, query.shape[1], generator=generator)
        query[rows], key[rows] = _pointed(drawn, look, dimensions)
        value[rows] = 0.0
        output[:, rows] = 0.0
        if look == "echo":
            # Rows of one basis in turn, read back where they came from: the word itself is copied.
            taken = [(head * head_width + row) % content for row in range(head_width)]
            value[rows, dimensions:] = basis[taken]
            output[dimensions:, rows] = basis[taken].T
        else:
            value[rows, dimensions:] = _orthonormal(content, head_width, generator).T
            output[dimensions:, rows] = _orthonormal(content, head_width, generator)


def _pointed(drawn: Tensor, look: Look, dimensions: int) -> tuple[Tensor, Tensor]:
    """Query and key whose product is highest at `look` positions aside, or at the same word."""
    head_width, width = drawn.shape
    query, key = drawn.clone(), drawn.clone()
    if look == "echo":
        query[:, :dimensions] *= -1.0  # away from its own position
        gain = ECHO_PEAK / (math.sqrt(head_width) * (width - dimensions))
        return query * math.sqrt(gain), key * math.sqrt(gain)
    assert isinstance(look, int)
    half = dimensions // 2
    sines, cosines = drawn[:, :half], drawn[:, half:dimensions]
    turn, rest = (f(look * _frequencies(dimensions)) for f in (torch.sin, torch.cos))
    # sin(a + b) = sin a cos b + cos a sin b; the query at p must equal the key's at p + look.
    query[:, :half] = sines * rest - cosines * turn
    query[:, half:dimensions] = sines * turn + cosines * rest
    query[:, dimensions:] = key[:, dimensions:] = 0.0
    gain = NEIGHBOUR_PEAK / (math.sqrt(head_width) * dimensions)
    return query * math.sqrt(gain), key * math.sqrt(gain)


def _frequencies(dimensions: int) -> Tensor:
    return torch.linspace(SLOWEST, FASTEST, dimensions // 2)


def _orthonormal(rows: int, columns: int, generator: torch.Generator) -> Tensor:
    """(rows, columns) with orthonormal columns; more columns than rows repeat from the start."""
    q, _ = torch.linalg.qr(torch.randn(rows, min(rows, columns), generator=generator))
    repeated: Tensor = q[:, [column % q.shape[1] for column in range(columns)]]
    return repeated
