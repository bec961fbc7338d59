"""How numbers stand in stored statistics."""

import numpy as np

from zoo.statistics.estimate import ROUNDING

STATISTICS_DIGITS = 6
"""Significant digits of every number: fewer than rounding errors affect."""


def rounded_statistic(number: float | None) -> float | None:
    """A number as `significant`; None where it is undefined."""
    return None if number is None or not np.isfinite(number) else significant(number)


def significant(number: float) -> float:
    """Rounded to `STATISTICS_DIGITS`; rounding errors become zero."""
    return 0.0 if abs(number) <= ROUNDING else probability(number)


def probability(p: float) -> float:
    """A p-value rounded to `STATISTICS_DIGITS` significant digits."""
    return float(f"{p:.{STATISTICS_DIGITS}g}")
