"""Batches: padded, bucketed by length, in an order that only the seed and the step decide."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from zoo.data.corpus import Blocks
from zoo.data.examples import SpanExample, Split, TextExample
from zoo.data.masking import draw_weights, mask_pieces
from zoo.data.pieces import special_id
from zoo.data.sequences import Documents
from zoo.data.windows import Feature, encode_spans, encode_texts
from zoo.errors import DataError, Problem
from zoo.spec.data import TaskSettings
from zoo.spec.task import Task, TaskKind
from zoo.tensors.batch import Batch, Layout

POOL_BATCHES = 50
"""Batches that are drawn at random together before they are sorted by length: large enough for
little padding, small enough that an epoch stays shuffled."""

COUNTED_TOKENS = 1_000_000

LAYOUTS = {
    TaskKind.CLASSIFICATION: Layout.CLASSES,
    TaskKind.REGRESSION: Layout.VALUE,
    TaskKind.SPAN: Layout.SPAN,
}


class Feed(Protocol):
    """An endless supply of batches; step k is the same batch whenever it is asked for."""

    @property
    def batches_per_epoch(self) -> int:
        """Steps of one pass over the data, at least 1."""
        ...

    def batch(self, step: int) -> Batch:
        """The batch of a step, counted from 0 over all epochs; ids, mask and segments (B, S)."""
        ...


@runtime_checkable
class ClosedFeed(Feed, Protocol):
    """A feed whose sequences are all known before the first batch."""

    def pieces(self) -> frozenset[int]:
        """The ids that its batches contain, padding too."""
        ...


@dataclass(frozen=True)
class Encoded:
    """One tokenised split: its features, and what is needed to label and score them."""

    task: Task
    split: Split
    features: tuple[Feature, ...]
    pad_id: int

    @cached_property
    def pieces(self) -> frozenset[int]:
        """The ids that its features contain, and padding."""
        inside = chain.from_iterable(feature.input_ids for feature in self.features)
        return frozenset(chain([self.pad_id], inside))


def encode(
    task: Task, split: Split, settings: TaskSettings, tokenizer: PreTrainedTokenizerBase
) -> Encoded:
    """Tokenise a split; long contexts become several features.

    Raises:
        DataError: as `encode_texts` and `encode_spans`, or the tokenizer has no padding piece.
    """
    if task.kind is TaskKind.SPAN:
        spans = [example for example in split.examples if isinstance(example, SpanExample)]
        features = encode_spans(
            spans, tokenizer, settings.max_length, settings.stride, settings.max_query
        )
    else:
        texts = [example for example in split.examples if isinstance(example, TextExample)]
        features = encode_texts(texts, tokenizer, settings.max_length)
    return Encoded(task, split, tuple(features), special_id(tokenizer, "pad_token"))


def collate(encoded: Encoded, rows: Sequence[int]) -> Batch:
    """The features at `rows`, padded to the longest of them: B rows, S pieces.

    Labels are (B,) class numbers (-100 where hidden), (B,) numbers (NaN where hidden), or (B, 2)
    first and last positions of a span; `answerable` is (B, S), of spans only.
    """
    features = [encoded.features[row] for row in rows]
    layout = LAYOUTS[encoded.task.kind]
    return Batch(
        layout=layout,
        input_ids=_padded([feature.input_ids for feature in features], encoded.pad_id),
        attention_mask=_padded([(1,) * len(feature.input_ids) for feature in features], 0),
        token_type_ids=_padded([feature.token_type_ids for feature in features], 0),
        labels=_labels(encoded, features),
        answerable=_padded([feature.answerable for feature in features], 0).bool()
        if layout is Layout.SPAN
        else None,
        rows=tuple(rows),
    )


def in_length_order(encoded: Encoded, batch_size: int) -> list[list[int]]:
    """Rows for prediction, `batch_size` at a time: longest first, so that memory runs out at once
    or never.
    """
    order = sorted(
        range(len(encoded.features)), key=lambda row: (-len(encoded.features[row].input_ids), row)
    )
    return [order[start : start + batch_size] for start in range(0, len(order), batch_size)]


class TaskFeed:
    """Training batches of a task.

    Raises:
        DataError: an example has no label.
    """

    def __init__(self, encoded: Encoded, batch_size: int, seed: int) -> None:
        hidden = [example for example in encoded.split.examples if _is_unlabelled(example)]
        if hidden:
            raise DataError(
                Problem(
                    f"{encoded.task.name} {encoded.split.name}",
                    f"{len(hidden)} examples have no label, first {hidden[0].id}",
                    "labelled examples",
                )
            )
        self.encoded = encoded
        self._lengths = torch.tensor([len(feature.input_ids) for feature in encoded.features])
        self._batch_size = batch_size
        self._seed = seed
        self._epoch: tuple[int, list[list[int]]] = (-1, [])

    @property
    def batches_per_epoch(self) -> int:
        """Steps of one pass; the last batch may be smaller."""
        return -(-len(self.encoded.features) // self._batch_size)

    def pieces(self) -> frozenset[int]:
        """The ids that its batches contain."""
        return self.encoded.pieces

    def batch(self, step: int) -> Batch:
        """The batch of a step."""
        epoch, place = divmod(step, self.batches_per_epoch)
        if self._epoch[0] != epoch:
            self._epoch = (epoch, self._order(epoch))
        return collate(self.encoded, self._epoch[1][place])

    def _order(self, epoch: int) -> list[list[int]]:
        # Of seed and epoch alone, so that a resumed training, which begins in the middle, draws the
        # same order; the prime keeps the epochs of one seed off those of the next.
        generator = torch.Generator().manual_seed(self._seed * 1_000_003 + epoch)
        shuffled = torch.randperm(len(self._lengths), generator=generator)
        batches: list[list[int]] = []
        for pool in torch.split(shuffled, self._batch_size * POOL_BATCHES):
            ordered = pool[self._lengths[pool].argsort(stable=True)]
            batches += [part.tolist() for part in torch.split(ordered, self._batch_size)]
        # Sorted pools would give short batches first: batches are shuffled once more.
        turns = torch.randperm(len(batches), generator=generator).tolist()
        return [batches[turn] for turn in turns]


class CorpusFeed:
    """Masked batches of text; masks are drawn anew in every epoch.

    Labels are (B, S): the pieces that were masked, -100 elsewhere. `masking` is the share of pieces
    that are masked, and the exponent that smooths their counts where rare pieces are masked more.

    Raises:
        DataError: the corpus is shorter than one block, or a special piece is missing.
    """

    def __init__(
        self,
        blocks: Blocks | Documents,
        tokenizer: PreTrainedTokenizerBase,
        batch_size: int,
        seed: int,
        masking: tuple[float, float | None],
    ) -> None:
        if len(blocks) == 0:
            raise DataError(
                Problem("the corpus", "is shorter than one block", "a longer text or max_length")
            )
        self._blocks = blocks
        self._batch_size = batch_size
        self._seed = seed
        self._fraction, smoothing = masking
        special = sorted(int(piece) for piece in tokenizer.all_special_ids)
        counts = piece_counts(blocks, len(tokenizer)) if smoothing else torch.ones(len(tokenizer))
        self._weights = draw_weights(counts, special, smoothing)
        self._mask_id = special_id(tokenizer, "mask_token")
        self._pad_id = special_id(tokenizer, "pad_token")
        self._epoch: tuple[int, Tensor] = (-1, torch.empty(0))

    @property
    def batches_per_epoch(self) -> int:
        """Steps of one pass; a last incomplete batch is left out."""
        return max(1, len(self._blocks) // self._batch_size)

    def batch(self, step: int) -> Batch:
        """The batch of a step."""
        epoch, place = divmod(step, self.batches_per_epoch)
        if self._epoch[0] != epoch:
            generator = torch.Generator().manual_seed(self._seed * 1_000_003 + epoch)
            self._epoch = (epoch, torch.randperm(len(self._blocks), generator=generator))
        rows = self._epoch[1][place * self._batch_size :][: self._batch_size].tolist()
        blocks = [self._blocks[row] for row in rows]
        input_ids = _padded([block.input_ids.tolist() for block in blocks], self._pad_id)
        mask = _padded([[1] * len(block.input_ids) for block in blocks], 0)
        # Far from the numbers that order epochs: masks and order must not be drawn alike.
        generator = torch.Generator().manual_seed(self._seed * 1_000_003 + step + 500_009)
        masked = mask_pieces(
            input_ids,
            self._weights,
            fraction=self._fraction,
            mask_id=self._mask_id,
            generator=generator,
        )
        return Batch(
            layout=Layout.TOKENS,
            input_ids=masked.input_ids,
            attention_mask=mask,
            token_type_ids=_padded([block.token_type_ids.tolist() for block in blocks], 0),
            labels=masked.labels,
            rows=tuple(rows),
        )


def piece_counts(blocks: Blocks | Documents, vocabulary: int) -> Tensor:
    """How often each piece occurs in the text that sequences are cut from; (V,) int64."""
    counts = np.zeros(vocabulary, dtype=np.int64)
    shards = blocks.shards
    for start in range(0, shards.tokens, COUNTED_TOKENS):
        stop = min(start + COUNTED_TOKENS, shards.tokens)
        counts += np.bincount(shards.pieces(start, stop), minlength=vocabulary)
    return torch.from_numpy(counts)


def _is_unlabelled(example: TextExample | SpanExample) -> bool:
    return isinstance(example, TextExample) and example.label is None


def _padded(rows: Sequence[Sequence[int | bool]], fill: int) -> Tensor:
    longest = max(len(row) for row in rows)
    padded = torch.full((len(rows), longest), fill, dtype=torch.long)
    for index, row in enumerate(rows):
        padded[index, : len(row)] = torch.tensor(row, dtype=torch.long)
    return padded


def _labels(encoded: Encoded, features: Sequence[Feature]) -> Tensor:
    if encoded.task.kind is TaskKind.SPAN:
        return torch.tensor([(feature.start, feature.end) for feature in features])
    labels = [
        example.label
        for feature in features
        if isinstance(example := encoded.split.examples[feature.example], TextExample)
    ]
    if encoded.task.kind is TaskKind.REGRESSION:
        return torch.tensor([float("nan") if label is None else float(label) for label in labels])
    return torch.tensor([-100 if label is None else int(label) for label in labels])
