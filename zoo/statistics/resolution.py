"""The minimum detectable difference on a split."""

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from scipy.stats import norm

from zoo.statistics.estimate import LEVEL, ROUNDING, Draws, over_examples

POWER = 0.8
"""Power: the probability of detecting a true difference."""


def smallest_difference(draws: Sequence[Draws]) -> float | None:
    """The minimum difference that a paired test detects with `POWER`: the median over pairs.

    For one pair it is (z_0.975 + z_0.80) times the standard deviation over examples of the
    difference, in the metric's unit. Pairs that differ on no example are left out; None if none
    remains. Of `draws`, one for each student, the (S, B) resamples are read.
    """
    estimates = [over_examples(one) for one in draws]
    usable = [estimate.resampled for estimate in estimates if estimate.is_usable]
    deviations = [float(np.nanstd(one - other)) for one, other in combinations(usable, 2)]
    telling = [deviation for deviation in deviations if deviation > ROUNDING]
    if not telling:
        return None
    return float((norm.ppf(1 - LEVEL / 2) + norm.ppf(POWER)) * np.median(telling))
