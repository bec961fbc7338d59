from collections.abc import Callable, Iterator
from fractions import Fraction
from math import comb

import numpy as np
import pytest
from pydantic import ValidationError

from zoo.errors import MeasurementError
from zoo.latency.measure import Plan, Samples, floor, measure, percentile, ratio

_MILLISECOND = 1_000_000


class Clock:
    """A clock that moves only when a fake runner spends time."""

    def __init__(self) -> None:
        self.now = 5 * _MILLISECOND

    def __call__(self) -> int:
        return self.now


class Fake:
    """A runner that spends the next of its milliseconds and notes that it was called."""

    def __init__(
        self, name: str, clock: Clock, log: list[str], milliseconds: Callable[[int], float]
    ) -> None:
        self.name = name
        self._clock, self._log, self._milliseconds = clock, log, milliseconds
        self._calls: Iterator[int] = iter(range(10**9))

    def __call__(self) -> None:
        self._log.append(self.name)
        self._clock.now += round(self._milliseconds(next(self._calls)) * _MILLISECOND)


def _run(plan: Plan, **runners: Callable[[int], float]) -> tuple[list[Samples], list[str]]:
    clock, log = Clock(), []
    fakes = [Fake(name, clock, log, spend) for name, spend in runners.items()]
    return measure(fakes, plan, clock), log


def test_runners_take_turns() -> None:
    """From the first warm-up call to the last sample every round calls every runner once."""
    plan = Plan(samples=4, warmup_window=2)
    found, log = _run(plan, student=lambda _: 1, teacher=lambda _: 2, other=lambda _: 3)
    assert log == ["student", "teacher", "other"] * (4 + 4)
    assert [samples.name for samples in found] == ["student", "teacher", "other"]


def test_samples_are_the_runners_own_milliseconds() -> None:
    """Samples follow warm-up, keep their order, and hold neither warm-up nor a neighbour's time."""
    plan = Plan(samples=5, warmup_window=2)
    found, _ = _run(plan, student=lambda n: 1 + n / 100, teacher=lambda _: 50)
    assert found[0] == Samples("student", (1.04, 1.05, 1.06, 1.07, 1.08), 4, settled=True)
    assert found[1] == Samples("teacher", (50.0,) * 5, 4, settled=True)


def test_warm_up_waits_for_the_slowest_to_settle() -> None:
    """Warm-up ends with the first pair of windows that agree for every runner."""
    plan = Plan(samples=1, warmup_window=3, warmup_tolerance=0.1)
    steps = [9.0] * 3 + [6.0] * 3 + [4.0] * 3 + [3.9] * 100
    found, _ = _run(plan, quick=lambda _: 1, slow=lambda n: steps[n])
    assert [samples.warmup_calls for samples in found] == [12, 12]
    assert found[1].milliseconds == (3.9,)


def test_warm_up_looks_at_medians() -> None:
    """One outlier in a window does not keep warm-up going."""
    plan = Plan(samples=1, warmup_window=3)
    found, _ = _run(plan, one=lambda n: 40.0 if n == 4 else 2.0)
    assert found[0].warmup_calls == 6
    assert found[0].settled


@pytest.mark.parametrize(("step", "calls"), [(1.1, 2), (1.11, 4)])
def test_warm_up_tolerance_is_a_share(step: float, calls: int) -> None:
    """A change of just the tolerance is stable, one above it is not."""
    plan = Plan(samples=1, warmup_window=1, warmup_tolerance=0.1)
    durations = [100.0, 100.0 * step, 200.0, 200.0]
    found, _ = _run(plan, one=lambda n: durations[min(n, 3)])
    assert found[0].warmup_calls == calls


def test_warm_up_is_bounded_by_rounds() -> None:
    """What never settles is measured after the last round allowed, and says so."""
    plan = Plan(samples=2, warmup_window=2, warmup_max_rounds=7)
    found, log = _run(plan, one=lambda n: 2.0**n)
    assert (found[0].warmup_calls, found[0].settled, len(log)) == (7, False, 9)


def test_warm_up_is_bounded_by_seconds() -> None:
    """Warm-up ends with the round that passes its seconds."""
    plan = Plan(samples=1, warmup_window=1, warmup_seconds=0.3)
    found, _ = _run(plan, one=lambda n: 50.0 * 2**n)
    assert (found[0].warmup_calls, found[0].settled) == (3, False)


