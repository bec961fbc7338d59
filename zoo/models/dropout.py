"""Dropout whose random numbers are cheap on a CPU.

torch draws a double for every element there, which takes a sixth of a small model's step in bf16.
Sixteen bits an element are enough: the rate is rounded to a multiple of 2^-16, and what is kept is
scaled by exactly what that leaves, so that the mean stays.
"""

from typing import Any

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel
from transformers.masking_utils import eager_mask

_PARTS = 1 << 16
_HALF = _PARTS // 2
_PER_DRAW = 4
"""Elements that one number of 64 bits serves."""
_ATTENTION = "eager-distilzoo"


class Dropout(nn.Dropout):
    """`nn.Dropout`, which draws from the same generator, but other numbers and fewer."""

    def forward(self, values: Tensor) -> Tensor:
        """The values of any shape, some of them zero, in training."""
        return dropped(values, self.p if self.training else 0.0)


def dropped(values: Tensor, rate: float) -> Tensor:
    """Values of which each is zero with probability `rate`, the others scaled to keep the mean."""
    parts = round(rate * _PARTS)
    if not 0 < parts < _PARTS or values.device.type != "cpu":
        return nn.functional.dropout(values, rate)
    count = values.numel()
    draws = torch.empty(-(-count // _PER_DRAW), dtype=torch.int64).random_(-(2**63), None)
    kept = draws.view(torch.int16)[:count] >= parts - _HALF
    scaled: Tensor = _Masked.apply(values, kept.view(values.shape), _PARTS / (_PARTS - parts))  # type: ignore[no-untyped-call]  # torch does not annotate it
    return scaled


class _Masked(torch.autograd.Function):
    """Keeps a byte an element for the way back, where a product would keep a number."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, kept: Tensor, scale: float) -> Tensor:
        ctx.save_for_backward(kept)
        ctx.scale = scale
        return (values * kept).mul_(scale)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (kept,) = ctx.saved_tensors
        return (gradients[0] * kept).mul_(ctx.scale), None, None


def attend(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    **given: Any,
) -> tuple[Tensor, Tensor]:
    """Attention as transformers' eager kernel computes it: (B, S, A, D), and its probabilities.

    Queries, keys and values are (B, A, S, D); the mask is added to the scores. `given` may have a
    `scaling` of the scores and the rate of `dropout`.
    """
    scaling = given.get("scaling")
    scores = query @ key.mT * (query.shape[-1] ** -0.5 if scaling is None else scaling)
    if attention_mask is not None:
        scores = scores + attention_mask
    probabilities = dropped(scores.softmax(dim=-1), given["dropout"] if module.training else 0.0)
    return (probabilities @ value).transpose(1, 2).contiguous(), probabilities


def draw_cheaply(model: PreTrainedModel) -> None:
    """Let a model that is about to be trained drop out in this way."""
    for module in [*model.modules()]:
        for name, child in module.named_children():
            if type(child) is nn.Dropout:
                setattr(module, name, Dropout(child.p).train(child.training))
    if model.config._attn_implementation == "eager":  # noqa: SLF001  (no public name)
        model.set_attn_implementation(_ATTENTION)


AttentionInterface.register(_ATTENTION, attend)
AttentionMaskInterface.register(_ATTENTION, eager_mask)
