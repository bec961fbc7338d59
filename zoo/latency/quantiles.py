"""Percentiles with bounds, and ratios, as far as the number of samples supports them."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import count

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import binom

from zoo.errors import MeasurementError, Problem
from zoo.records.latency import Quantile, Timing
from zoo.statistics.bootstrap import bootstrap_rows, percentile_interval

UNCERTAINTY = 0.01
"""Error level of a one-sided 99 % bound."""
_RESAMPLES = 1000
_BOOTSTRAP_SEED = 20_170_612


@dataclass(frozen=True)
class Ratio:
    """The student's median over the teacher's with its interval; below 1 is faster."""

    value: float
    low: float
    high: float


def timing(milliseconds: ArrayLike) -> Timing:
    """The supported percentiles of one model's calls: (N,) milliseconds, in any order."""
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

    None below `floor(rank)` samples. Both are in the unit of the samples, (N,); `rank` is a
    percentage.

    Raises:
        MeasurementError: `rank` is not between 0 and 100.
    """
    if len(samples) < floor(rank):
        return None
    bound = samples[bounding_sample(len(samples), rank) - 1]
    return Quantile(value=float(np.percentile(samples, rank)), bound=float(bound))


@cache
def floor(rank: float) -> int:
    """The minimum samples for quoting a percentile: 11 for p50, 64 for p90, 662 for p99.

    With so many, at most one lies above the true percentile with a chance below 1 % (MLPerf
    Inference's early-stopping rule with one discarded sample).

    Raises:
        MeasurementError: `rank` is not between 0 and 100.
    """
    if not 0 < rank < 100:
        raise MeasurementError(
            Problem(
                "percentile", f"rank {rank:g}", "a number above 0 and below 100", "50, 90, 95, 99"
            )
        )
    return next(size for size in count(2) if bounding_sample(size, rank) < size)


def bounding_sample(size: int, rank: float) -> int:
    """Which of `size` sorted samples, counted from 1, the true percentile lies below.

    The smallest k with P(Binomial(size, rank / 100) >= k) <= 1 %: only if k samples or more fell
    below the true percentile is the k-th one below it. From `floor(rank)` samples on, k is at most
    size - 1.
    """
    return int(binom.isf(UNCERTAINTY, size, rank / 100)) + 1


def ratio(
    student: Sequence[float], teacher: Sequence[float], *, confidence: float = 0.95
) -> Ratio | None:
    """The student's median over the teacher's; None with too few samples for a median.

    The interval is a percentile bootstrap over rounds: both samples of a round are drawn together.
    Any unit of time will do, if both have the same; `confidence` is a share.

    Raises:
        MeasurementError: the two have different numbers of rounds.
    """
    if len(student) != len(teacher):
        raise MeasurementError(
            Problem(
                "ratio of student to teacher",
                f"{len(student)} and {len(teacher)} samples",
                "equal numbers of interleaved samples",
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


def _median_ratio(pairs: NDArray[np.float64]) -> NDArray[np.float64]:
    """Quotient of the medians of (2, ..., rounds), one for each of the middle dimensions."""
    medians: NDArray[np.float64] = np.median(pairs, axis=-1)
    quotients: NDArray[np.float64] = medians[0] / medians[1]
    return quotients