def test_measuring_is_bounded_by_seconds_in_whole_rounds() -> None:
    """The round that passes the limit is finished, so every runner has as many samples."""
    plan = Plan(samples=1000, seconds=1.0, warmup_window=1)
    found, _ = _run(plan, student=lambda _: 100, teacher=lambda _: 300)
    assert [len(samples.milliseconds) for samples in found] == [3, 3]


def test_at_least_one_round_is_measured() -> None:
    """A call longer than the whole budget is still measured once."""
    found, _ = _run(Plan(samples=9, seconds=0.001, warmup_seconds=0.001), one=lambda _: 70)
    assert found == [Samples("one", (70.0,), 1, settled=False)]


def test_a_plan_without_sense_is_refused() -> None:
    """Counts and durations are positive, and no key is unknown."""
    with pytest.raises(ValidationError, match="samples"):
        Plan(samples=0)
    with pytest.raises(ValidationError, match="extra_forbidden"):
        Plan.model_validate({"sample": 3})


def test_floors_are_those_published() -> None:
    """The fewest samples for p50, p90, p95, p99 and p99.9 are MLPerf's."""
    assert [floor(rank) for rank in (50, 90, 95, 99, 99.9)] == [11, 64, 130, 662, 6636]


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


@pytest.mark.parametrize("rank", [50, 90, 95, 99])
def test_percentile_is_refused_below_its_floor(rank: int) -> None:
    """One sample too few gives no number; the floor itself gives one."""
    samples = [1.0] * floor(rank)
    assert percentile(samples[1:], rank) is None
    assert percentile(samples, rank) == 1.0


def test_percentiles_are_exact() -> None:
    """Percentiles of 0 to 1000, shuffled, are those numbers; between two it is the midpoint."""
    samples = np.random.default_rng(0).permutation(1001).astype(float).tolist()
    assert [percentile(samples, rank) for rank in (50, 90, 95, 99)] == [500, 900, 950, 990]
    assert percentile([float(n) for n in range(12)], 50) == 5.5


@pytest.mark.parametrize("rank", [0, 100, -3])
def test_rank_must_be_a_percentage(rank: int) -> None:
    """The extremes are no percentiles that samples could bound."""
    with pytest.raises(MeasurementError) as caught:
        percentile([1.0] * 50, rank)
    assert str(caught.value) == (
        f"percentile: rank {rank}\n  allowed: a number above 0 and below 100\n  do: 50, 90, 95, 99"
    )


def test_ratio_of_medians_with_its_interval() -> None:
    """The value is the ratio of medians, inside an interval that is the same every time."""
    noise = np.random.default_rng(1).normal(scale=0.2, size=(2, 200))
    student = Samples("student", tuple((3 + noise[0]).tolist()), 0)
    teacher = Samples("teacher", tuple((6 + noise[1]).tolist()), 0)
    found = ratio(student, teacher)
    assert found is not None
    assert found.value == np.median(student.milliseconds) / np.median(teacher.milliseconds)
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
        found = ratio(Samples("a", tuple(rounds[0]), 0), Samples("b", tuple(rounds[1]), 0))
        assert found is not None
        hits += found.low <= 0.5 <= found.high
    assert 180 <= hits <= 199


def test_noise_that_meets_both_cancels() -> None:
    """A slow spell that doubles both calls of a round widens nothing, since rounds are drawn."""
    spells = np.random.default_rng(3).choice([1.0, 2.0], size=100)
    found = ratio(Samples("a", tuple(spells * 2), 0), Samples("b", tuple(spells * 8), 0))
    assert found is not None
    assert (found.value, found.low, found.high) == (0.25, 0.25, 0.25)


def test_ratio_is_refused_below_the_floor_of_a_median() -> None:
    """Ten rounds give no ratio, eleven do."""
    few, enough = Samples("a", (1.0,) * 10, 0), Samples("a", (1.0,) * 11, 0)
    assert ratio(few, few) is None
    assert ratio(enough, enough) is not None


def test_ratio_needs_the_same_rounds() -> None:
    """Samples that were not taken in turns are not compared."""
    with pytest.raises(MeasurementError) as caught:
        ratio(Samples("quick", (1.0,) * 12, 0), Samples("slow", (1.0,) * 11, 0))
    assert str(caught.value) == (
        "ratio of quick to slow: 12 and 11 samples\n"
        "  allowed: as many of one as of the other, taken in turns\n"
        "  do: measure both in one call of measure()"
    )
