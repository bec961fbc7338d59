"""The bootstrap (Efron, 1979): whatever is resampled with replacement is drawn here.

`tests/statistics/test_bootstrap.py` holds it against `scipy.stats.bootstrap`, which draws the same
resamples, but takes no single example and computes a standard error that nobody reads.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

CHUNK_BYTES = 32 * 2**20
"""Of the resamples that are held at a time."""


def bootstrap_rows(
    examples: int, resamples: int, generator: np.random.Generator
) -> Iterator[NDArray[np.int64]]:
    """Which examples are drawn, (rows, examples), chunk by chunk until all resamples."""
    for rows in chunks(examples, resamples):
        yield generator.integers(0, examples, (rows, examples))


def percentile_interval(
    draws: NDArray[np.float64] | list[float], level: float
) -> tuple[float, float]:
    """What all draws but a share `level` lie within, half of it on either side; NaN is left out."""
    low, high = np.nanquantile(draws, [level / 2, 1 - level / 2])
    return float(low), float(high)


def chunks(examples: int, rows: int) -> Iterator[int]:
    """`rows` in parts, so that numbers for all examples of one part fit in memory."""
    most = max(1, CHUNK_BYTES // (8 * examples))
    for start in range(0, rows, most):
        yield min(most, rows - start)
