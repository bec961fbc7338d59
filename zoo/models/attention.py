"""Attention functions of our own, as transformers' interface takes them.

They compute what its eager one does with a cheaper dropout; `steady` in a shape in which kernels
round a row alike whatever the batch.

B batch, A heads, S length, D width of a head.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel
from transformers.masking_utils import eager_mask

from zoo.models.dropout import dropped

STEADY_PIECES = 16
"""Sums over a length that is no multiple round by the length: in bf16 any, in fp32 up to it
(docs/decisions/0025-teacher-outputs-once.md)."""
_CHEAP, _STEADY = "distilzoo-cheap", "distilzoo-steady"


def attend(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    multiple: int = 1,
    **given: Any,
) -> tuple[Tensor, Tensor]:
    """The context (B, Q, A, D) and the probabilities (B, A, Q, S).

    Queries are (B, A, Q, D), keys and values (B, A, S, D); the mask is added to the scores. Q and S
    are padded to a `multiple` for as long as they are computed. `given` may have a `scaling` of the
    scores and the rate of `dropout`.
    """
    asked, pieces = query.shape[2], key.shape[2]
    below, more = -asked % multiple, -pieces % multiple
    if below:
        query = nn.functional.pad(query, (0, 0, 0, below))
    if more:
        key, value = (nn.functional.pad(x, (0, 0, 0, more)) for x in (key, value))
    if below or more:
        mask = query.new_zeros(1, 1, 1, pieces) if attention_mask is None else attention_mask
        # Rows of padding read what they like; nobody reads them.
        rows = below if mask.shape[2] > 1 else 0
        least = torch.finfo(mask.dtype).min
        attention_mask = nn.functional.pad(mask, (0, more, 0, rows), value=least)
    scaling = given.get("scaling")
    scores = query @ key.mT * (query.shape[-1] ** -0.5 if scaling is None else scaling)
    if attention_mask is not None:
        scores = scores + attention_mask
    rate = given.get("dropout", 0.0) if module.training else 0.0
    probabilities = dropped(scores.softmax(dim=-1), rate)
    context = (probabilities @ value)[:, :, :asked].transpose(1, 2).contiguous()
    return context, probabilities[..., :asked, :pieces]


steady = partial(attend, multiple=STEADY_PIECES)


def attention_of_few(model: PreTrainedModel) -> Callable[..., tuple[Tensor, Any]]:
    """The function for few queries: `steady` where the model's own is, else torch's fused one."""
    is_steady = model.config._attn_implementation == _STEADY  # noqa: SLF001  (no public name)
    found: Callable[..., tuple[Tensor, Any]]
    found = AttentionInterface()[_STEADY if is_steady else "sdpa"]
    return found


def attend_cheaply(model: PreTrainedModel) -> None:
    """Let a model with eager attention drop out probabilities by `dropped`."""
    if model.config._attn_implementation == "eager":  # noqa: SLF001  (no public name)
        model.set_attn_implementation(_CHEAP)


@contextmanager
def steady_attention(model: PreTrainedModel) -> Iterator[None]:
    """Inside the block attention rounds a row alike in every batch."""
    before = model.config._attn_implementation  # noqa: SLF001  (no public name)
    model.set_attn_implementation(_STEADY)
    try:
        yield
    finally:
        model.set_attn_implementation(before)


for _name, _function in ((_CHEAP, attend), (_STEADY, steady)):
    AttentionInterface.register(_name, _function)
    AttentionMaskInterface.register(_name, eager_mask)
