"""What is kept of a teacher's answers to a data set, and how a batch's are read from it.

B batch, S length, H width, T tokens of all sequences together.
"""

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from itertools import chain

import numpy as np
import torch
from torch import Tensor

from zoo.data.batches import LAYOUTS, Encoded, in_length_order
from zoo.distil.term import Positions, Term
from zoo.models.capture import Captured, read, sources_of
from zoo.models.tap import LOGITS, Site, Tap
from zoo.resolve.plan import Phase
from zoo.spec.base import digest
from zoo.tensors.batch import Batch, Layout
from zoo.training.teacher_store import KeptPart

FILL_ROWS = 32
"""Sequences that the teacher reads at once to fill a store."""
_RELATING = frozenset({Site.QUERY, Site.KEY, Site.VALUE, Site.SCORES})
"""Sites of which a loss relates every position to all others."""


def parts_of(phase: Phase, layout: Layout) -> frozenset[KeptPart] | None:
    """What must be kept for the terms of a phase; None where a loss depends on padding too."""
    widest: dict[Tap, Positions] = {}
    for term in phase.stage.terms:
        positions = _positions(term, layout)
        if term.teacher is None:
            continue
        if positions == "all":
            return None
        for source in sources_of([term.teacher]):
            if widest.get(source) != "real":
                widest[source] = positions
    return frozenset(KeptPart(*pair) for pair in widest.items())


def _positions(term: Term, layout: Layout) -> Positions:
    if term.teacher == LOGITS:
        return "real" if layout is Layout.SPAN else "first"
    if term.reads == "first" and term.teacher and term.teacher.site in _RELATING:
        return "real"
    return term.reads


@dataclass(frozen=True)
class Sequences:
    """The sequences of a data set in the order in which they are kept: by length.

    Of each row, its `lengths`, its `places` among all, and where its tokens start among all (T).
    """

    batches: list[list[int]]
    lengths: Tensor
    places: Tensor
    starts: Tensor
    layout: Layout
    sha256: str
    """Of all that a teacher reads of them, so of tokenizer, truncation and stride."""

    @classmethod
    def of(cls, encoded: Encoded) -> "Sequences":
        """Those of a tokenised split."""
        batches = in_length_order(encoded, FILL_ROWS)
        order = torch.tensor([*chain.from_iterable(batches)])
        lengths = torch.tensor([len(feature.input_ids) for feature in encoded.features])
        places, starts = torch.empty_like(order), torch.empty_like(order)
        places[order] = torch.arange(len(order))
        starts[order] = lengths[order].cumsum(0) - lengths[order]
        layout = LAYOUTS[encoded.task.kind]
        return cls(batches, lengths, places, starts, layout, _pieces_sha256(encoded, lengths))

    @property
    def tokens(self) -> int:
        """How many there are in all."""
        return int(self.lengths.sum())


def _pieces_sha256(encoded: Encoded, lengths: Tensor) -> str:
    features = encoded.features
    columns = (
        chain.from_iterable(feature.input_ids for feature in features),
        chain.from_iterable(feature.token_type_ids for feature in features),
    )
    hashes = [hashlib.sha256(lengths.numpy().data)]
    hashes += [hashlib.sha256(np.fromiter(column, np.int64).data) for column in columns]
    return digest([encoded.pad_id, *(each.hexdigest() for each in hashes)])


@dataclass(frozen=True)
class Kept:
    """Targets that are read from memory-mapped parts, each one row of numbers.

    Padding is 0 in them, and of states of which only the first tokens are kept S is 1.
    """

    sequences: Sequences
    parts: Mapping[KeptPart, Tensor]
    taps: Collection[Tap]
    heads: int
    device: torch.device

    @property
    def model(self) -> None:
        """The teacher is not at hand."""
        return

    def __call__(self, batch: Batch) -> Captured:
        """Those at the taps, of the rows that the batch names."""
        return read(self.taps, self.sources(batch), self.heads)

    def sources(self, batch: Batch) -> Captured:
        """What they are read from."""
        rows, width = torch.tensor(batch.rows), batch.input_ids.shape[1]
        return {
            part.tap: (
                self._of_rows(part, rows)
                if part.positions == "first"
                else self._of_tokens(part, rows, width)
            ).to(self.device)
            for part in self.parts
        }

    def _of_rows(self, part: KeptPart, rows: Tensor) -> Tensor:
        """(B, C) logits, or (B, 1, H) states."""
        kept = self.parts[part].view(len(self.sequences.lengths), -1)[self.sequences.places[rows]]
        return kept if part.tap == LOGITS else kept[:, None]

    def _of_tokens(self, part: KeptPart, rows: Tensor, width: int) -> Tensor:
        """(B, S, H) states, or (B, S, 2) logits of spans."""
        kept = self.parts[part].view(self.sequences.tokens, -1)
        positions = torch.arange(width)
        real = positions < self.sequences.lengths[rows][:, None]
        padded = kept.new_zeros((len(rows), width, kept.shape[1]))
        padded[real] = kept[(self.sequences.starts[rows][:, None] + positions)[real]]
        return padded
