"""Names of the parts in each Hugging Face family: a table and a few queries."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from torch import nn
from transformers import PreTrainedModel

from zoo.errors import CheckpointError, Problem


@dataclass(frozen=True)
class Anatomy:
    """Names within one family.

    Layer parts are relative to a layer, the parts of the masked-piece head (`head_dense`,
    `head_norm`, `decoder`, and `decoding`, the modules from last states to logits in order) to the
    model with that head, the rest to the base model.
    """

    embeddings: str
    embeddings_norm: str
    positions: str
    layers: str
    query: str
    key: str
    value: str
    attention_dropout: str
    attention_output: str
    attention_output_dropout: str | None
    attention_norm: str
    inner: str
    activation: str
    output: str
    output_dropout: str
    output_norm: str
    head_dense: str
    head_norm: str
    decoder: str
    decoding: tuple[str, ...]
    token_types: bool

    @property
    def head(self) -> tuple[str, str]:
        """The parts of the masked-piece head that no table of the encoder is tied to."""
        return self.head_dense, self.head_norm


_BERT = Anatomy(
    embeddings="embeddings",
    embeddings_norm="embeddings.LayerNorm",
    positions="embeddings.position_embeddings",
    layers="encoder.layer",
    query="attention.self.query",
    key="attention.self.key",
    value="attention.self.value",
    attention_dropout="attention.self.dropout",
    attention_output="attention.output.dense",
    attention_output_dropout="attention.output.dropout",
    attention_norm="attention.output.LayerNorm",
    inner="intermediate.dense",
    activation="intermediate.intermediate_act_fn",
    output="output.dense",
    output_dropout="output.dropout",
    output_norm="output.LayerNorm",
    head_dense="cls.predictions.transform.dense",
    head_norm="cls.predictions.transform.LayerNorm",
    decoder="cls.predictions.decoder",
    decoding=("cls.predictions",),
    token_types=True,
)
_ROBERTA = replace(
    _BERT,
    head_dense="lm_head.dense",
    head_norm="lm_head.layer_norm",
    decoder="lm_head.decoder",
    decoding=("lm_head",),
)
_ELECTRA = replace(
    _BERT,
    head_dense="generator_predictions.dense",
    head_norm="generator_predictions.LayerNorm",
    decoder="generator_lm_head",
    decoding=("generator_predictions", "generator_lm_head"),
)
_DISTILBERT = Anatomy(
    embeddings="embeddings",
    embeddings_norm="embeddings.LayerNorm",
    positions="embeddings.position_embeddings",
    layers="transformer.layer",
    query="attention.q_lin",
    key="attention.k_lin",
    value="attention.v_lin",
    attention_dropout="attention.dropout",
    attention_output="attention.out_lin",
    attention_output_dropout=None,
    attention_norm="sa_layer_norm",
    inner="ffn.lin1",
    activation="ffn.activation",
    output="ffn.lin2",
    output_dropout="ffn.dropout",
    output_norm="output_layer_norm",
    head_dense="vocab_transform",
    head_norm="vocab_layer_norm",
    decoder="vocab_projector",
    decoding=("vocab_transform", "activation", "vocab_layer_norm", "vocab_projector"),
    token_types=False,
)
FAMILIES = {"bert": _BERT, "roberta": _ROBERTA, "electra": _ELECTRA, "distilbert": _DISTILBERT}

LAYER_TO_DISTILBERT = {
    "attention.self.query": "attention.q_lin",
    "attention.self.key": "attention.k_lin",
    "attention.self.value": "attention.v_lin",
    "attention.output.dense": "attention.out_lin",
    "attention.output.LayerNorm": "sa_layer_norm",
    "intermediate.dense": "ffn.lin1",
    "output.dense": "ffn.lin2",
    "output.LayerNorm": "output_layer_norm",
}
"""BERT's names within a layer, and DistilBERT's for the same tensors."""


def anatomy_of(model: PreTrainedModel) -> Anatomy:
    """The anatomy of a model's family.

    Raises:
        CheckpointError: its family is not one of the table.
    """
    family = str(model.config.model_type)
    if family not in FAMILIES:
        raise CheckpointError(
            Problem(
                f"a model of type {family!r}",
                "unsupported family",
                ", ".join(sorted(FAMILIES)),
                "add a row to FAMILIES in zoo/models/anatomy.py",
            )
        )
    return FAMILIES[family]


def encoder_of(model: PreTrainedModel) -> nn.Module:
    """The base model: embeddings and layers without any head."""
    base: nn.Module = getattr(model, model.base_model_prefix)
    return base


def embeddings_of(model: PreTrainedModel) -> nn.Module:
    """The embedding layer."""
    return encoder_of(model).get_submodule(anatomy_of(model).embeddings)


def layers_of(model: PreTrainedModel) -> nn.ModuleList:
    """The transformer layers, first to last."""
    layers = encoder_of(model).get_submodule(anatomy_of(model).layers)
    assert isinstance(layers, nn.ModuleList)
    return layers


def word_head(model: PreTrainedModel) -> frozenset[str]:
    """The names of what only predicts masked tokens, in a model that does."""
    anatomy = anatomy_of(model)
    around = anatomy.decoder.rpartition(".")[0]
    roots = (*anatomy.head, anatomy.decoder, *([around] if around else []))
    tied = {id(parameter) for parameter in embeddings_of(model).parameters()}
    return frozenset(
        name
        for name, parameter in model.named_parameters(remove_duplicate=False)
        if name.startswith(tuple(f"{root}." for root in roots)) and id(parameter) not in tied
    )


def part_parameters(model: PreTrainedModel, part: str) -> Iterator[nn.Parameter]:
    """The parameters of a part: positions, embeddings, encoder (all layers), or head (the rest).

    A decoder tied to the word embeddings belongs to them, a pooler to the head. The `body` is the
    base model: embeddings, layers, and the pooler where there is one.
    """
    parts = {
        "positions": encoder_of(model).get_submodule(anatomy_of(model).positions).parameters,
        "embeddings": embeddings_of(model).parameters,
        "encoder": layers_of(model).parameters,
        "body": encoder_of(model).parameters,
    }
    if part in parts:
        yield from parts[part]()
        return
    body = (*parts["embeddings"](), *parts["encoder"]())
    inside = {id(parameter) for parameter in body}
    yield from (parameter for parameter in model.parameters() if id(parameter) not in inside)
