"""Bounds of percentiles once more, term by term from the binomial distribution."""

from math import exp, lgamma, log


def bounding_sample(size: int, share: float, error: float) -> int:
    """The smallest k with P(Binomial(size, share) >= k) <= error, summed from above."""
    tail, k = 0.0, size + 1
    while k > 0:
        tail += _chance(size, k - 1, share)
        if tail > error:
            break
        k -= 1
    return k


def floor(share: float, error: float) -> int:
    """The smallest size of which at most one sample lies above with a chance up to `error`."""
    size = 2
    while share**size + size * (1 - share) * share ** (size - 1) > error:
        size += 1
    return size


def _chance(size: int, k: int, share: float) -> float:
    ways = lgamma(size + 1) - lgamma(k + 1) - lgamma(size - k + 1)
    return exp(ways + k * log(share) + (size - k) * log(1 - share))
