"""The first weights of a new masked-language-model head."""

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from zoo.models.anatomy import anatomy_of


def start_word_head(model: PreTrainedModel, log_frequencies: Tensor) -> None:
    """Let the head of a masked language model start as the identity, with unigrams as its bias.

    `log_frequencies` (V,) are those of the pieces in a corpus. The decoder stays tied: a state
    begins by predicting the pieces whose embeddings it resembles.
    """
    anatomy = anatomy_of(model)
    dense, norm, decoder = map(
        model.get_submodule, (anatomy.head_dense, anatomy.head_norm, anatomy.decoder)
    )
    nn.init.eye_(dense.get_parameter("weight"))
    nn.init.zeros_(dense.get_parameter("bias"))
    nn.init.ones_(norm.get_parameter("weight"))
    nn.init.zeros_(norm.get_parameter("bias"))
    with torch.no_grad():
        decoder.get_parameter("bias").copy_(log_frequencies)
