"""Compactors in a model: a linear map between two others, a layer norm over some dimensions.

With row vectors, y = ((x C_l^T) W^T + b) C_r^T; all compactors start as the identity.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import PreTrainedModel

from zoo.compact.groups import Places
from zoo.tensors.precision import full


class Compactor(nn.Module):
    """A square linear map without bias."""

    def __init__(self, width: int, like: Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.eye(width, device=like.device, dtype=like.dtype))

    def forward(self, inputs: Tensor) -> Tensor:
        """(..., N) -> (..., N)."""
        return functional.linear(inputs, self.weight)


class Compacted(nn.Module):
    """Replaces a linear map: a compactor before it, and one after it where wanted."""

    def __init__(self, linear: nn.Linear, *, right: bool = True) -> None:
        super().__init__()
        self.left = Compactor(linear.in_features, linear.weight)
        self.linear = linear
        self.right = Compactor(linear.out_features, linear.weight) if right else None

    def forward(self, inputs: Tensor) -> Tensor:
        """(..., inputs) -> (..., outputs).

        The three matrices are multiplied first: what they do is the same, and a batch has more
        rows than they have.
        """
        return functional.linear(inputs, *self.product())

    def product(self) -> tuple[Tensor, Tensor]:
        """The one weight (outputs, inputs) and bias (outputs,) that do the same."""
        weight, bias = self.linear.weight @ self.left.weight, self.linear.bias
        if self.right is None:
            return weight, bias
        return self.right.weight @ weight, self.right(bias)


class MaskedNorm(nn.Module):
    """A layer norm whose mean and variance are those of the kept dimensions; it outputs all.

    Variance and epsilon are as in the models of the zoo (biased, inside the root).
    """

    kept: Tensor

    def __init__(self, norm: nn.LayerNorm) -> None:
        super().__init__()
        self.weight, self.bias, self.epsilon = norm.weight, norm.bias, norm.eps
        self.register_buffer("kept", torch.ones_like(norm.weight, dtype=torch.bool))

    def forward(self, inputs: Tensor) -> Tensor:
        """(..., N) -> (..., N), computed in float32 at least."""
        values = full(inputs)
        kept = self.kept.to(values.dtype)
        # Dead dimensions may still hold values: they must not move the mean of those that stay.
        shares = kept / kept.sum()
        centred = values - (values * shares).sum(-1, keepdim=True)
        variance = (centred.square() * shares).sum(-1, keepdim=True)
        scaled = centred * torch.rsqrt(variance + self.epsilon)
        return (scaled * self.weight + self.bias).to(self.weight.dtype)


class CompactedNorm(nn.Module):
    """Replaces the embeddings' layer norm: a compactor of their sum, then the norm."""

    def __init__(self, norm: nn.LayerNorm) -> None:
        super().__init__()
        self.right = Compactor(len(norm.weight), norm.weight)
        self.norm = MaskedNorm(norm)

    def forward(self, inputs: Tensor) -> Tensor:
        """(B, S, H) -> (B, S, H)."""
        normed: Tensor = self.norm(self.right(inputs))
        return normed


def insert(model: PreTrainedModel, places: Places) -> None:
    """Put compactors into a model, and give its decoder its own weight."""
    decoder = model.get_submodule(places.decoder)
    assert isinstance(decoder, nn.Linear)
    # Each is merged with a compactor of its own, so that they could not stay one tensor.
    decoder.weight = nn.Parameter(decoder.weight.detach().clone())
    _replace(model, places.decoder, Compacted, right=False)
    for name in places.linears:
        _replace(model, name, Compacted)
    for name in places.norms:
        _replace(model, name, MaskedNorm)
    _replace(model, places.embeddings_norm, CompactedNorm)


def _replace(model: PreTrainedModel, name: str, wrapper: Any, **named: bool) -> None:
    parent, _, leaf = name.rpartition(".")
    owner = model.get_submodule(parent)
    setattr(owner, leaf, wrapper(getattr(owner, leaf), **named))
