"""Batches: everything once an epoch, decided by seed and step alone, padded little and right."""

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests import tiny
from zoo.data.batches import CorpusFeed, TaskFeed, collate, encode, in_length_order
from zoo.data.examples import Split, TextExample
from zoo.errors import DataError
from zoo.spec.task import TASKS
from zoo.tensors.batch import Batch, Layout

EXAMPLES = 50
every_task = pytest.mark.parametrize("task", ["inference", "similarity", "span"])


def task_feed(task: str, size: int = 8, seed: int = 0) -> TaskFeed:
    return TaskFeed(tiny.encoded(task, EXAMPLES), size, seed)


def same(first: Batch, second: Batch) -> bool:
    return first.rows == second.rows and all(
        torch.equal(getattr(first, name), getattr(second, name))
        for name in ("input_ids", "attention_mask", "token_type_ids", "labels")
    )


@every_task
@pytest.mark.parametrize("size", [7, 8, 64])
def test_every_feature_comes_once_an_epoch(task: str, size: int) -> None:
    """In each of two epochs, in another order; only one batch may be smaller."""
    feed = task_feed(task, size)
    features = len(tiny.encoded(task, EXAMPLES).features)
    orders = []
    for epoch in range(2):
        steps = range(epoch * feed.batches_per_epoch, (epoch + 1) * feed.batches_per_epoch)
        batches = [feed.batch(step).rows for step in steps]
        orders.append([row for rows in batches for row in rows])
        assert sorted(orders[-1]) == list(range(features))
        assert sum(len(rows) < size for rows in batches) <= 1
    assert orders[0] != orders[1]


@pytest.fixture
def corpus_feed(tmp_path: Path) -> Callable[[int], CorpusFeed]:
    """Masked batches of the generated corpus, by seed."""
    blocks = tiny.blocks(tmp_path)
    return lambda seed: CorpusFeed(blocks, tiny.tokenizer(), 8, seed, (0.15, 0.7))


def test_a_corpus_comes_once_an_epoch_with_new_masks(
    corpus_feed: Callable[[int], CorpusFeed],
) -> None:
    """Whole batches only; the second epoch has another order and other masks on a block."""
    feed = corpus_feed(0)
    seen, hidden = [], [{}, {}]
    for step in range(2 * feed.batches_per_epoch):
        batch = feed.batch(step)
        epoch = step // feed.batches_per_epoch
        seen.append((epoch, batch.rows))
        hidden[epoch] |= dict(zip(batch.rows, batch.labels, strict=True))
        assert batch.layout is Layout.TOKENS
        assert batch.real.all()
    for epoch in (0, 1):
        rows = [row for at, part in seen for row in part if at == epoch]
        assert len(rows) == len(set(rows)) == 8 * feed.batches_per_epoch
    both = hidden[0].keys() & hidden[1].keys()
    assert both
    assert sum(torch.equal(hidden[0][row], hidden[1][row]) for row in both) < len(both) / 4


