"""The schedule by hand, groups that partition, and the clip."""

import pytest
import torch
from torch import nn

from tests import tiny
from zoo.distil.budget import Budget
from zoo.spec.optimise import Optimise
from zoo.training.optimiser import ParameterRates, carry_moments, clip_gradients, make_optimiser


def steady(*modules: nn.Module) -> ParameterRates:
    """All parameters, at the common pace."""
    return [(parameter, 1.0) for module in modules for parameter in module.parameters()]


@pytest.mark.parametrize(
    ("warmup", "decay", "steps", "expected"),
    [
        (0.5, "linear", 4, [0.5, 1.0, 1.0, 0.5]),
        (0.25, "linear", 8, [0.5, 1.0, 1.0, 5 / 6, 4 / 6, 3 / 6, 2 / 6, 1 / 6]),
        (0.0, "linear", 4, [1.0, 0.75, 0.5, 0.25]),
        (0.5, "constant", 4, [0.5, 1.0, 1.0, 1.0]),
        (0.1, "linear", 5, [1.0, 0.8, 0.6, 0.4, 0.2]),
        (1.0, "linear", 2, [0.5, 1.0]),
        (0.0, "linear", 1, [1.0]),
    ],
)
def test_the_rate_of_every_step(
    warmup: float, decay: str, steps: int, expected: list[float]
) -> None:
    """Linear up to the peak, then linear towards 0 (never at 0: no step is wasted) or constant."""
    optimise = Optimise(steps=steps, learning_rate=0.1, warmup=warmup, decay=decay)
    rates = [Budget(optimise, steps).rate(step) for step in range(1, steps + 1)]
    assert rates == pytest.approx([0.1 * rate for rate in expected])


@pytest.mark.parametrize("family", tiny.FAMILIES)
def test_groups_partition_what_is_trained(family: str) -> None:
    """Every parameter that asks for gradients once; matrices decay, biases and norms do not."""
    model = tiny.model(tiny.STUDENT.model_copy(update={"family": family}))
    projection = nn.ModuleDict({"wider": nn.Linear(3, 4)})
    model.get_input_embeddings().weight.requires_grad_(False)
    optimise = Optimise(steps=1, weight_decay=0.3, beta1=0.8, beta2=0.9, epsilon=1e-5)
    optimiser = make_optimiser(steady(model, projection), optimise)
    decayed, plain = optimiser.param_groups
    ids = [id(p) for group in (decayed, plain) for p in group["params"]]
    wanted = [p for m in (model, projection) for p in m.parameters() if p.requires_grad]
    assert sorted(ids) == sorted(id(p) for p in wanted)
    assert all(p.ndim == 2 for p in decayed["params"])
    assert all(p.ndim == 1 for p in plain["params"])
    assert (decayed["weight_decay"], plain["weight_decay"]) == (0.3, 0.0)
    assert (decayed["betas"], decayed["eps"]) == ((0.8, 0.9), 1e-5)


def test_the_clip_is_of_the_whole_gradient() -> None:
    """A norm of 5 over two parameters becomes the limit, a smaller one and no limit leave it."""
    first, second = (nn.Parameter(torch.zeros(1, 1)) for _ in range(2))
    optimiser = torch.optim.AdamW([{"params": [first]}, {"params": [second]}])
    for limit, expected in ((1.0, 1.0), (10.0, 5.0), (None, 5.0)):
        first.grad, second.grad = torch.full((1, 1), 3.0), torch.full((1, 1), 4.0)
        clip_gradients(optimiser, limit)
        norm = torch.cat([first.grad, second.grad]).norm()
        assert float(norm) == pytest.approx(expected, abs=1e-4)


def test_moments_go_with_their_parameters() -> None:
    """Shared parameters keep their moments whatever group they are in; new ones begin anew."""
    shared, gone, new = (nn.Linear(2, 2) for _ in range(3))
    before = make_optimiser(steady(shared, gone), Optimise(steps=1))
    sum(layer(torch.ones(1, 2)).sum() for layer in (shared, gone)).backward()
    before.step()
    after = carry_moments(make_optimiser(steady(new, shared), Optimise(steps=1)), before)
    assert set(after.state) == set(shared.parameters())
    assert float(after.state[shared.bias]["step"]) == 1.0
