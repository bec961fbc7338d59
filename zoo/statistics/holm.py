"""Holm's correction for many tests (Holm, 1979)."""

from collections.abc import Sequence

import numpy as np

from zoo.statistics.sums import FloatArray


def holm(p_values: Sequence[float]) -> FloatArray:
    """Corrected p-values, in the given order: rejecting those up to a level bounds the chance of
    any false rejection by that level, however the tests depend on each other.

    (m,) to (m,): the k-th smallest of m is multiplied by m - k + 1, but is at least what the one
    before became, and at most 1.
    """
    given = np.asarray(p_values, np.float64)
    # Stable, so that equal p-values get theirs in the given order on every machine.
    order = np.argsort(given, kind="stable")
    factors = np.arange(len(given), 0, -1)
    corrected = np.empty_like(given)
    corrected[order] = np.minimum(np.maximum.accumulate(given[order] * factors), 1.0)
    return corrected
