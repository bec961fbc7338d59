"""Tiny random models of every supported layout."""

from collections.abc import Callable

import pytest
import torch
from transformers import (
    AutoModelForQuestionAnswering,
    AutoModelForSequenceClassification,
    BertConfig,
    DistilBertConfig,
    ElectraConfig,
    PretrainedConfig,
    PreTrainedModel,
    RobertaConfig,
)

MODELS = (
    "bert-classes",
    "bert-value",
    "bert-span",
    "distilbert-classes",
    "distilbert-span",
    "roberta-classes",
    "electra-span",
)

_SIZES = {
    "vocab_size": 100,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "max_position_embeddings": 64,
    "initializer_range": 0.3,
}
_DISTILBERT_SIZES = {
    "vocab_size": 100,
    "dim": 32,
    "n_layers": 2,
    "n_heads": 4,
    "hidden_dim": 64,
    "max_position_embeddings": 64,
    "initializer_range": 0.3,
}


def _config(family: str, labels: int) -> PretrainedConfig:
    if family == "distilbert":
        return DistilBertConfig(**_DISTILBERT_SIZES, num_labels=labels)
    if family == "roberta":
        return RobertaConfig(**_SIZES, type_vocab_size=1, num_labels=labels)
    if family == "electra":
        return ElectraConfig(**_SIZES, embedding_size=16, num_labels=labels)
    return BertConfig(**_SIZES, num_labels=labels)


@pytest.fixture
def tiny_model() -> Callable[[str], PreTrainedModel]:
    """A random model by family and head, with logits of ordinary size, in training mode."""

    def make(name: str) -> PreTrainedModel:
        family, head = name.split("-")
        labels = {"classes": 3, "value": 1, "span": 2}[head]
        auto = (
            AutoModelForQuestionAnswering if head == "span" else AutoModelForSequenceClassification
        )
        torch.manual_seed(7)
        return auto.from_config(_config(family, labels)).train()

    return make
