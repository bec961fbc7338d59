"""Multiplying compactors out: the plain, smaller model that answers as the masked one.

With kept indices `in` and `out`: W' = C_r[out, :] W C_l[:, in], b' = (C_r b)[out], E' = E C[H, :]^T
for the embedding tables, and gamma[H], beta[H] of the layer norms (docs/methods).
"""

import math

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from zoo.compact.compactors import Compacted, CompactedNorm
from zoo.compact.groups import LEFT, NORM, RIGHT, Places, groups_of, places_of
from zoo.compact.ledger import Masks
from zoo.models.anatomy import embeddings_of
from zoo.models.build import ATTENTION, MASKED_LM, configuration, shape_of
from zoo.spec.shape import Shape

Tensors = dict[str, Tensor]


@torch.no_grad()
def merged_model(
    trainee: PreTrainedModel, masks: Masks, shape: Shape, *, rescale_query: bool
) -> PreTrainedModel:
    """The plain model of a shape that the masks leave; its decoder is not tied to its embeddings.

    `rescale_query` multiplies queries with sqrt(head width / the teacher's), so that scores stay
    as they were although the student divides them by the root of a narrower head.
    """
    student = _plain(trainee, shape)
    tensors = _Cut(trainee, places_of(trainee), masks).tensors()
    if rescale_query:
        before = shape_of(trainee.config)
        scale = math.sqrt((shape.hidden // shape.heads) / (before.hidden // before.heads))
        for block in places_of(trainee).blocks:
            tensors[f"{block.query}.weight"] *= scale
            tensors[f"{block.query}.bias"] *= scale
    student.load_state_dict(tensors)
    return student.to(trainee.device)


def _plain(trainee: PreTrainedModel, shape: Shape) -> PreTrainedModel:
    """A model of the shape that is in all else as the trainee's configuration says."""
    config = configuration(shape, MASKED_LM, like=trainee.config)
    config.tie_word_embeddings = False
    # Its random weights are all replaced; a resumed training must not notice that they were drawn.
    with torch.random.fork_rng(devices=[]):
        model = MASKED_LM.auto_class.from_config(config, attn_implementation=ATTENTION)
    assert isinstance(model, PreTrainedModel)
    return model


class _Cut:
    """A trainee whose tensors are read merged and cut, under the names of a plain model."""

    def __init__(self, trainee: PreTrainedModel, places: Places, masks: Masks) -> None:
        self._trainee, self._places = trainee, places
        self._masks: Masks = {
            member.parameter: masks[group.key]
            for group in groups_of(places)
            for member in group.members
        }

    def tensors(self) -> Tensors:
        """All tensors of the plain model."""
        places = self._places
        found = self._embeddings()
        for name in (*places.linears, places.decoder):
            found |= self._linear(name)
        for name in places.norms:
            found |= self._norm(name, name)
        return found | self._others(found)

    def _embeddings(self) -> Tensors:
        """Every table times the compactor: it is linear and has no bias, so it acts on each."""
        name = self._places.embeddings_norm
        module = self._trainee.get_submodule(name)
        assert isinstance(module, CompactedNorm)
        # Multiplied out in double: rounding of three products would show beside the masked model.
        rows = module.right.weight.double()[self._masks[f"{name}.{RIGHT}"]]
        tables = embeddings_of(self._trainee)
        prefix = name.rpartition(".")[0]
        found = {
            f"{prefix}.{table}.weight": _single(part.weight.double() @ rows.mT, part.weight)
            for table, part in tables.named_children()
            if isinstance(part, nn.Embedding)
        }
        return found | self._norm(name, f"{name}.{NORM}")

    def _linear(self, name: str) -> Tensors:
        module = self._trainee.get_submodule(name)
        assert isinstance(module, Compacted)
        weight, bias = module.linear.weight, module.linear.bias
        ours, added = weight.double(), bias.double()
        if module.right is not None:
            rows = module.right.weight.double()[self._masks[f"{name}.{RIGHT}"]]
            ours, added = rows @ ours, rows @ added
        ours = ours @ module.left.weight.double()[:, self._masks[f"{name}.{LEFT}"]]
        return {f"{name}.weight": _single(ours, weight), f"{name}.bias": _single(added, bias)}

    def _norm(self, name: str, held: str) -> Tensors:
        mask = self._masks[f"{held}.weight"]
        parts = (
            (kind, self._trainee.get_parameter(f"{held}.{kind}")) for kind in ("weight", "bias")
        )
        return {f"{name}.{kind}": parameter[mask] for kind, parameter in parts}

    def _others(self, found: Tensors) -> Tensors:
        """What stands beside all that, as a head's second name for the decoder's bias."""
        inside = (*found, self._places.embeddings_norm)
        modules = {name.rpartition(".")[0] for name in inside}
        return {
            name: parameter
            for name, parameter in self._trainee.named_parameters(remove_duplicate=False)
            if not any(name.startswith(f"{module}.") for module in modules)
        }


def _single(merged: Tensor, like: Tensor) -> Tensor:
    return merged.to(like.dtype)
