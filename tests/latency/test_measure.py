import gc
from collections.abc import Callable

import pytest
from pydantic import ValidationError

from zoo.latency.measure import TimingPlan, time_rounds, warm_up

_MILLISECOND = 1_000_000


class Clock:
    """A clock that moves only when a fake runner spends time."""

    def __init__(self) -> None:
        self.now = 5 * _MILLISECOND

    def __call__(self) -> int:
        return self.now


class Fake:
    """A runner that spends the next of its milliseconds and notes its name and turn."""

    def __init__(
        self, name: str, clock: Clock, log: list[tuple[str, int]], spend: Callable[[int], float]
    ) -> None:
        self._name, self._clock, self._log, self._spend = name, clock, log, spend
        self._calls = 0

    def __call__(self, turn: int) -> None:
        self._log.append((self._name, turn))
        self._clock.now += round(self._spend(self._calls) * _MILLISECOND)
        self._calls += 1


class Bench:
    """Fake runners that share a clock and a log."""

    def __init__(self, **runners: Callable[[int], float]) -> None:
        self.clock = Clock()
        self.log: list[tuple[str, int]] = []
        self.runners = {
            name: Fake(name, self.clock, self.log, spend) for name, spend in runners.items()
        }

    def warm_up(self, plan: TimingPlan, turns: tuple[int, ...] = (0,)) -> tuple[int, bool]:
        return warm_up(self.runners, plan, turns, self.clock)

    def time(self, plan: TimingPlan) -> dict[str, tuple[float, ...]]:
        return time_rounds(self.runners, plan, self.clock)


def test_runners_take_turns() -> None:
    """Every round calls every runner once, and round k is about example k for all of them."""
    bench = Bench(student=lambda _: 1, teacher=lambda _: 2, other=lambda _: 3)
    found = bench.time(TimingPlan(samples=3))
    assert bench.log == [
        (name, turn) for turn in range(3) for name in ("student", "teacher", "other")
    ]
    assert list(found) == ["student", "teacher", "other"]


def test_samples_are_the_runners_own_milliseconds() -> None:
    """Samples keep their order and hold none of a neighbour's time."""
    bench = Bench(student=lambda n: 1 + n / 100, teacher=lambda _: 50)
    found = bench.time(TimingPlan(samples=3))
    assert found == {"student": (1.0, 1.01, 1.02), "teacher": (50.0, 50.0, 50.0)}


def test_nothing_is_collected_between_timed_calls() -> None:
    """The garbage collector rests during the rounds, and only then."""
    seen = []
    time_rounds({"one": lambda _: seen.append(gc.isenabled())}, TimingPlan(samples=2))
    assert seen == [False, False]
    assert gc.isenabled()
    with pytest.raises(ZeroDivisionError):
        time_rounds({"one": lambda turn: 1 // turn}, TimingPlan(samples=2))
    assert gc.isenabled()


def test_warm_up_waits_for_the_slowest_to_settle() -> None:
    """Warm-up ends with the first pair of windows that agree for every runner."""
    steps = [9.0] * 3 + [6.0] * 3 + [4.0] * 3 + [3.9] * 100
    bench = Bench(quick=lambda _: 1, slow=lambda n: steps[n])
    assert bench.warm_up(TimingPlan(warmup_window=3, warmup_tolerance=0.1)) == (12, True)


def test_warm_up_goes_through_its_turns_in_every_window() -> None:
    """Windows hold the same work, so that only a change in speed moves their medians."""
    bench = Bench(one=lambda n: (1.0, 5.0, 9.0)[n % 3])
    assert bench.warm_up(TimingPlan(warmup_window=3), turns=(7, 2, 4)) == (6, True)
    assert [turn for _, turn in bench.log] == [7, 2, 4, 7, 2, 4]
    shorter = Bench(one=lambda _: 1)
    shorter.warm_up(TimingPlan(warmup_window=3), turns=(7, 2))
    assert [turn for _, turn in shorter.log] == [7, 2, 7, 7, 2, 7]


def test_warm_up_looks_at_medians() -> None:
    """One outlier in a window does not keep warm-up going."""
    bench = Bench(one=lambda n: 40.0 if n == 4 else 2.0)
    assert bench.warm_up(TimingPlan(warmup_window=3)) == (6, True)


@pytest.mark.parametrize(("step", "calls"), [(1.1, 2), (1.11, 4)])
def test_warm_up_tolerance_is_a_share(step: float, calls: int) -> None:
    """A change of just the tolerance is stable, one above it is not."""
    durations = [100.0, 100.0 * step, 200.0, 200.0]
    bench = Bench(one=lambda n: durations[min(n, 3)])
    assert bench.warm_up(TimingPlan(warmup_window=1, warmup_tolerance=0.1)) == (calls, True)


def test_warm_up_is_bounded() -> None:
    """What never settles ends after the rounds or the seconds allowed, and says so."""
    plan = TimingPlan(warmup_window=2, warmup_max_rounds=7)
    assert Bench(one=lambda n: 2.0**n).warm_up(plan) == (7, False)
    plan = TimingPlan(warmup_window=1, warmup_seconds=0.3)
    assert Bench(one=lambda n: 50.0 * 2**n).warm_up(plan) == (3, False)


def test_measuring_is_bounded_by_seconds_in_whole_rounds() -> None:
    """The round that passes the limit is finished, so every runner has as many samples."""
    bench = Bench(student=lambda _: 100, teacher=lambda _: 300)
    found = bench.time(TimingPlan(samples=1000, seconds=1.0))
    assert [len(calls) for calls in found.values()] == [3, 3]


def test_at_least_one_round_is_measured() -> None:
    """A call longer than the whole budget is still measured once."""
    assert Bench(one=lambda _: 70).time(TimingPlan(samples=9, seconds=0.001)) == {"one": (70.0,)}


def test_a_plan_without_sense_is_refused() -> None:
    """Counts and durations are positive, and no key is unknown."""
    with pytest.raises(ValidationError, match="samples"):
        TimingPlan(samples=0)
    with pytest.raises(ValidationError, match="extra_forbidden"):
        TimingPlan.model_validate({"sample": 3})
