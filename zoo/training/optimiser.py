"""AdamW over parameter groups that cover every trained parameter once."""

from collections.abc import Iterable

import torch
from torch import nn
from torch.optim import AdamW

from zoo.spec.optimise import Optimise

ParameterRates = Iterable[tuple[nn.Parameter, float]]
"""Parameters, each with what its learning rate is multiplied with."""


def make_optimiser(parameters: ParameterRates, optimise: Optimise) -> AdamW:
    """AdamW on the parameters that require gradients; biases and layer norms do not decay.

    A group's `pace` multiplies the learning rate of its parameters.
    """
    groups: dict[tuple[float, float], dict[int, nn.Parameter]] = {}
    for parameter, pace in parameters:
        if parameter.requires_grad:
            decay = optimise.weight_decay if parameter.ndim > 1 else 0.0
            # By identity: a tied parameter that is listed twice must not step twice.
            groups.setdefault((pace, decay), {})[id(parameter)] = parameter
    return AdamW(
        [
            {"params": list(group.values()), "weight_decay": decay, "pace": pace}
            for (pace, decay), group in groups.items()
        ],
        lr=optimise.learning_rate,
        betas=(optimise.beta1, optimise.beta2),
        eps=optimise.epsilon,
        fused=True,
    )


def carry_moments(optimiser: AdamW, before: AdamW) -> AdamW:
    """`optimiser` with the moments of `before` for the parameters that both train."""
    for group in optimiser.param_groups:
        for parameter in group["params"]:
            if parameter in before.state:
                optimiser.state[parameter] = before.state[parameter]
    return optimiser


def clip_gradients(optimiser: torch.optim.Optimizer, limit: float | None) -> None:
    """Scale the whole gradient down to the norm `limit`; nothing when it is None."""
    if limit is not None:
        parameters = [p for group in optimiser.param_groups for p in group["params"]]
        torch.nn.utils.clip_grad_norm_(parameters, limit)
