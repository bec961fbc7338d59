"""Intervals and p-values that agree, and means that are compared as splits are."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from tests.statistics import made_runs
from tests.statistics.boards import DIGEST, World, classified
from zoo.records.statistics import Contrast, SuiteStatistics
from zoo.statistics.contrast import Contested, Swapped, mean_contests
from zoo.statistics.estimate import LEVEL, Draws, Estimate, difference
from zoo.statistics.holm import holm
from zoo.statistics.standing import suite_statistics

TASKS = ("sentiment", "inference")
ENTRIES = ("teacher", "plain", "kd", "weak")


def several(seed: int, seeds: int) -> Draws:
    generator = np.random.default_rng(seed)
    right = made_runs.right_answers(generator, generator.normal(1.0, 0.1, (1, seeds)), 400)
    return made_runs.accuracy_draws(generator, right, 1_000)[0]


def board(seeds: int = 3, luck: float = 0.3) -> SuiteStatistics:
    """Two tasks of accuracy, whose seeds differ by `luck`."""
    random = np.random.default_rng(5)
    scored = []
    for task in TASKS:
        right, _ = World(luck=luck).right(random, (1.4, 1.0, 1.2, 0.3), seeds, 150)
        gold = random.integers(0, 2, 150)
        scored += classified(task, gold, dict(zip(ENTRIES, right, strict=True)))
    return suite_statistics("pocket", scored, DIGEST, resamples=300, permutations=1_999)


def of_means(found: SuiteStatistics) -> list[Contrast]:
    return [c for mean in found.means for c in (mean.to_teacher, mean.to_twin) if c]


def of_splits(found: SuiteStatistics) -> list[Contrast]:
    return [c for one in found.standings for c in (one.to_teacher, one.to_twin) if c]


@pytest.mark.parametrize("seeds", [1, 3])
def test_the_p_of_an_interval_is_where_it_meets_zero(seeds: int) -> None:
    """As large as 0.05 exactly where the 95 % interval holds 0, and near Student's."""
    for shift in np.linspace(-0.2, 0.2, 9):
        one = several(1, seeds)
        moved = replace(one, observed=one.observed + shift, resampled=one.resampled + shift)
        estimate = difference(moved, several(2, seeds))
        low, high = estimate.interval() or (np.nan, np.nan)
        p = estimate.p_of_interval()
        assert (p >= LEVEL) == (low <= 0 <= high)
        assert p == pytest.approx(estimate.p_value(), abs=0.08)


def test_an_interval_is_wider_the_smaller_its_level() -> None:
    wide, narrow = several(1, 3), several(2, 3)
    intervals = [difference(wide, narrow).interval(level) for level in (0.01, 0.05, 0.5)]
    lows, highs = zip(*(interval for interval in intervals if interval), strict=True)
    assert list(lows) == sorted(lows)
    assert list(highs) == sorted(highs, reverse=True)


def test_what_is_undefined_has_no_p() -> None:
    assert np.isnan(Estimate(float("nan"), np.zeros(10)).p_of_interval())


@pytest.mark.parametrize("seeds", [1, 3])
def test_no_corrected_p_is_significant_where_the_interval_holds_zero(seeds: int) -> None:
    """However seeds vary; and each is at least Holm's, within its own family."""
    found = board(seeds)
    for contrasts in (of_means(found), of_splits(found)):
        corrected = holm([contrast.p for contrast in contrasts])
        for contrast, least in zip(contrasts, corrected, strict=True):
            holds = contrast.low <= 0 <= contrast.high
            assert contrast.p_holm >= least - 1e-6
            assert contrast.p_holm >= LEVEL or not holds
            if not holds and least >= LEVEL:
                assert contrast.p_holm == pytest.approx(least)
    assert any(c.p < LEVEL and c.low <= 0 <= c.high for c in of_splits(board(3)))


def test_means_are_compared_with_teacher_and_twin() -> None:
    """Their difference is the mean of those on the splits; the tests are a family of their own."""
    found = board()
    rivals = {
        mean.entry: tuple(c and c.rival for c in (mean.to_teacher, mean.to_twin))
        for mean in found.means
    }
    assert rivals == {
        "teacher": (None, None),
        "plain": ("teacher", None),
        "kd": ("teacher", "plain"),
        "weak": ("teacher", "plain"),
    }
    assert found.tests == len(of_splits(found)) == 2 * len(of_means(found))
    for mean in found.means:
        own = [one.to_teacher for one in found.standings if one.entry == mean.entry]
        if mean.to_teacher is None:
            continue
        assert mean.to_teacher.test == "paired permutation"
        expected = np.mean([contrast.difference for contrast in own if contrast])
        assert mean.to_teacher.difference == pytest.approx(expected, abs=2e-6)
        assert mean.to_teacher.low < expected < mean.to_teacher.high


def test_the_p_of_a_mean_is_that_of_no_single_split() -> None:
    found = board(luck=0.0)
    of_mean = {contrast.p for contrast in of_means(found)}
    assert len(of_mean - {contrast.p for contrast in of_splits(found)}) > 2


def test_the_test_of_a_mean_swaps_every_split_on_its_own() -> None:
    """Over all pairs of swaps of two splits, it is the enumerated test of the mean difference."""
    random = np.random.default_rng(6)
    splits = [Swapped(observed, random.normal(size=40)) for observed in (0.9, 1.1)]
    both = np.array(list(product(splits[0].permuted, splits[1].permuted)))
    apart = [Swapped(one.observed, both[:, n]) for n, one in enumerate(splits)]
    draws = {"kd": several(1, 1), "plain": several(2, 1)}
    pair = "kd", "plain"
    contests = [
        {pair: Contested(0.0, 0.0, 0.0, 1.0, 1.0, "paired permutation", one)} for one in apart
    ]
    found = mean_contests(draws, contests)[pair]
    as_large = sum(abs(one + other) >= 2.0 for one, other in both)
    assert found.p == pytest.approx((1 + as_large) / (1 + len(both)))


def test_a_pair_that_one_split_lacks_has_no_mean() -> None:
    draws = {"kd": several(1, 1), "plain": several(2, 1)}
    assert mean_contests(draws, [{}, {}]) == {}
    assert mean_contests(draws, []) == {}
