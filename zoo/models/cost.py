"""What a model costs before anything is timed: its numbers, on disk too, and its arithmetic."""

import copy
import json
import math
from dataclasses import dataclass
from pathlib import Path

import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers import PreTrainedModel

from zoo.errors import CheckpointError, Problem, at
from zoo.models.anatomy import embeddings_of

_LENGTH_BYTES = 8
"""A safetensors file begins with the length of its header, an integer of eight bytes."""
_LARGEST_HEADER = 100_000_000
"""The format allows no longer one."""


@dataclass(frozen=True)
class Counts:
    """Parameters of a model; a tensor that serves twice counts once.

    `embedding` are those of the embedding layer: word, position and segment tables and their norm.
    """

    total: int
    embedding: int

    @property
    def non_embedding(self) -> int:
        """All the others."""
        return self.total - self.embedding


def parameter_counts(model: PreTrainedModel) -> Counts:
    """The parameters of `model`, whichever device it is on, meta included."""
    # parameters() yields a tied tensor once.
    return Counts(
        total=sum(parameter.numel() for parameter in model.parameters()),
        embedding=sum(parameter.numel() for parameter in embeddings_of(model).parameters()),
    )


def stored_parameters(path: Path) -> int:
    """How many numbers the safetensors file at `path` holds, read from its header alone.

    Raises:
        CheckpointError: it is not a safetensors file.
    """
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(_LENGTH_BYTES), "little")
            # A foreign file would otherwise be read whole, or the memory run out.
            header = json.loads(file.read(length if length <= _LARGEST_HEADER else 0))
        tensors = {name: entry for name, entry in header.items() if name != "__metadata__"}
        return sum(math.prod(entry["shape"]) for entry in tensors.values())
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(
            Problem(
                at(path),
                "not a safetensors file: the header is unreadable",
                "the model.safetensors of a checkpoint",
                "build the checkpoint again",
            )
        ) from error


def forward_flops(model: PreTrainedModel, length: int) -> int:
    """Floating-point operations of one forward pass over one sequence of `length` tokens.

    Products of matrices count 2 per multiply-add, as PyTorch counts them; norms, activations and
    additions of biases are left out. Nothing is computed: the pass runs on the meta device.
    """
    pieces = torch.ones(1, length, dtype=torch.long, device="meta")
    ghost = copy.deepcopy(model).to("meta").eval()
    # Fused attention is one operator, whose products the counter may not see.
    ghost.set_attn_implementation("eager")
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        ghost(input_ids=pieces)
    return int(counter.get_total_flops())
