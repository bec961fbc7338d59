"""Tiny random models of every supported layout, and padded batches for them."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
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

SHAPES = ((1, 5), (3, 17), (8, 32), (2, 60))
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


@pytest.fixture
def batches() -> list[dict[str, Tensor]]:
    """Batches of four shapes; every row but the first is padded, to a different length."""
    generator = torch.Generator().manual_seed(11)
    made = []
    for batch, length in SHAPES:
        pieces = torch.randint(5, 100, (batch, length), generator=generator)
        real = torch.tensor([max(2, length - 3 * row) for row in range(batch)])
        mask = (torch.arange(length) < real[:, None]).long()
        segments = (torch.arange(length) >= real[:, None] // 2).long() * mask
        made.append(
            {
                "input_ids": torch.where(mask.bool(), pieces, 1),
                "attention_mask": mask,
                "token_type_ids": segments,
            }
        )
    return made
