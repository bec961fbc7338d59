"""Replaceable modules: frozen layers of a teacher, and the one layer that succeeds them."""

import copy
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from zoo.models.anatomy import layers_of
from zoo.models.spare import StandIn


class Replaceable(StandIn):
    """Takes the place of a layer; in training it uses the successor with probability `rate`.

    In evaluation it always does. Every forward draws anew from torch's CPU generator. `rate` is
    extra state: it is saved with the weights, and reading it never waits for a device.
    """

    def __init__(
        self, predecessors: Sequence[nn.Module], successor: nn.Module, *, last: bool
    ) -> None:
        super().__init__()
        self.predecessors = nn.ModuleList(predecessors)
        self.successor = successor
        self.rate = 1.0
        self._last = last

    def forward(self, hidden: Tensor, *arguments: Any, **named: Any) -> Tensor:
        """(B, S, H) -> (B, S, H), with whatever else the family passes to its layers."""
        # On the CPU: drawn on a device, every layer would wait for its answer.
        succeeds = not self.training or float(torch.rand(())) < self.rate
        for layer in (self.successor,) if succeeds else self.predecessors:
            hidden = layer(hidden, *arguments, **named)
        if self._last and self.training and not hidden.requires_grad:
            # No module of this forward used its successor: there is nothing to learn, but the
            # loss must still have a graph to go backward through.
            hidden.requires_grad_()
        return hidden

    @property
    def ends(self) -> tuple[nn.Module, ...]:
        """The successor, and the last of its predecessors."""
        return self.successor, self.predecessors[-1]

    def get_extra_state(self) -> Tensor:
        """The rate, for a saved state."""
        return torch.tensor(self.rate, dtype=torch.float64)

    def set_extra_state(self, state: Tensor) -> None:
        """The rate of a saved state."""
        self.rate = float(state)


def with_modules(
    teacher: PreTrainedModel, depth: int, student: PreTrainedModel | None = None
) -> PreTrainedModel:
    """A copy of the teacher in `depth` modules; only the successors require gradients.

    Successors start as the student's layers, or as the teacher's first ones without a student.
    """
    trainee = copy.deepcopy(teacher).requires_grad_(requires_grad=False)
    layers = list(layers_of(trainee))
    successors = [copy.deepcopy(layer) for layer in layers[:depth]]
    if student is not None:
        for successor, layer in zip(successors, layers_of(student), strict=True):
            successor.load_state_dict(layer.state_dict())
    size = len(layers) // depth
    modules = [
        Replaceable(
            layers[index * size : (index + 1) * size],
            successor.requires_grad_(requires_grad=True),
            last=index == depth - 1,
        )
        for index, successor in enumerate(successors)
    ]
    return _refilled(trainee, modules)


def set_rate(trainee: PreTrainedModel, rate: float) -> None:
    """Set the probability of all modules."""
    for module in layers_of(trainee):
        assert isinstance(module, Replaceable)
        module.rate = rate


def with_successors(trainee: PreTrainedModel) -> PreTrainedModel:
    """The same model with its successors as layers, and without any predecessor."""
    return _refilled(trainee, [module.get_submodule("successor") for module in layers_of(trainee)])


def _refilled(model: PreTrainedModel, modules: Sequence[nn.Module]) -> PreTrainedModel:
    """The model with other layers; its configuration says how many."""
    # In place: the encoder holds this very list, under a name that families do not share.
    layers = layers_of(model)
    del layers[:]
    layers.extend(modules)
    model.config.num_hidden_layers = len(modules)
    return model
