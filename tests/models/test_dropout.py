"""Dropout that draws sixteen bits an element."""

import pytest
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from tests import tiny
from zoo.models.anatomy import anatomy_of, layers_of
from zoo.models.capture import Capture, model_inputs
from zoo.models.dropout import Dropout, dropped
from zoo.models.tap import Site, Tap
from zoo.training.trainee import draw_cheaply, set_dropout

every_family = pytest.mark.parametrize("family", tiny.FAMILIES)
COUNT = 1_000_003
"""Not a multiple of the elements that one draw serves."""


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_drops_at_its_rate_and_keeps_the_mean(rate: float) -> None:
    """Within five standard errors; what is kept is scaled by what is left."""
    torch.manual_seed(0)
    found = dropped(torch.ones(COUNT), rate)
    share = float((found == 0).double().mean())
    error = (rate * (1 - rate) / COUNT) ** 0.5

    assert abs(share - rate) < 5 * error
    assert abs(float(found.double().mean()) - 1) < 5 * error / (1 - rate)
    assert torch.allclose(found[found != 0], torch.tensor(1 / (1 - rate)), rtol=1e-4)


def test_elements_are_dropped_independently() -> None:
    """Of neighbours, which one draw serves, and of elements many apart: correlations of chance."""
    torch.manual_seed(0)
    gone = (dropped(torch.ones(COUNT), 0.1) == 0).double() - 0.1
    for apart in (1, 2, 3, 4, 5, 624):
        correlation = float((gone[apart:] * gone[:-apart]).mean()) / 0.09
        assert abs(correlation) < 5 / COUNT**0.5, apart


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_gradient_passes_where_a_value_did(dtype: torch.dtype) -> None:
    """With the same scale; two generators of one seed drop out the same."""
    values = torch.ones(7, 13, dtype=dtype, requires_grad=True)
    torch.manual_seed(3)
    found = dropped(values, 0.5)
    (gradient,) = torch.autograd.grad(found.sum(), values)
    torch.manual_seed(3)

    assert torch.equal(gradient, found.detach())
    assert torch.equal(dropped(values, 0.5), found)
    assert found.dtype == gradient.dtype == dtype


def test_rates_that_sixteen_bits_do_not_have_are_none_or_all() -> None:
    """As in torch."""
    values = torch.ones(5)
    assert torch.equal(dropped(values, 0.0), values)
    assert torch.equal(dropped(values, 1.0), torch.zeros(5))
    assert torch.equal(Dropout(0.5).eval()(values), values)


@every_family
def test_a_model_drops_out_so_everywhere(family: str) -> None:
    """No dropout of torch is left; without dropout nothing changes, with it a seed decides."""
    made = tiny.model(tiny.STUDENT.model_copy(update={"family": family}), "sentiment")
    plain = [_logits(made, rate) for rate in (0.0, 0.1)]
    draw_cheaply(made)

    assert not any(type(module) is nn.Dropout for module in made.modules())
    assert torch.equal(_logits(made, 0.0), plain[0])
    assert torch.equal(_logits(made, 0.1), _logits(made, 0.1))
    assert not torch.equal(_logits(made, 0.1), plain[1])


def _logits(made: PreTrainedModel, rate: float) -> Tensor:
    set_dropout(made.train(), rate)
    torch.manual_seed(0)
    with torch.no_grad():
        logits: Tensor = made(**model_inputs(made, tiny.batch())).logits
    return logits


@every_family
def test_attention_drops_out_probabilities(family: str) -> None:
    """At rate 1 a context is zero, whatever the values."""
    made = tiny.model(tiny.STUDENT.model_copy(update={"family": family}), "sentiment")
    set_dropout(made.train(), 0.0)
    draw_cheaply(made)
    anatomy = anatomy_of(made)
    set_dropout(layers_of(made)[0].get_submodule(anatomy.attention_dropout), 1.0)
    context = Tap(Site.CONTEXT, 0)
    with torch.no_grad(), Capture(made, [context]) as capture:
        assert not capture(tiny.batch())[context].any()
