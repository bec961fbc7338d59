"""What a forward pass need not compute, because nobody reads it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from torch import Tensor, nn
from transformers import PreTrainedModel

from zoo.models.anatomy import Anatomy, anatomy_of, layers_of
from zoo.models.attention import attention_of_few


class StandIn(nn.Module):
    """What surgery puts in the place of a layer: it gives what one of its `ends` gives."""

    @property
    def ends(self) -> tuple[nn.Module, ...]:
        """The layers that its output can come from, each of which reads all tokens."""
        raise NotImplementedError


@contextmanager
def first_token_only(model: PreTrainedModel) -> Iterator[None]:
    """Within it the last layer gives (B, 1, H), the first token's state alone, as heads read it.

    Keys and values are made of all tokens; queries, projection and feed-forward of the first. A
    layer of other parts than its family's runs as it is.
    """
    layer, anatomy = layers_of(model)[-1], anatomy_of(model)
    heads, attention = int(model.config.num_attention_heads), attention_of_few(model)
    ends = layer.ends if isinstance(layer, StandIn) else (layer,)
    spared = [end for end in ends if _is_whole(end, anatomy)]
    for end in spared:
        end.forward = partial(_first_token, end, anatomy, heads, attention)
    try:
        yield
    finally:
        for end in spared:
            del end.forward


def _is_whole(layer: nn.Module, anatomy: Anatomy) -> bool:
    wanted = {
        anatomy.query,
        anatomy.key,
        anatomy.value,
        anatomy.attention_dropout,
        anatomy.attention_output,
        anatomy.attention_norm,
        anatomy.inner,
        anatomy.activation,
        anatomy.output,
        anatomy.output_dropout,
        anatomy.output_norm,
    }
    return wanted <= {name for name, _ in layer.named_modules()}


def _first_token(
    layer: nn.Module,
    anatomy: Anatomy,
    heads: int,
    attention: Callable[..., tuple[Tensor, Any]],
    hidden: Tensor,
    mask: Tensor | None = None,
    *_: Any,
    **__: Any,
) -> Tensor:
    """(B, S, H) -> (B, 1, H); the mask is (B, 1, S or 1, S) or None, as the kernels take it."""

    def part(name: str | None, inputs: Tensor) -> Tensor:
        output: Tensor = inputs if name is None else layer.get_submodule(name)(inputs)
        return output

    def by_head(name: str, inputs: Tensor) -> Tensor:
        flat = part(name, inputs)
        return flat.reshape(*flat.shape[:-1], heads, -1).transpose(1, 2)

    first = hidden[:, :1]
    dropout = layer.get_submodule(anatomy.attention_dropout)
    assert isinstance(dropout, nn.Dropout)
    context, _ = attention(
        dropout,
        by_head(anatomy.query, first),
        by_head(anatomy.key, hidden),
        by_head(anatomy.value, hidden),
        mask if mask is None else mask[:, :, :1],
        dropout=dropout.p if dropout.training else 0.0,
    )
    attended = part(anatomy.attention_output, context.flatten(2))
    attended = part(anatomy.attention_output_dropout, attended)
    attended = part(anatomy.attention_norm, attended + first)
    inner = part(anatomy.activation, part(anatomy.inner, attended))
    outer = part(anatomy.output_dropout, part(anatomy.output, inner))
    return part(anatomy.output_norm, outer + attended)
