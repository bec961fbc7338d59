from fractions import Fraction
from math import comb

import numpy as np
import pytest
from scipy.stats import binom

from tests.reference import percentiles as reference
from zoo.errors import MeasurementError
from zoo.latency import quantiles
from zoo.latency.quantiles import bounding_sample, floor, quantile, ratio, timing

_RANKS = (50, 90, 95, 99)


def test_floors_are_those_published() -> None:
    """The fewest samples for p50, p90, p95, p99 and p99.9 are MLPerf's."""
    assert [floor(rank) for rank in (*_RANKS, 99.9)] == [11, 64, 130, 662, 6636]


@pytest.mark.parametrize(("rank", "below"), [(50, "1/2"), (90, "9/10"), (95, "19/20")])
def test_floor_is_the_first_count_whose_binomial_tail_is_small(rank: int, below: str) -> None:
    """In exact fractions: at the floor at most 1 % for one or no sample above, one earlier more."""
    inside = Fraction(below)

    def tail(count: int) -> Fraction:
        return sum(
            (comb(count, k) * (1 - inside) ** k * inside ** (count - k) for k in (0, 1)),
            Fraction(0),
        )

    assert tail(floor(rank)) <= Fraction(1, 100) < tail(floor(rank) - 1)


@pytest.mark.parametrize("rank", _RANKS)
def test_percentile_is_refused_below_its_floor(rank: int) -> None:
    """One sample too few gives no number; the floor itself gives one."""
    samples = np.ones(floor(rank))
    assert quantile(samples[1:], rank) is None
    found = quantile(samples, rank)
    assert found is not None
    assert (found.value, found.bound) == (1.0, 1.0)


@pytest.mark.parametrize("error", [0.001, 0.01, 0.05])
@pytest.mark.parametrize("rank", [10, 25, *_RANKS, 99.9])
def test_bounds_are_those_of_the_reference(
    rank: float, error: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From too few samples to a thousand, and at sizes that benches have."""
    monkeypatch.setattr(quantiles, "UNCERTAINTY", error)
    for size in (*range(1, 1000), 4096, 20_000):
        expected = reference.bounding_sample(size, rank / 100, error)
        assert bounding_sample(size, rank) == expected, size


@pytest.mark.parametrize("rank", [*range(1, 100), 99.5])
def test_floors_are_those_of_the_reference(rank: float) -> None:
    """Of every whole percentile."""
    assert floor(rank) == reference.floor(rank / 100, quantiles.UNCERTAINTY)


@pytest.mark.parametrize(("rank", "count"), [(50, 100), (90, 100), (95, 150), (99, 700)])
def test_bounds_cover_as_often_as_they_say(rank: int, count: int) -> None:
    """In 4000 draws the true percentile lies above its bound in at most about 1 % of them."""
    draws = np.sort(np.random.default_rng(rank).exponential(size=(4000, count)), axis=1)
    true = -np.log(1 - rank / 100)
    misses = np.mean(draws[:, bounding_sample(count, rank) - 1] < true)
    exact = binom.sf(bounding_sample(count, rank) - 1, count, rank / 100)
    assert exact <= 0.01
    assert abs(misses - exact) < 4 * np.sqrt(0.01 / 4000)


def test_percentiles_are_exact() -> None:
    """Percentiles of 0 to 1000, shuffled, are those numbers; between two it is the midpoint."""
    found = timing(np.random.default_rng(0).permutation(1001).astype(float))
    quantiles = (found.p50, found.p90, found.p95, found.p99)
    assert [each and each.value for each in quantiles] == [500, 900, 950, 990]
    assert [each and each.bound for each in quantiles] == [
        bounding_sample(1001, rank) - 1 for rank in _RANKS
    ]
    assert found.samples == 1001
    few = timing([float(n) for n in range(12)])
    assert (few.p50 and few.p50.value, few.p90) == (5.5, None)


@pytest.mark.parametrize("rank", [0, 100, -3])
def test_rank_must_be_a_percentage(rank: int) -> None:
    """The extremes are no percentiles that samples could bound."""
    with pytest.raises(MeasurementError) as caught:
        quantile(np.ones(50), rank)
    assert str(caught.value) == (
        f"percentile: rank {rank}\n  allowed: a number above 0 and below 100\n  fix: 50, 90, 95, 99"
    )


def test_ratio_of_medians_with_its_interval() -> None:
    """The value is the ratio of medians, inside an interval that is the same every time."""
    noise = np.random.default_rng(1).normal(scale=0.2, size=(2, 200))
    student, teacher = (3 + noise[0]).tolist(), (6 + noise[1]).tolist()
    found = ratio(student, teacher)
    assert found is not None
    assert found.value == np.median(student) / np.median(teacher)
    assert 0.48 < found.low < found.value < found.high < 0.52
    assert ratio(student, teacher) == found
    narrower = ratio(student, teacher, confidence=0.5)
    assert narrower is not None
    assert found.low < narrower.low < narrower.high < found.high


def test_ratio_interval_covers_as_often_as_it_says() -> None:
    """Over 200 repetitions the 95 % interval holds the true ratio about 95 times in 100."""
    generator, hits = np.random.default_rng(2), 0
    for _ in range(200):
        rounds = np.exp(generator.normal(scale=0.1, size=(2, 40))) * [[2.0], [4.0]]
        found = ratio(rounds[0].tolist(), rounds[1].tolist())
        assert found is not None
        hits += found.low <= 0.5 <= found.high
    assert 180 <= hits <= 199


def test_noise_that_meets_both_cancels() -> None:
    """A slow spell that doubles both calls of a round widens nothing, since rounds are drawn."""
    spells = np.random.default_rng(3).choice([1.0, 2.0], size=100)
    found = ratio((spells * 2).tolist(), (spells * 8).tolist())
    assert found is not None
    assert (found.value, found.low, found.high) == (0.25, 0.25, 0.25)


def test_ratio_is_refused_below_the_floor_of_a_median() -> None:
    """Ten rounds give no ratio, eleven do."""
    assert ratio([1.0] * 10, [1.0] * 10) is None
    assert ratio([1.0] * 11, [1.0] * 11) is not None


def test_ratio_needs_the_same_rounds() -> None:
    """Samples that were not taken in turns are not compared."""
    with pytest.raises(MeasurementError) as caught:
        ratio([1.0] * 12, [1.0] * 11)
    assert str(caught.value) == (
        "ratio of student to teacher: 12 and 11 samples\n"
        "  allowed: equal numbers of interleaved samples\n"
        "  fix: measure both in the same rounds"
    )
