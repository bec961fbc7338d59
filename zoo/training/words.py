"""Terms on the logits of tokens: decoded only where they read, and never all at once.

Over a vocabulary, logits are most of a step's memory and much of its work. Each chunk's gradient is
taken as soon as its value is known, so that nothing is computed twice and no chunk's graph is kept.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from transformers import PreTrainedModel

from zoo.distil.stage import Stage
from zoo.distil.term import Term
from zoo.models.capture import Captured, last_states, word_logits
from zoo.models.tap import LOGITS, Tap
from zoo.tensors.batch import Batch

CHUNK_LOGITS = 1 << 24
"""How many logits of one network exist at a time: 64 MiB in float32."""


def reads_words(tap: Tap, stage: Stage) -> bool:
    """Whether a tap of a stage is on logits of tokens."""
    return tap == LOGITS and stage.data == "corpus"


def tap_on(model: PreTrainedModel, tap: Tap, stage: Stage) -> Tap:
    """Where a tap is read: logits of tokens are made of the last states, where terms ask."""
    return last_states(model) if reads_words(tap, stage) else tap


@dataclass(frozen=True)
class WordModel:
    """A masked language model, and its last states (B, S, H) on a batch."""

    model: PreTrainedModel
    states: Tensor

    @classmethod
    def of(cls, model: PreTrainedModel, seen: Captured) -> "WordModel":
        """The model with what was captured of it."""
        return cls(model, seen[last_states(model)])

    def states_at(self, places: Tensor) -> Tensor:
        """(N, H): the states at N positions."""
        return self.states.flatten(0, 1)[places]


def word_value(
    term: Term, batch: Batch, student: WordModel, teacher: WordModel | None, *, bf16: bool
) -> Tensor:
    """A term on logits of tokens; scalar. `bf16`: the student is decoded under autocast."""
    places = term.places(batch)
    size = max(1, CHUNK_LOGITS // int(student.model.config.vocab_size))
    chunks = torch.split(places, size)
    device = batch.input_ids.device.type

    def share(states: Tensor, chunk: Tensor) -> Tensor:
        narrowed = batch.at(chunk)
        ours = word_logits(student.model, states[None])
        # Outside of autocast: the teacher has a precision of its own, and a loss decides on its.
        with torch.autocast(device, enabled=False):
            theirs = narrowed.labels if teacher is None else _target(teacher, chunk)
            return term.loss(ours, theirs, narrowed) * (len(chunk) / max(1, len(places)))

    states = student.states_at(places)
    # One context around all chunks: it holds what autocast made of the weights.
    with torch.autocast(device, torch.bfloat16, enabled=bf16):
        if len(chunks) == 1 or not torch.is_grad_enabled():
            pieces = zip(torch.split(states, size), chunks, strict=True)
            return torch.stack([share(piece, chunk) for piece, chunk in pieces]).sum()
        trained = [each for each in student.model.parameters() if each.requires_grad]
        value: Tensor = _InChunks.apply(share, chunks, states, *trained)  # type: ignore[no-untyped-call]  # as torch has it
    return value


@torch.no_grad()
def _target(teacher: WordModel, chunk: Tensor) -> Tensor:
    return word_logits(teacher.model, teacher.states_at(chunk)[None])


class _InChunks(torch.autograd.Function):
    """The sum of `share(states, chunk)` over chunks."""

    @staticmethod
    def forward(
        context: Any,
        share: Callable[[Tensor, Tensor], Tensor],
        chunks: Sequence[Tensor],
        states: Tensor,
        *trained: nn.Parameter,
    ) -> Tensor:
        """The sum; the gradients that the way back needs are taken already."""
        values, of_states = [], []
        of_trained: list[Tensor | None] = [None] * len(trained)
        pieces = torch.split(states, [len(chunk) for chunk in chunks])
        for piece, chunk in zip(pieces, chunks, strict=True):
            leaf = piece.detach().requires_grad_()
            with torch.enable_grad():
                value = share(leaf, chunk)
            of_piece, *found = torch.autograd.grad(value, (leaf, *trained), allow_unused=True)
            values.append(value.detach())
            of_states.append(of_piece)
            of_trained = [_sum(*pair) for pair in zip(of_trained, found, strict=True)]
        context.gradients = (torch.cat(of_states), *of_trained)
        return torch.stack(values).sum()

    @staticmethod
    @once_differentiable
    def backward(context: Any, factor: Tensor) -> tuple[Tensor | None, ...]:
        """The gradients, as much as the sum counts."""
        gradients = (each if each is None else each * factor for each in context.gradients)
        return (None, None, *gradients)


def _sum(total: Tensor | None, more: Tensor | None) -> Tensor | None:
    if total is None or more is None:
        return more if total is None else total
    return total.add_(more)
