"""What the mean of a loss is over: how much a part of a batch weighs in the loss of all of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from zoo.lazy import torch
from zoo.losses.attention import attention_kl, attention_mse
from zoo.losses.hidden import hidden_mse, token_cosine
from zoo.losses.logits import hard_labels, soft_labels
from zoo.losses.relations import relation_kl
from zoo.tensors.batch import Batch, Layout

if TYPE_CHECKING:
    from torch import Tensor

Settings = Mapping[str, Any]
PartCount = Callable[[Batch, Settings], "Tensor | int"]


def portion(loss: Callable[..., Tensor], part: Batch, whole: Batch) -> Tensor:
    """How much of the mean of a loss on a whole batch is that on a part of it: scalar, 0 to 1.

    The loss of a batch is the sum of those of its parts, each times its portion. A loss without a
    row in `COUNTS` is a mean over sequences.
    """
    # Tensors, and not numbers: to read one would wait for the device.
    own, all_of_it = (torch.as_tensor(_counted(loss, each)).double() for each in (part, whole))
    return own / all_of_it.clamp(min=1.0)


def _counted(loss: Callable[..., Tensor], batch: Batch) -> Tensor | int:
    """How many terms the mean of a loss on a batch has, up to a factor that its rows share."""
    if isinstance(loss, partial):
        return COUNTS.get(loss.func, _sequences)(batch, loss.keywords)
    return COUNTS.get(loss, _sequences)(batch, {})


def _sequences(batch: Batch, _settings: Settings) -> int:
    return len(batch.input_ids)


def _tokens(batch: Batch, _settings: Settings) -> Tensor | int:
    return batch.attention_mask.sum()


def _tokens_or_samples(batch: Batch, settings: Settings) -> Tensor | int:
    """Of losses that are a mean over tokens unless `mean` says otherwise."""
    count = _sequences if settings.get("mean") == "samples" else _tokens
    return count(batch, settings)


def _tokens_or_all(batch: Batch, settings: Settings) -> Tensor | int:
    """Of losses on states that leave padding out unless `padding` says otherwise."""
    # Every row is as long as the others, padding included.
    count = _sequences if settings.get("padding") == "counted" else _tokens
    return count(batch, settings)


def _pairs_or_all(batch: Batch, settings: Settings) -> Tensor | int:
    """The same between two tokens."""
    if settings.get("padding") == "counted":
        return _sequences(batch, settings)
    return batch.attention_mask.sum(1).square().sum()


def _soft(batch: Batch, settings: Settings) -> Tensor | int:
    if batch.layout is Layout.TOKENS:
        return _tokens(batch, settings)
    if batch.layout is Layout.SPAN and settings.get("over") == "elements":
        choices = batch.attention_mask if batch.answerable is None else batch.answerable
        return choices.sum()
    return _sequences(batch, settings)


def _hard(batch: Batch, settings: Settings) -> Tensor | int:
    if batch.layout is Layout.TOKENS:
        return (batch.labels != -100).sum()
    return _sequences(batch, settings)


COUNTS: Mapping[Callable[..., Tensor], PartCount] = {
    attention_kl: _tokens_or_samples,
    attention_mse: _pairs_or_all,
    hard_labels: _hard,
    hidden_mse: _tokens_or_all,
    relation_kl: _tokens_or_samples,
    soft_labels: _soft,
    token_cosine: _tokens,
}
