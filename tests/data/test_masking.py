"""Masking hides what it should, as often as it should, and the same way for the same seed."""

import math

import pytest
import torch

from tests.reference import losses as reference
from zoo.data.masking import Masked, draw_weights, mask_pieces

MASK, SPECIAL, PIECES = 4, [0, 1, 2, 3, 4], 50
EVEN = draw_weights(torch.ones(PIECES), SPECIAL, None)


def text(rows: int, length: int, seed: int = 0) -> torch.Tensor:
    """Framed rows of ordinary pieces; the last row is padded from its middle on."""
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(5, PIECES, (rows, length), generator=generator)
    ids[:, 0], ids[:, -1] = 2, 3
    ids[-1, length // 2 :] = 0
    return ids


def masked(ids: torch.Tensor, weights: torch.Tensor, seed: int, fraction: float = 0.15) -> Masked:
    generator = torch.Generator().manual_seed(seed)
    return mask_pieces(ids, weights, fraction=fraction, mask_id=MASK, generator=generator)


@pytest.mark.parametrize(("rows", "length"), [(2, 7), (3, 11), (8, 64)])
def test_exactly_the_stated_share_of_real_pieces_is_hidden(rows: int, length: int) -> None:
    """DistilBERT's invariant 7: ceil(0.15 * real pieces), never a special or padding piece."""
    ids = text(rows, length)
    ordinary = ~torch.isin(ids, torch.tensor(SPECIAL))
    for seed in range(20):
        result = masked(ids, EVEN, seed)
        hidden = result.labels != -100
        assert int(hidden.sum()) == math.ceil(0.15 * int(ordinary.sum()))
        assert not (hidden & ~ordinary).any()
        assert torch.equal(result.labels[hidden], ids[hidden])
        assert torch.equal(result.input_ids[~hidden], ids[~hidden])


def test_hidden_pieces_become_mask_stay_or_change_at_80_10_10() -> None:
    """Within four standard deviations of the binomial; the changed ones are ordinary pieces."""
    ids = text(64, 512)
    result = masked(ids, EVEN, 3)
    hidden = result.labels != -100
    count, now, before = int(hidden.sum()), result.input_ids[hidden], result.labels[hidden]
    swap = 1.0 - 1.0 / (PIECES - len(SPECIAL))  # a random piece is the old one now and then
    for found, share in (
        (int((now == MASK).sum()), 0.8),
        (int((now == before).sum()), 0.2 - 0.1 * swap),
        (int(((now != MASK) & (now != before)).sum()), 0.1 * swap),
    ):
        assert abs(found - count * share) < 4 * math.sqrt(count * share * (1 - share))
    assert not torch.isin(now[now != MASK], torch.tensor(SPECIAL)).any()


def test_smoothing_hides_rare_pieces_more_readily() -> None:
    """Per occurrence, in proportion to count^-0.7: here 9^0.7 = 4.7 times as often."""
    ids = torch.tensor([5] * 900 + [6] * 100).repeat(4, 1)
    weights = draw_weights(torch.bincount(ids.flatten(), minlength=PIECES), SPECIAL, 0.7)
    hidden = torch.zeros(PIECES)
    for seed in range(100):
        labels = masked(ids, weights, seed, fraction=0.01).labels
        hidden += torch.bincount(labels[labels != -100], minlength=PIECES)
    ratio = float(hidden[6] / 100 / (hidden[5] / 900))
    assert ratio == pytest.approx(9**0.7, rel=0.12)


def test_the_generator_decides_alone() -> None:
    """Same seed, same masks, whatever the global seed; another seed, others."""
    ids = text(4, 32)
    torch.manual_seed(1)
    first = masked(ids, EVEN, 5)
    torch.manual_seed(2)
    second, other = masked(ids, EVEN, 5), masked(ids, EVEN, 6)
    assert torch.equal(first.input_ids, second.input_ids)
    assert torch.equal(first.labels, second.labels)
    assert not torch.equal(first.labels, other.labels)


def test_text_without_ordinary_pieces_stays() -> None:
    """Nothing can be hidden, so nothing is."""
    ids = torch.tensor([[2, 3, 0]])
    result = masked(ids, EVEN, 0)
    assert torch.equal(result.input_ids, ids)
    assert (result.labels == -100).all()


@pytest.mark.parametrize("smoothing", [None, 0.0, 0.7, 1.0])
def test_weights_equal_the_loop(smoothing: float | None) -> None:
    """max(count, 1)^-smoothing; 0 for special pieces; double precision."""
    counts = [0, 3, 0, 1, 7, 1000]
    ours = draw_weights(torch.tensor(counts), [0, 3], smoothing)
    assert ours.dtype is torch.float64
    assert ours.tolist() == pytest.approx(reference.draw_weights(counts, [0, 3], smoothing))
