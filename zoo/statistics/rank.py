"""Rank ranges of entries, which overlap where differences are not significant."""

from collections.abc import Mapping
from itertools import combinations

from zoo.statistics.estimate import LEVEL, Draws, difference, over_examples
from zoo.statistics.holm import holm

RankInterval = tuple[int, int]
"""The best and the worst rank, counted from 1."""


def places(draws: Mapping[str, Draws]) -> dict[str, RankInterval | None]:
    """The rank range of each entry: below all significantly better, above all worse entries.

    Each pair is tested by its difference over the standard deviation of that difference, over
    examples and seeds, with Holm's correction for all pairs. Entries whose score is undefined have
    no rank and take none.

    Args:
        draws: one metric by entry, higher is better; (S,) seeds and (S, B) shared resamples each.
    """
    ranked = sorted(name for name, one in draws.items() if over_examples(one).is_usable)
    pairs = list(combinations(ranked, 2))
    estimates = [difference(draws[one], draws[other]) for one, other in pairs]
    corrected = holm([estimate.p_value() for estimate in estimates])
    better, worse = dict.fromkeys(ranked, 0), dict.fromkeys(ranked, 0)
    for pair, estimate, p in zip(pairs, estimates, corrected, strict=True):
        if p <= LEVEL:
            winner, loser = pair if estimate.value > 0 else pair[::-1]
            better[loser] += 1
            worse[winner] += 1
    # An entry significantly worse than b others ranks b + 1 at best.
    held = {name: (1 + better[name], len(ranked) - worse[name]) for name in ranked}
    return {name: held.get(name) for name in draws}
