"""Calls timed in turns, and what their number allows to say: percentiles and ratios, or nothing."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from statistics import median
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from zoo.errors import MeasurementError, Problem

_UNCERTAINTY = 0.01  # of a one-sided 99 % bound
_RESAMPLES = 1000
_SLICES = 20  # of the resamples, so that thousands of samples fit in memory
_BOOTSTRAP_SEED = 20_170_612
_NANOSECONDS_PER_MILLISECOND = 1e6
_NANOSECONDS_PER_SECOND = 1e9


class Runner(Protocol):
    """Something that can be called again and again and does the same work each time."""

    @property
    def name(self) -> str:
        """What the samples are filed under."""

    def __call__(self) -> None:
        """Do the work once; it is done when the call returns."""


class Plan(BaseModel):
    """How long to warm up and to measure; a round calls every runner once.

    Warm-up ends when the median of each runner's last `warmup_window` calls lies within
    `warmup_tolerance` (a share) of the window before, or at a bound. Measuring ends after `samples`
    rounds, or with the first round that passes `seconds`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    samples: int = Field(default=200, ge=1)
    seconds: float = Field(default=20.0, gt=0)
    warmup_window: int = Field(default=5, ge=1)
    warmup_tolerance: float = Field(default=0.1, gt=0)
    warmup_max_rounds: int = Field(default=100, ge=1)
    warmup_seconds: float = Field(default=10.0, gt=0)


@dataclass(frozen=True)
class Samples:
    """The measured calls of one runner in order, one per round, and the calls before them.

    `settled` is False where warm-up ended at a bound with the durations still moving.
    """

    name: str
    milliseconds: tuple[float, ...]
    warmup_calls: int
    settled: bool = True


@dataclass(frozen=True)
class Ratio:
    """Student's median over teacher's, with the ends of its interval; below 1 is faster."""

    value: float
    low: float
    high: float


def measure(
    runners: Sequence[Runner], plan: Plan, clock: Callable[[], int] = time.perf_counter_ns
) -> list[Samples]:
    """The durations of `runners`, called in turns so that noise meets all alike.

    `clock` counts nanoseconds.
    """
    rounds, settled = _warm_up(runners, plan, clock)
    durations: list[list[float]] = [[] for _ in runners]
    end = clock() + plan.seconds * _NANOSECONDS_PER_SECOND
    for _ in range(plan.samples):
        if _round(runners, durations, clock) >= end:
            break
    return [
        Samples(runner.name, tuple(calls), rounds, settled)
        for runner, calls in zip(runners, durations, strict=True)
    ]


def percentile(milliseconds: Sequence[float], rank: float) -> float | None:
    """The `rank`-th percentile, interpolated linearly; None below `floor(rank)` samples.

    Raises:
        MeasurementError: `rank` is no percentage between 0 and 100.
    """
    if len(milliseconds) < floor(rank):
        return None
    return float(np.percentile(milliseconds, rank))


@cache
def floor(rank: float) -> int:
    """The fewest samples that let a percentile be quoted: 11 for p50, 64 for p90, 662 for p99.

    With so many, at most one lies above the true percentile with a chance below 1 % (MLPerf
    Inference's early-stopping rule with one discarded sample).

    Raises:
        MeasurementError: `rank` is no percentage between 0 and 100.
    """
    if not 0 < rank < 100:
        raise MeasurementError(
            Problem(
                "percentile", f"rank {rank:g}", "a number above 0 and below 100", "50, 90, 95, 99"
            )
        )
    below, count = rank / 100, 2
    while below**count + count * (1 - below) * below ** (count - 1) > _UNCERTAINTY:
        count += 1
    return count


def ratio(student: Samples, teacher: Samples, *, confidence: float = 0.95) -> Ratio | None:
    """The student's median over the teacher's; None below the samples that a median needs.

    The interval is a percentile bootstrap over rounds: both samples of a round are drawn together.

    Raises:
        MeasurementError: the two were not measured in the same rounds.
    """
    if len(student.milliseconds) != len(teacher.milliseconds):
        raise MeasurementError(
            Problem(
                f"ratio of {student.name} to {teacher.name}",
                f"{len(student.milliseconds)} and {len(teacher.milliseconds)} samples",
                "as many of one as of the other, taken in turns",
                "measure both in one call of measure()",
            )
        )
    if len(student.milliseconds) < floor(50):
        return None
    pairs = np.array([student.milliseconds, teacher.milliseconds])
    generator = np.random.default_rng(_BOOTSTRAP_SEED)
    size = (_RESAMPLES // _SLICES, pairs.shape[1])
    draws = [_median_ratio(pairs[:, generator.integers(0, size[1], size)]) for _ in range(_SLICES)]
    low, high = np.quantile(draws, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Ratio(float(_median_ratio(pairs)), float(low), float(high))


def _warm_up(runners: Sequence[Runner], plan: Plan, clock: Callable[[], int]) -> tuple[int, bool]:
    """How many rounds were run, and whether every runner's durations had settled by then."""
    durations: list[list[float]] = [[] for _ in runners]
    end = clock() + plan.warmup_seconds * _NANOSECONDS_PER_SECOND
    for rounds in range(1, plan.warmup_max_rounds + 1):
        now = _round(runners, durations, clock)
        if rounds % plan.warmup_window == 0 and all(_settled(calls, plan) for calls in durations):
            return rounds, True
        if now >= end:
            break
    return rounds, False


def _settled(calls: Sequence[float], plan: Plan) -> bool:
    window = plan.warmup_window
    if len(calls) < 2 * window:
        return False
    before, now = median(calls[-2 * window : -window]), median(calls[-window:])
    return abs(now - before) <= plan.warmup_tolerance * before


def _round(
    runners: Sequence[Runner], durations: Sequence[list[float]], clock: Callable[[], int]
) -> int:
    """Call every runner once, note its milliseconds; the time when the last one was done."""
    done = 0
    for runner, calls in zip(runners, durations, strict=True):
        start = clock()
        runner()
        done = clock()
        calls.append((done - start) / _NANOSECONDS_PER_MILLISECOND)
    return done


def _median_ratio(pairs: NDArray[np.float64]) -> NDArray[np.float64]:
    """Quotient of the medians of (2, ..., rounds), one for each of the middle dimensions."""
    medians: NDArray[np.float64] = np.median(pairs, axis=-1)
    quotients: NDArray[np.float64] = medians[0] / medians[1]
    return quotients
