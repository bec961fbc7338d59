"""The gradient edit that makes pruned entries vanish (docs/methods)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from zoo.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torch.optim import Optimizer

Fusing = Literal["reference", "decoupled"]
Penalty = Literal["l2", "group_lasso"]

TINY = 1e-12
"""What norms are kept above before they divide."""


class MaskedParameter(NamedTuple):
    """A parameter under a mask: `kept` (N,) lies along its axis `axis`."""

    parameter: nn.Parameter
    kept: Tensor
    axis: int

    @property
    def pruned(self) -> Tensor:
        """True at pruned entries; broadcasts against the parameter."""
        shape = [1] * self.parameter.ndim
        shape[self.axis] = -1
        return ~self.kept.reshape(shape)


@dataclass(frozen=True)
class Fuse:
    """How gradients are edited, W being a parameter, P its penalty's gradient, g the task's.

    P is W (`l2`, the released code) or W / ||W|| of every row or column (`group_lasso`, ResRep).
    `reference`: before the first mask g + P on compactors; then g on kept entries, min(s, 1) P on
    pruned ones, and the first moment m <- b1 m + (1 - b1) (s - 1) P [pruned] where the strength s
    is above 1. `decoupled`: before the first mask g; then pruned entries have neither gradient nor
    moment, and shrink by themselves: W <- W - rate `decay` P, never beyond 0.
    """

    mode: Fusing = "reference"
    penalty: Penalty = "l2"
    strength: float = 20.0
    decay: float = 40.0

    def before_masks(self, pieces: Sequence[MaskedParameter]) -> None:
        """Edit the gradients of compactors (the matrices) while no mask is in force."""
        if self.mode == "decoupled":
            return
        for parameter, _, axis in pieces:
            if parameter.grad is not None and parameter.ndim == 2:
                parameter.grad.add_(self._penalty(parameter, axis))

    def with_masks(self, pieces: Sequence[MaskedParameter], optimiser: Optimizer) -> None:
        """Edit the gradients, and what goes with them, of everything under a mask."""
        edit = self._reference if self.mode == "reference" else self._decoupled
        groups = dict(_groups(optimiser))
        for piece in pieces:
            if piece.parameter.grad is not None:
                edit(piece, groups[id(piece.parameter)], optimiser.state[piece.parameter])

    def _reference(
        self, piece: MaskedParameter, group: dict[str, Any], state: dict[str, Tensor]
    ) -> None:
        gradient, pruned = piece.parameter.grad, piece.pruned
        assert gradient is not None
        penalty = self._penalty(piece.parameter, piece.axis)
        gradient.copy_(torch.where(pruned, min(self.strength, 1.0) * penalty, gradient))
        # Adam divides by the gradient's size, so a larger one pulls no harder. What is beyond 1
        # goes into the first moment alone, which is what Adam divides.
        if self.strength > 1.0 and state:
            beta = group["betas"][0]
            push = penalty.masked_fill(~pruned, 0.0)
            state["exp_avg"].mul_(beta).add_(push, alpha=(1.0 - beta) * (self.strength - 1.0))

    def _decoupled(
        self, piece: MaskedParameter, group: dict[str, Any], state: dict[str, Tensor]
    ) -> None:
        parameter, pruned = piece.parameter, piece.pruned
        assert parameter.grad is not None
        parameter.grad.masked_fill_(pruned, 0.0)
        if state:
            state["exp_avg"].masked_fill_(pruned, 0.0)
        # Clamped: a step longer than what is left would turn the sign.
        shrunk = 1.0 - group["lr"] * self.decay / self._norms(parameter, piece.axis)
        factor = torch.where(pruned, shrunk.clamp(min=0.0), 1.0)
        parameter.detach().mul_(factor)

    def _penalty(self, parameter: nn.Parameter, axis: int) -> Tensor:
        return parameter.detach() / self._norms(parameter, axis)

    def _norms(self, parameter: nn.Parameter, axis: int) -> Tensor:
        """What the penalty divides W by: 1, or the norms of what a mask's entry prunes."""
        weight = parameter.detach()
        if self.penalty == "l2":
            return torch.ones((), dtype=weight.dtype, device=weight.device)
        if weight.ndim == 1:
            return weight.abs().clamp(min=TINY)
        norms: Tensor = torch.linalg.vector_norm(weight, dim=1 - axis, keepdim=True)
        return norms.clamp(min=TINY)


def _groups(optimiser: Optimizer) -> Iterator[tuple[int, dict[str, Any]]]:
    for group in optimiser.param_groups:
        yield from ((id(parameter), group) for parameter in group["params"])
