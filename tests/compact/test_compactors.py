"""Compactors and masked norms compute what their equations say."""

import pytest
import torch
from torch import nn

from tests import tiny
from zoo.compact.compactors import Compacted, MaskedNorm
from zoo.compact.groups import places_of
from zoo.compact.trainee import open_trainee
from zoo.models.capture import Capture, model_inputs
from zoo.models.tap import LOGITS, Site, Tap


@pytest.mark.parametrize("family", tiny.FAMILIES)
def test_identity_compactors_change_nothing(family: str) -> None:
    """Invariant 1: the same logits within 1e-6, and the teacher is as it was."""
    shape = tiny.STUDENT.model_copy(update={"family": family})
    teacher = tiny.frozen(tiny.model(shape, seed=7))
    before = tiny.weights(teacher)
    trainee = open_trainee(teacher, 3).eval()
    inputs = model_inputs(teacher, tiny.batch())
    assert torch.allclose(teacher(**inputs).logits, trainee(**inputs).logits, atol=1e-6, rtol=0)
    assert all(torch.equal(tensor, before[key]) for key, tensor in teacher.state_dict().items())
    shared = {p.data_ptr() for p in teacher.parameters()}
    assert not shared & {p.data_ptr() for p in trainee.parameters()}
    decoder = trainee.get_submodule(places_of(trainee).decoder)
    assert decoder.linear.weight is not trainee.get_input_embeddings().weight


def test_taps_read_a_trainee_as_they_read_its_teacher() -> None:
    """Names stay, so that a stage may have terms beside the surgery."""
    teacher = tiny.frozen(tiny.model(seed=7))
    trainee = open_trainee(teacher, 3).eval()
    taps = {
        LOGITS,
        Tap(Site.EMBEDDINGS),
        *(Tap(site, 1) for site in Site if site not in (Site.LOGITS, Site.EMBEDDINGS)),
    }
    with torch.no_grad(), Capture(teacher, taps) as theirs, Capture(trainee, taps) as ours:
        expected, found = theirs(tiny.batch()), ours(tiny.batch())
    for tap in taps:
        assert torch.allclose(found[tap], expected[tap], atol=1e-5), tap


@pytest.mark.parametrize("right", [True, False])
def test_a_compacted_map_is_its_three_maps_in_turn(right: bool) -> None:
    """y = ((x C_l^T) W^T + b) C_r^T, though the matrices are multiplied first; gradients too."""
    torch.manual_seed(0)
    unit = Compacted(nn.Linear(5, 3), right=right).double()
    for parameter in unit.parameters():
        nn.init.normal_(parameter)
    inputs = torch.randn(2, 7, 5, dtype=torch.float64)
    expected = unit.linear(unit.left(inputs))
    expected = unit.right(expected) if unit.right is not None else expected
    assert torch.allclose(unit(inputs), expected)
    parameters = list(unit.parameters())
    ours = torch.autograd.grad(unit(inputs).square().sum(), parameters)
    theirs = torch.autograd.grad(expected.square().sum(), parameters)
    assert all(torch.allclose(*pair) for pair in zip(ours, theirs, strict=True))


def test_a_masked_norm_is_the_norm_of_what_is_kept() -> None:
    """On the kept dimensions it equals a layer norm of just those; it still outputs all."""
    torch.manual_seed(0)
    norm = nn.LayerNorm(11, eps=1e-3).double()
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    inputs = torch.randn(2, 3, 11, dtype=torch.float64)
    masked = MaskedNorm(norm)
    assert torch.allclose(masked(inputs), norm(inputs), atol=1e-12)
    mask = torch.arange(11) % 3 != 1
    masked.kept.copy_(mask)
    small = nn.functional.layer_norm(
        inputs[..., mask], (int(mask.sum()),), norm.weight[mask], norm.bias[mask], norm.eps
    )
    assert torch.allclose(masked(inputs)[..., mask], small, atol=1e-12)
    assert masked(inputs)[..., ~mask].abs().min() > 0


def test_statistics_are_full_under_autocast() -> None:
    """Means of bf16 values are taken in float32, as torch's own layer norm does."""
    masked = MaskedNorm(nn.LayerNorm(64))
    inputs = 100 + torch.randn(3, 64, generator=torch.Generator().manual_seed(1))
    with torch.autocast("cpu", torch.bfloat16):
        found = masked(inputs.bfloat16())
    exact = nn.functional.layer_norm(inputs.bfloat16().double(), (64,))
    assert found.dtype == torch.float32
    assert torch.allclose(found.double(), exact, atol=1e-3)
