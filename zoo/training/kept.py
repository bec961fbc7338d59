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

from zoo.data.batches import LAYOUTS, Encoded
from zoo.distil.term import Positions, Term
from zoo.models.capture import Captured, read, sources_of
from zoo.models.tap import LOGITS, Site, Tap
from zoo.resolve.plan import Phase
from zoo.spec.base import digest
from zoo.tensors.batch import Batch, Layout
from zoo.training.teacher_store import KeptFile, KeptPart

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
    """The sequences of a data set: their `lengths`, and where the tokens of each start (T)."""

    lengths: Tensor
    starts: Tensor
    layout: Layout
    sha256: str
    """Of all that a teacher reads of them, so of tokenizer, truncation and stride."""

    @classmethod
    def of(cls, encoded: Encoded) -> "Sequences":
        """Those of a tokenised split."""
        lengths = torch.tensor([len(feature.input_ids) for feature in encoded.features])
        layout = LAYOUTS[encoded.task.kind]
        return cls(lengths, lengths.cumsum(0) - lengths, layout, _pieces_sha256(encoded, lengths))

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
    """Targets that are kept in files: of some sequences, or of all.

    Read from there, padding is 0, and of states of which only the first tokens are kept S is 1.
    """

    sequences: Sequences
    files: Mapping[KeptPart, KeptFile]
    taps: Collection[Tap]
    heads: int
    device: torch.device

    def __call__(self, batch: Batch) -> Captured:
        """Those at the taps, of the rows that the batch names."""
        return read(self.taps, self.sources(batch), self.heads)

    def knows(self, batch: Batch) -> bool:
        """Whether all rows of the batch are kept."""
        rows = torch.tensor(batch.rows)
        return all(bool(file.known[rows].all()) for file in self.files.values())

    def keep(self, batch: Batch, sources: Captured) -> list[KeptPart]:
        """Add what a teacher gave on a batch; the growing parts that are complete now."""
        complete = []
        for part, file in self.files.items():
            if file.lock is None:
                continue
            place, length = self._place(part, batch), self._length(part)
            file.values.view(length, -1)[place] = kept_of(part, sources, batch).cpu()
            # Only now: another process reads what is marked.
            file.known[torch.tensor(batch.rows)] = 1
            if file.known.all():
                complete.append(part)
        return complete

    def sources(self, batch: Batch) -> Captured:
        """What the taps of the rows that the batch names are read from."""
        return {part.tap: self._read(part, batch).to(self.device) for part in self.files}

    def _read(self, part: KeptPart, batch: Batch) -> Tensor:
        """(B, C) logits or (B, 1, H) states of first tokens; (B, S, H) states, (B, S, 2) logits."""
        kept = self.files[part].values.view(self._length(part), -1)[self._place(part, batch)]
        if part.positions == "first":
            return kept if part.tap == LOGITS else kept[:, None]
        padded = kept.new_zeros((*batch.input_ids.shape, kept.shape[1]))
        padded[batch.real.cpu()] = kept
        return padded

    def _length(self, part: KeptPart) -> int:
        return len(self.sequences.lengths) if part.positions == "first" else self.sequences.tokens

    def _place(self, part: KeptPart, batch: Batch) -> Tensor:
        """Where the numbers of a batch stand: of each row, or of each of its tokens."""
        rows = torch.tensor(batch.rows)
        if part.positions == "first":
            return rows
        positions = torch.arange(batch.input_ids.shape[1])
        real = positions < self.sequences.lengths[rows][:, None]
        return (self.sequences.starts[rows][:, None] + positions)[real]


def kept_of(part: KeptPart, sources: Captured, batch: Batch) -> Tensor:
    """The numbers of a batch that a part keeps, row after row."""
    values = sources[part.tap]
    if part.positions == "real":
        return values[batch.real]
    return values if part.tap == LOGITS else values[:, 0]
