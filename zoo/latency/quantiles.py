"""What a number of samples allows to say: percentiles with bounds and ratios, or nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from math import exp, lgamma, log

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zoo.errors import MeasurementError, Problem
from zoo.records.latency import Quantile, Timing
from zoo.statistics.bootstrap import bootstrap_rows, percentile_interval

UNCERTAINTY = 0.01
"""Of a one-sided 99 % bound."""
_RESAMPLES = 1000
_BOOTSTRAP_SEED = 20_170_612


@dataclass(frozen=True)
class Ratio:
    """Student's median over teacher's, with the ends of its interval; below 1 is faster."""

    value: float
    low: float
    high: float


def timing(milliseconds: ArrayLike) -> Timing:
    """All that may be said of the calls of one model."""
    samples = np.sort(np.asarray(milliseconds, dtype=np.float64))
    return Timing(
        samples=len(samples),
        p50=quantile(samples, 50),
        p90=quantile(samples, 90),
        p95=quantile(samples, 95),
        p99=quantile(samples, 99),
    )


def quantile(samples: NDArray[np.float64], rank: float) -> Quantile | None:
    """The `rank`-th percentile of sorted samples, interpolated linearly, with its upper bound.

    None below `floor(rank)` samples.

    Raises:
        MeasurementError: `rank` is no percentage between 0 and 100.
    """
    if len(samples) < floor(rank):
        return None
    bound = samples[bounding_sample(len(samples), rank) - 1]
    return Quantile(value=float(np.percentile(samples, rank)), bound=float(bound))


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
    while below**count + count * (1 - below) * below ** (count - 1) > UNCERTAINTY:
        count += 1
    return count


@cache
def bounding_sample(count: int, rank: float) -> int:
    """Which of `count` sorted samples, counted from 1, the true percentile lies below.

    The smallest k with P(Binomial(count, rank / 100) >= k) <= 1 %: only if k samples or more fell
    below the true percentile is the k-th one below it. From `floor(rank)` samples on, k is at most
    count - 1.
    """
    below, tail, k = rank / 100, 0.0, count + 1
    while k > 0:
        tail += exp(_log_binomial(count, k - 1, below))
        if tail > UNCERTAINTY:
            break
        k -= 1
    return k


def ratio(
    student: Sequence[float], teacher: Sequence[float], *, confidence: float = 0.95
) -> Ratio | None:
    """The student's median over the teacher's; None below the samples that a median needs.

    The interval is a percentile bootstrap over rounds: both samples of a round are drawn together.

    Raises:
        MeasurementError: the two were not measured in the same rounds.
    """
    if len(student) != len(teacher):
        raise MeasurementError(
            Problem(
                "ratio of student to teacher",
                f"{len(student)} and {len(teacher)} samples",
                "as many of one as of the other, taken in turns",
                "measure both in the same rounds",
            )
        )
    if len(student) < floor(50):
        return None
    pairs = np.array([student, teacher], dtype=np.float64)
    generator = np.random.default_rng(_BOOTSTRAP_SEED)
    resamples = bootstrap_rows(pairs.shape[1], _RESAMPLES, generator)
    draws = np.concatenate([_median_ratio(pairs[:, rounds]) for rounds in resamples])
    low, high = percentile_interval(draws, 1 - confidence)
    return Ratio(float(_median_ratio(pairs)), low, high)


def _log_binomial(count: int, k: int, share: float) -> float:
    ways = lgamma(count + 1) - lgamma(k + 1) - lgamma(count - k + 1)
    return ways + k * log(share) + (count - k) * log(1 - share)


def _median_ratio(pairs: NDArray[np.float64]) -> NDArray[np.float64]:
    """Quotient of the medians of (2, ..., rounds), one for each of the middle dimensions."""
    medians: NDArray[np.float64] = np.median(pairs, axis=-1)
    quotients: NDArray[np.float64] = medians[0] / medians[1]
    return quotients