def test_masks_lie_elsewhere_in_every_epoch(
    corpus_feed: Callable[[int], CorpusFeed], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also of blocks that come in the same order again, and at every step of an epoch."""
    monkeypatch.setattr(
        "torch.randperm", lambda size, **_: torch.arange(size)
    )  # no other order hides equal masks
    feed = corpus_feed(0)
    steps = feed.batches_per_epoch
    batches = [feed.batch(step) for step in range(3 * steps)]
    assert batches[0].rows == batches[steps].rows
    masks = [tuple((batch.labels != -100).reshape(-1).tolist()) for batch in batches]
    assert len(set(masks)) == len(masks)


def test_a_corpus_is_read_in_another_order_in_every_epoch(
    corpus_feed: Callable[[int], CorpusFeed],
) -> None:
    """And with every seed."""
    orders = []
    for feed in (corpus_feed(0), corpus_feed(1)):
        for epoch in range(2):
            steps = range(epoch * feed.batches_per_epoch, (epoch + 1) * feed.batches_per_epoch)
            orders.append(tuple(feed.batch(step).rows for step in steps))
    assert len(set(orders)) == 4


@pytest.mark.parametrize("fraction", [0.1, 0.4])
def test_the_stated_share_is_hidden(tmp_path: Path, fraction: float) -> None:
    """Of the pieces that are text, in every batch."""
    feed = CorpusFeed(tiny.blocks(tmp_path), tiny.tokenizer(), 8, 0, (fraction, None))
    batch = feed.batch(0)
    text = batch.input_ids.numel() - 3 * len(batch.rows)
    assert int((batch.labels != -100).sum()) == math.ceil(fraction * text)


def test_smoothing_draws_rare_pieces_more_often(tmp_path: Path) -> None:
    """By their counts in the whole corpus, though it is counted bit by bit."""
    blocks = tiny.blocks(tmp_path)
    text = blocks.shards.pieces(0, blocks.shards.tokens)
    counts = np.bincount(text, minlength=len(tiny.tokenizer()))

    def commonness(smoothing: float | None) -> float:
        feed = CorpusFeed(blocks, tiny.tokenizer(), 8, 0, (0.15, smoothing))
        labels = torch.cat([feed.batch(step).labels for step in range(30)])
        return float(np.log(counts[labels[labels != -100].numpy()]).mean())

    plain = commonness(None)
    assert commonness(0.7) < plain - 0.5
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("zoo.data.batches.COUNTED_TOKENS", 100)
        in_parts = CorpusFeed(blocks, tiny.tokenizer(), 8, 0, (0.15, 0.7))
    at_once = CorpusFeed(blocks, tiny.tokenizer(), 8, 0, (0.15, 0.7))
    assert all(same(in_parts.batch(step), at_once.batch(step)) for step in range(8))


def test_a_step_is_the_same_batch_whenever_it_is_asked_for(
    corpus_feed: Callable[[int], CorpusFeed],
) -> None:
    """Forwards, backwards, from another feed, whatever the global seed; another seed, others."""
    for make in (corpus_feed, lambda seed: task_feed("inference", seed=seed)):
        forward = [make(3).batch(step) for step in range(12)]
        torch.manual_seed(7)
        feed = make(3)
        backward = [feed.batch(step) for step in reversed(range(12))][::-1]
        assert all(same(*pair) for pair in zip(forward, backward, strict=True))
        other = [make(4).batch(step) for step in range(12)]
        assert not all(same(*pair) for pair in zip(forward, other, strict=True))


@every_task
def test_a_batch_is_padded_right_and_no_further_than_needed(task: str) -> None:
    """Real pieces first, then padding; labels and positions are those of the features."""
    encoded = tiny.encoded(task, EXAMPLES)
    batch = collate(encoded, [4, 0, 9])
    assert batch.rows == (4, 0, 9)
    assert batch.input_ids.shape[1] == max(len(encoded.features[r].input_ids) for r in batch.rows)
    for index, row in enumerate(batch.rows):
        feature = encoded.features[row]
        real = len(feature.input_ids)
        assert batch.input_ids[index, :real].tolist() == list(feature.input_ids)
        assert batch.token_type_ids[index, :real].tolist() == list(feature.token_type_ids)
        assert (batch.input_ids[index, real:] == encoded.pad_id).all()
        assert batch.attention_mask[index].tolist() == [1] * real + [0] * (
            batch.input_ids.shape[1] - real
        )
        if task == "span":
            assert batch.answerable is not None
            assert batch.answerable[index, :real].tolist() == list(feature.answerable)
            assert not batch.answerable[index, real:].any()
            assert batch.labels[index].tolist() == [feature.start, feature.end]
        else:
            example = encoded.split.examples[feature.example]
            assert isinstance(example, TextExample)
            assert float(batch.labels[index]) == pytest.approx(float(example.label))


def test_bucketing_spares_padding() -> None:
    """Over an epoch: at most half of the padding that an unsorted order needs."""
    encoded = tiny.encoded("inference", 400)
    feed = TaskFeed(encoded, 8, 0)

    def padding(batches: list[Batch]) -> int:
        return sum(int((~batch.real).sum()) for batch in batches)

    rows = torch.randperm(len(encoded.features), generator=torch.Generator().manual_seed(0))
    unsorted = [collate(encoded, part.tolist()) for part in torch.split(rows, 8)]
    bucketed = [feed.batch(step) for step in range(feed.batches_per_epoch)]
    assert padding(bucketed) < 0.5 * padding(unsorted)
    lengths = [batch.input_ids.shape[1] for batch in bucketed]
    assert lengths != sorted(lengths)  # an epoch does not go from short to long


def test_prediction_goes_from_long_to_short() -> None:
    """Every feature once, the longest first."""
    encoded = tiny.encoded("span", EXAMPLES)
    batches = in_length_order(encoded, 7)
    order = [row for rows in batches for row in rows]
    lengths = [len(encoded.features[row].input_ids) for row in order]
    assert sorted(order) == list(range(len(encoded.features)))
    assert lengths == sorted(lengths, reverse=True)


def test_examples_without_labels_are_not_trained_on() -> None:
    """They can be encoded and predicted; a feed refuses them and names the first."""
    examples = (TextExample("a", "one", None, 1), TextExample("b", "two", None, None))
    split = Split("test", tuple(replace(e, first="a b c") for e in examples))
    encoded = encode(TASKS["sentiment"], split, tiny.SETTINGS, tiny.tokenizer())
    assert collate(encoded, [0, 1]).labels.tolist() == [1, -100]
    with pytest.raises(DataError) as raised:
        TaskFeed(encoded, 8, 0)
    assert str(raised.value) == (
        "sentiment test: 1 examples have no label, first b\n  allowed: labelled examples"
    )


def test_a_corpus_shorter_than_a_block_is_told(tmp_path: Path) -> None:
    """Not an endless loop over nothing."""
    blocks = tiny.blocks(tmp_path)
    with pytest.raises(DataError) as raised:
        CorpusFeed(replace(blocks, length=10**7), tiny.tokenizer(), 8, 0, (0.15, None))
    assert str(raised.value) == (
        "the corpus: is shorter than one block\n  allowed: a longer text or max_length"
    )
