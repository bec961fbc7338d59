"""Tests of no difference between two entries on the same examples.

The hypothesis concerns these runs: that both are equally good on examples like these.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.stats import binomtest

from zoo.spec.task import Task
from zoo.statistics.estimate import ROUNDING, Draws, Estimate, difference
from zoo.statistics.resample import generator_of, swap_weights, weighted_sums
from zoo.statistics.splits import ScoredSplit
from zoo.statistics.sums import FloatArray, value

Pair = tuple[str, str]
"""An entry and its rival."""
Test = Literal["McNemar, exact", "paired permutation"]


@dataclass(frozen=True)
class Contested:
    """An entry compared with its rival in the primary metric, before any correction.

    `difference` and its 95 % interval are on the metric's natural scale, entry minus rival.
    """

    difference: float
    low: float
    high: float
    p: float
    """Of the test, over examples."""
    p_interval: float
    """The largest error level whose interval, seeds included, holds 0."""
    test: Test
    swapped: "Swapped"


@dataclass(frozen=True)
class Swapped:
    """A difference as it is, and in P permutations of the answers, (P,).

    NaN where the metric is undefined.
    """

    observed: float
    permuted: FloatArray


@dataclass(frozen=True)
class Swaps:
    """The sums of one entry's primary metric: of all examples, and of those that are swapped.

    `whole` is (seeds, K), `swapped` (permutations, seeds, K).
    """

    whole: FloatArray
    swapped: FloatArray


def contests(
    split: ScoredSplit, draws: Mapping[str, Draws], permutations: int
) -> dict[Pair, Contested]:
    """Each student compared with its teacher and its twin, if these exist and differ from it.

    Accuracy of single runs uses McNemar's exact test, anything else the permutation test. Pairs
    whose difference is undefined, also in more than 1 % of resamples, are left out.

    Args:
        split: the scored split.
        draws: the primary metric, by entry; (S,) seeds and (S, B) resamples each.
        permutations: number per permutation test.
    """
    primary = split.by_metric[split.task.primary]
    estimates = {pair: difference(*map(draws.__getitem__, pair)) for pair in _pairs(split)}
    usable = {pair: estimate for pair, estimate in estimates.items() if estimate.is_usable}
    swaps = _swaps(split, sorted({name for pair in usable for name in pair}), permutations)
    found = {}
    for pair, estimate in usable.items():
        one, other = pair
        swapped = swapped_difference(split.task, swaps[one], swaps[other], split.examples)
        exact = _exact_p(split.task, primary[one], primary[other])
        if exact is None:
            found[pair] = contested(estimate, swapped)
        else:
            found[pair] = contested(estimate, swapped, exact, "McNemar, exact")
    return found


def mean_contests(
    draws: Mapping[str, Draws], splits: Sequence[Mapping[Pair, Contested]]
) -> dict[Pair, Contested]:
    """The pairs that are compared on every split, compared in their means over the splits.

    Answers are swapped independently on each split: the permutation test of the mean difference.

    Args:
        draws: the mean by entry; (S,) seeds and (S, B) resamples each.
        splits: the pairs of each split.
    """
    found = {}
    for pair in splits[0] if splits else ():
        estimate = difference(*(draws[name] for name in pair))
        if estimate.is_usable and all(pair in own for own in splits):
            swapped = [own[pair].swapped for own in splits]
            mean = Swapped(
                float(np.mean([one.observed for one in swapped])),
                np.mean([one.permuted for one in swapped], axis=0),
            )
            found[pair] = contested(estimate, mean)
    return found


def contested(
    estimate: Estimate, swapped: Swapped, p: float | None = None, test: Test = "paired permutation"
) -> Contested:
    """A usable difference with its interval and test: that of the permutations, or another's p."""
    low, high = estimate.interval() or (np.nan, np.nan)
    p_test = permutation_p(swapped) if p is None else p
    return Contested(estimate.value, low, high, p_test, estimate.p_of_interval(), test, swapped)


def _pairs(split: ScoredSplit) -> list[Pair]:
    present = {one.entry for one in split.entries}
    return [
        (one.entry, rival)
        for one in split.entries
        if one.is_student
        for rival in dict.fromkeys((one.teacher, one.twin))
        if rival in present and rival != one.entry
    ]


def _exact_p(task: Task, one: FloatArray, other: FloatArray) -> float | None:
    """McNemar's p for accuracy of single runs, (1, N, 1) each; None for anything else."""
    if task.primary != "accuracy" or not len(one) == len(other) == 1:
        return None
    return mcnemar_p(one[0, :, 0], other[0, :, 0])


def _swaps(split: ScoredSplit, entries: Sequence[str], permutations: int) -> dict[str, Swaps]:
    """The sums of these entries, with the same examples swapped for all."""
    if not entries:
        return {}
    arrays = [split.by_metric[split.task.primary][entry] for entry in entries]
    generator = generator_of(split.task.name, split.name, "swap")
    sums = weighted_sums(arrays, swap_weights(split.examples, permutations, generator))
    return {
        entry: Swaps(array.sum(1), swapped)
        for entry, array, swapped in zip(entries, arrays, sums, strict=True)
    }


def mcnemar_p(one: FloatArray, other: FloatArray) -> float:
    """McNemar's exact test (1947), two-sided: binomial on the examples only one side gets right.

    Args:
        one: (N,) of 0 and 1, whether the predictions are correct.
        other: the same for the other side.
    """
    only_one, only_other = int((one > other).sum()), int((one < other).sum())
    if only_one + only_other == 0:
        return 1.0
    return float(binomtest(only_one, only_one + only_other, 0.5).pvalue)


def swapped_difference(task: Task, one: Swaps, other: Swaps, examples: int) -> Swapped:
    """The difference of the primary metric, as it is and with answers swapped at random.

    A swap exchanges what both sides answered to an example, in all seeds at once. Every seed of
    `one` is paired with every seed of `other` (their numbers may differ), and the difference is the
    mean over these pairs: unswapped, that is the difference of the means over seeds. Answers of a
    correlation are standardised or ranked before, or a swap would mix two scales.
    """
    # A metric is a function of sums, so a swap need not touch the answers: what each side keeps is
    # its whole less what it hands over.
    kept = one.whole - one.swapped, other.whole - other.swapped
    mixed = _joined(kept[0], other.swapped), _joined(one.swapped, kept[1])
    first, second = (value(task, task.primary, sums, examples).mean((1, 2)) for sums in mixed)
    first_whole, second_whole = (
        value(task, task.primary, side.whole, examples).mean() for side in (one, other)
    )
    return Swapped(float(first_whole - second_whole), np.asarray(first - second))


def permutation_p(swapped: Swapped) -> float:
    """The paired permutation test, two-sided, by random swaps of answers.

    A permutation in which the metric is undefined counts against a difference.

    Returns:
        (1 + permutations that differ at least as much) / (1 + permutations).
    """
    # No comparison with NaN holds: an undefined permutation is not smaller, and so counts.
    smaller = np.abs(swapped.permuted) < abs(swapped.observed) - ROUNDING
    return (1 + int((~smaller).sum())) / (1 + len(smaller))


def _joined(one: FloatArray, other: FloatArray) -> FloatArray:
    """Sums of each seed of `one` with each of `other`: (permutations, seeds, seeds, K)."""
    return np.asarray(one[:, :, None] + other[:, None, :])
