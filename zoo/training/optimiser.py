"""AdamW over parameter groups that cover every trained parameter once, and its schedule."""

from collections.abc import Iterable

import torch
from torch import nn
from torch.optim import AdamW

from zoo.spec.optimise import Optimise


def make_optimiser(modules: Iterable[nn.Module], optimise: Optimise) -> AdamW:
    """AdamW on the parameters that ask for gradients; biases and layer norms do not decay."""
    trained: dict[int, nn.Parameter] = {}
    for module in modules:
        for parameter in module.parameters():
            if parameter.requires_grad:
                trained[id(parameter)] = parameter
    decayed = [parameter for parameter in trained.values() if parameter.ndim > 1]
    plain = [parameter for parameter in trained.values() if parameter.ndim <= 1]
    assert len(decayed) + len(plain) == len(trained)
    return AdamW(
        [
            {"params": decayed, "weight_decay": optimise.weight_decay},
            {"params": plain, "weight_decay": 0.0},
        ],
        lr=optimise.learning_rate,
        betas=(optimise.beta1, optimise.beta2),
        eps=optimise.epsilon,
        fused=True,
    )


def carried(optimiser: AdamW, before: AdamW) -> AdamW:
    """`optimiser` with the moments of `before` for the parameters that both train."""
    for group in optimiser.param_groups:
        for parameter in group["params"]:
            if parameter in before.state:
                optimiser.state[parameter] = before.state[parameter]
    return optimiser


def learning_rate(optimise: Optimise, step: int, steps: int) -> float:
    """The rate of a step (from 1): linear warm-up, then linear decay to 0 or constant."""
    warmup = int(optimise.warmup * steps)
    if step <= warmup:
        return optimise.learning_rate * step / warmup
    if optimise.decay == "constant":
        return optimise.learning_rate
    return optimise.learning_rate * (steps - step + 1) / (steps - warmup)


def clip_gradients(optimiser: torch.optim.Optimizer, limit: float | None) -> None:
    """Scale the whole gradient down to the norm `limit`; nothing when it is None."""
    if limit is not None:
        parameters = [p for group in optimiser.param_groups for p in group["params"]]
        torch.nn.utils.clip_grad_norm_(parameters, limit)
