"""The groups whose dimensions live and die together, by the names of their tensors.

H  the residual stream          A  the heads of a layer, side by side
F  inside a feed-forward net    M  inside the masked-piece head
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from transformers import PreTrainedModel

from zoo.compact.schedule import GroupName
from zoo.models.anatomy import Anatomy, anatomy_of, layers_of

LEFT, RIGHT = "left.weight", "right.weight"
"""Compactors within a module: on a linear map's input, pruned by columns; on its output, by
rows."""
BIAS = "linear.bias"
NORM = "norm"
"""The layer norm within the module that also holds the embeddings' compactor."""


class Member(NamedTuple):
    """A parameter of the trainee, and the axis along which its group's mask lies."""

    parameter: str
    axis: int


@dataclass(frozen=True)
class Group:
    """Parameters that share one mask, and the layer norms whose statistics are taken over it.

    The mask is chosen by the column norms of the left compactor `measured`.
    """

    name: GroupName
    measured: str
    members: tuple[Member, ...]
    norms: tuple[str, ...] = ()
    layer: int | None = None

    @property
    def key(self) -> str:
        """What distinguishes it from others."""
        return self.name if self.layer is None else f"{self.name}_{self.layer}"


@dataclass(frozen=True)
class LayerPlaces:
    """The full names of one layer's modules."""

    query: str
    key: str
    value: str
    attention_output: str
    attention_norm: str
    inner: str
    output: str
    output_norm: str

    @property
    def linears(self) -> tuple[str, ...]:
        """The linear maps."""
        readers = self.query, self.key, self.value
        return (*readers, self.attention_output, self.inner, self.output)

    @property
    def norms(self) -> tuple[str, ...]:
        """The layer norms."""
        return self.attention_norm, self.output_norm


@dataclass(frozen=True)
class Places:
    """The full names of everything in a masked language model that compactors are put into."""

    embeddings_norm: str
    blocks: tuple[LayerPlaces, ...]
    head_dense: str
    head_norm: str
    decoder: str

    @property
    def linears(self) -> tuple[str, ...]:
        """The linear maps, but the decoder."""
        return (*(name for block in self.blocks for name in block.linears), self.head_dense)

    @property
    def norms(self) -> tuple[str, ...]:
        """The layer norms, but the one of the embeddings."""
        inside = (
            name for block in self.blocks for name in (block.attention_norm, block.output_norm)
        )
        return (*inside, self.head_norm)


def places_of(model: PreTrainedModel) -> Places:
    """Where compactors go in a masked language model."""
    anatomy, base = anatomy_of(model), model.base_model_prefix
    blocks = tuple(
        _block(anatomy, f"{base}.{anatomy.layers}.{layer}")
        for layer in range(len(layers_of(model)))
    )
    return Places(
        embeddings_norm=f"{base}.{anatomy.embeddings_norm}",
        blocks=blocks,
        head_dense=anatomy.head_dense,
        head_norm=anatomy.head_norm,
        decoder=anatomy.decoder,
    )


def _block(anatomy: Anatomy, layer: str) -> LayerPlaces:
    return LayerPlaces(
        query=f"{layer}.{anatomy.query}",
        key=f"{layer}.{anatomy.key}",
        value=f"{layer}.{anatomy.value}",
        attention_output=f"{layer}.{anatomy.attention_output}",
        attention_norm=f"{layer}.{anatomy.attention_norm}",
        inner=f"{layer}.{anatomy.inner}",
        output=f"{layer}.{anatomy.output}",
        output_norm=f"{layer}.{anatomy.output_norm}",
    )


def groups_of(places: Places) -> tuple[Group, ...]:
    """All groups: H, then A and F of every layer, then M."""
    inside = [
        group
        for layer, block in enumerate(places.blocks)
        for group in (_attention(block, layer), _inner(block, layer))
    ]
    return (_hidden(places), *inside, _head(places))


def _hidden(places: Places) -> Group:
    """The embedding compactor's rows, and what reads or writes the residual stream."""
    inside = (name for block in places.blocks for name in block.norms)
    norms = f"{places.embeddings_norm}.{NORM}", *inside
    members = [Member(f"{places.embeddings_norm}.{RIGHT}", 0)]
    for block in places.blocks:
        readers = block.query, block.key, block.value, block.inner
        members += [Member(f"{name}.{LEFT}", 1) for name in readers]
        members += _written(block.attention_output, block.output)
    members.append(Member(f"{places.head_dense}.{LEFT}", 1))
    members += _scaled(*norms)
    return Group("hidden", f"{places.blocks[0].value}.{LEFT}", tuple(members), norms=norms)


def _attention(block: LayerPlaces, layer: int) -> Group:
    written = _written(block.query, block.key, block.value)
    read = f"{block.attention_output}.{LEFT}"
    return Group("attention", read, (*written, Member(read, 1)), layer=layer)


def _inner(block: LayerPlaces, layer: int) -> Group:
    read = f"{block.output}.{LEFT}"
    return Group("inner", read, (*_written(block.inner), Member(read, 1)), layer=layer)


def _head(places: Places) -> Group:
    read = f"{places.decoder}.{LEFT}"
    members = (*_written(places.head_dense), *_scaled(places.head_norm), Member(read, 1))
    return Group("head", read, members, norms=(places.head_norm,))


def _written(*linears: str) -> Iterator[Member]:
    """Right compactors and biases of maps whose output is the group's."""
    for name in linears:
        yield from (Member(f"{name}.{part}", 0) for part in (RIGHT, BIAS))


def _scaled(*norms: str) -> Iterator[Member]:
    for name in norms:
        yield from (Member(f"{name}.{part}", 0) for part in ("weight", "bias"))
