"""The groups cover every dimension once, and agree on the residual stream."""

from collections import Counter

import pytest
from torch import nn
from transformers import PreTrainedModel

from tests import tiny
from zoo.compact.compactors import Compacted, CompactedNorm, MaskedNorm
from zoo.compact.groups import Group, groups_of, places_of
from zoo.compact.trainee import open_trainee

every_family = pytest.mark.parametrize("family", tiny.FAMILIES)


def trainee(family: str = "bert") -> PreTrainedModel:
    shape = tiny.STUDENT.model_copy(update={"family": family})
    return open_trainee(tiny.frozen(tiny.model(shape)), 3)


def groups(model: PreTrainedModel) -> dict[str, Group]:
    return {group.key: group for group in groups_of(places_of(model))}


@every_family
def test_groups_partition_what_can_be_pruned(family: str) -> None:
    """Every row of right compactors, column of left ones, bias and scale belongs to one group."""
    model = trainee(family)
    decoder = places_of(model).decoder
    expected = {
        name
        for name, parameter in model.named_parameters(remove_duplicate=False)
        if ".right." in name
        or ".left." in name
        or (parameter.ndim == 1 and (".linear." in name or "orm." in name))
    } - {f"{decoder}.linear.bias"}
    members = [member for group in groups(model).values() for member in group.members]
    assert {member.parameter: 1 for member in members} == Counter(m.parameter for m in members)
    assert {member.parameter for member in members} == expected
    for member in members:
        assert member.axis == (".left." in member.parameter)
    norms = [name for group in groups(model).values() for name in group.norms]
    held = [name for name, part in model.named_modules() if isinstance(part, MaskedNorm)]
    assert sorted(norms) == sorted(held)


@every_family
def test_every_linear_map_is_compacted(family: str) -> None:
    """Nothing of the encoder or the head stays as it was; the decoder has no right compactor."""
    model = trainee(family)
    held = {name for name, part in model.named_modules() if isinstance(part, Compacted)}
    plain = {name for name, part in model.named_modules() if isinstance(part, nn.Linear)}
    assert plain == {f"{name}.linear" for name in held}
    assert len(held) == 6 * tiny.STUDENT.layers + 2
    assert not [part for part in model.modules() if isinstance(part, nn.LayerNorm)]
    assert sum(isinstance(part, CompactedNorm) for part in model.modules()) == 1
    without = [name for name in held if model.get_submodule(name).right is None]
    assert without == [places_of(model).decoder]


def test_the_residual_stream_is_one_group() -> None:
    """Invariant 3: whatever writes to it or reads from it uses H; q, k and v share A of a layer."""
    model = trainee()
    found, places = groups(model), places_of(model)
    stream = {member.parameter for member in found["hidden"].members}
    for layer, block in enumerate(places.blocks):
        readers = block.query, block.key, block.value
        assert {f"{name}.left.weight" for name in (*readers, block.inner)} <= stream
        written = block.attention_output, block.output
        assert {
            f"{name}.{part}" for name in written for part in ("right.weight", "linear.bias")
        } <= (stream)
        heads = {member.parameter for member in found[f"attention_{layer}"].members}
        assert heads == {
            *(f"{name}.{part}" for name in readers for part in ("right.weight", "linear.bias")),
            f"{block.attention_output}.left.weight",
        }
        assert {member.parameter for member in found[f"inner_{layer}"].members} == {
            f"{block.inner}.right.weight",
            f"{block.inner}.linear.bias",
            f"{block.output}.left.weight",
        }
    assert f"{places.embeddings_norm}.right.weight" in stream
    assert f"{places.head_dense}.left.weight" in stream
    assert found["hidden"].measured == f"{places.blocks[0].value}.left.weight"
    assert found["head"].measured == f"{places.decoder}.left.weight"
