"""The bootstrap (Efron, 1979): all resampling with replacement happens here.

`tests/statistics/test_bootstrap.py` checks it against `scipy.stats.bootstrap`, which draws the same
resamples, but rejects single examples and computes an unused standard error.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

CHUNK_BYTES = 32 * 2**20
"""Memory of the resamples held at a time."""


def bootstrap_rows(
    examples: int, resamples: int, generator: np.random.Generator
) -> Iterator[NDArray[np.int64]]:
    """Indices of the drawn examples, (rows, examples), in chunks until all resamples are drawn."""
    for rows in chunks(examples, resamples):
        yield generator.integers(0, examples, (rows, examples))


def percentile_interval(
    draws: NDArray[np.float64] | list[float], level: float
) -> tuple[float, float]:
    """The percentile interval at error level `level`, two-sided; NaN is ignored."""
    low, high = np.nanquantile(draws, [level / 2, 1 - level / 2])
    return float(low), float(high)


def chunks(examples: int, rows: int) -> Iterator[int]:
    """`rows` in chunks, so that one chunk's numbers for all examples fit in memory."""
    most = max(1, CHUNK_BYTES // (8 * examples))
    for start in range(0, rows, most):
        yield min(most, rows - start)
