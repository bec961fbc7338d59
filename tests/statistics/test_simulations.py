"""Simulated boards with known truth: tests err, and intervals cover, as often as they claim.

The default runs are small; the slow ones have enough boards for narrow tolerances.
"""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import binom

from tests.statistics.boards import DIGEST, World, classified, scored
from zoo.records.statistics import SuiteStatistics
from zoo.statistics.estimate import (
    Draws,
    Estimate,
    difference,
    mean_of,
    over_examples,
    over_seeds,
)
from zoo.statistics.resample import bootstrap_weights
from zoo.statistics.standing import ScoredRuns, suite_statistics
from zoo.statistics.sums import FloatArray

SURE = 1e-4
"""Chance that a tolerance is left although all is as claimed."""
SIZES = [
    pytest.param(200, id="200 boards"),
    pytest.param(4_000, id="4000 boards", marks=pytest.mark.slow),
]


def most(boards: int, chance: float) -> int:
    """So many events are still believable."""
    return int(binom.isf(SURE, boards, chance))


def least(boards: int, chance: float) -> int:
    """So few events are still believable."""
    return int(binom.ppf(SURE, boards, chance))


def statistics(
    board: list[ScoredRuns], resamples: int = 20, permutations: int = 499
) -> SuiteStatistics:
    return suite_statistics("s", board, DIGEST, resamples=resamples, permutations=permutations)


def p_of(board: list[ScoredRuns], permutations: int = 499) -> float:
    """The p-value of the first student against its teacher."""
    standings = statistics(board, permutations=permutations).standings
    return next(one.to_teacher.p for one in standings if one.to_teacher)


def pair(random: np.random.Generator, task: str, seeds: int, examples: int) -> list[ScoredRuns]:
    """A student as good as its teacher."""
    right, _ = World().right(random, [1.0, 1.0], seeds, examples)
    gold = random.integers(0, 2, examples)
    return classified(task, gold, dict(zip(("teacher", "a"), right, strict=True)))


def correlated(random: np.random.Generator, seeds: int, examples: int) -> list[ScoredRuns]:
    """A student as good as its teacher, on another scale."""
    gold = random.normal(size=examples)
    shared = random.normal(size=examples)
    noise = random.normal(size=(2, seeds, examples))
    answers = gold + shared + noise
    return [
        scored("similarity", "teacher", gold, answers[0]),
        scored("similarity", "a", gold, 100 + 10 * answers[1]),
    ]


@pytest.mark.parametrize("boards", SIZES)
@pytest.mark.parametrize(
    ("task", "seeds"),
    [("sentiment", 2), ("paraphrase", 1), ("acceptability", 3), ("similarity", 1)],
)
def test_permutation_tests_err_in_one_of_twenty(task: str, seeds: int, boards: int) -> None:
    random = np.random.default_rng(1)
    found = 0
    for _ in range(boards):
        same = task == "similarity"
        board = correlated(random, seeds, 100) if same else pair(random, task, seeds, 100)
        found += p_of(board) <= 0.05
    # Equal differences count as larger, so that few examples make the test a little careful.
    assert least(boards, 0.035) <= found <= most(boards, 0.055)


@pytest.mark.parametrize("boards", SIZES)
def test_the_exact_test_errs_in_at_most_one_of_twenty(boards: int) -> None:
    random = np.random.default_rng(2)
    found = sum(p_of(pair(random, "sentiment", 1, 200)) <= 0.05 for _ in range(boards))
    assert least(boards, 0.02) <= found <= most(boards, 0.05)


@pytest.mark.parametrize("boards", SIZES)
def test_the_stated_resolution_is_found_four_times_in_five(boards: int) -> None:
    """The difference that equal students are said to be told apart at, made true."""
    random = np.random.default_rng(3)
    world, examples = World(), 1_000
    even, _ = world.right(random, [world.skill(0.8)] * 8, 1, examples)
    gold = random.integers(0, 2, examples)
    students = classified("sentiment", gold, dict(zip("abcdefgh", even, strict=True)))
    stated = statistics(students, resamples=2_000).resolutions[0].difference
    assert stated is not None
    skills = [world.skill(0.8 - stated / 2), world.skill(0.8 + stated / 2)]
    found = 0
    for _ in range(boards):
        # Each run twice: two seeds take the permutation test, and equal ones add nothing to it.
        right, _ = world.right(random, skills, 1, examples)
        twice = dict(zip(("teacher", "a"), np.repeat(right, 2, axis=1), strict=True))
        found += p_of(classified("sentiment", gold, twice), permutations=1_999) <= 0.05
    assert least(boards, 0.74) <= found <= most(boards, 0.86)


@pytest.mark.parametrize("boards", SIZES)
@pytest.mark.parametrize("seeds", [1, 3])
def test_all_tests_of_a_board_together_err_in_at_most_one_of_twenty(
    seeds: int, boards: int
) -> None:
    """Holm's correction over six equal students against one teacher and one twin."""
    random = np.random.default_rng(4)
    found = 0
    for _ in range(boards):
        right, _ = World().right(random, [1.0] * 6, seeds, 100)
        board = classified(
            "sentiment",
            random.integers(0, 2, 100),
            dict(zip(("teacher", "plain", "a", "b", "c", "d"), right, strict=True)),
        )
        standings = statistics(board).standings
        contrasts = [c for one in standings for c in (one.to_teacher, one.to_twin) if c]
        found += any(contrast.p_holm <= 0.05 for contrast in contrasts)
    assert found <= most(boards, 0.05)


@pytest.mark.parametrize("boards", SIZES)
@pytest.mark.parametrize(("seeds", "luck"), [(1, 0.0), (3, 0.0), (3, 0.2), (5, 0.2)])
def test_equal_students_share_all_places_nineteen_times_in_twenty(
    seeds: int, luck: float, boards: int
) -> None:
    random = np.random.default_rng(5)
    found = 0
    for _ in range(boards):
        right, _ = World(luck=luck).right(random, [1.0] * 5, seeds, 200)
        board = classified(
            "sentiment", random.integers(0, 2, 200), dict(zip("abcde", right, strict=True))
        )
        ranks = [one.rank for one in statistics(board, 200, 1).standings]
        found += any(rank != (1, 5) for rank in ranks)
    assert found <= most(boards, 0.06)


def draws_of(right: NDArray[np.bool_], weights: FloatArray) -> Draws:
    """The draws of the accuracy of right answers, (seeds, examples)."""
    resampled = right.astype(float) @ weights.T / right.shape[1]
    return Draws(tuple(range(len(right))), right.mean(1), resampled)


def few_weights(examples: int) -> FloatArray:
    """400 resamples, the same for all boards."""
    return np.concatenate(list(bootstrap_weights(examples, 400, np.random.default_rng(8))))


def covers(estimate: Estimate, truth: float) -> bool:
    interval = estimate.interval()
    assert interval is not None
    return interval[0] <= truth <= interval[1]


@pytest.mark.parametrize("boards", SIZES)
@pytest.mark.parametrize(
    ("seeds", "luck"),
    [(1, 0.0), (3, 0.0), (3, 0.1), (3, 0.5), (5, 0.0), (5, 0.1), (5, 0.5)],
)
def test_intervals_cover_nineteen_times_in_twenty(seeds: int, luck: float, boards: int) -> None:
    """Over examples: these runs' true accuracy; over seeds: the accuracy over all runs.

    Luck of 0.1 spreads accuracies by 0.02, which is usual; 0.5 by 0.1, which is seeds that fail.
    """
    random = np.random.default_rng(6)
    world, examples, accuracy = World(luck=luck), 300, 0.75
    weights = few_weights(examples)
    own, overall = 0, 0
    for _ in range(boards):
        right, truth = world.right(random, [world.skill(accuracy)], seeds, examples)
        draws = draws_of(right[0], weights)
        own += covers(over_examples(draws), truth.mean())
        overall += covers(over_seeds(draws), accuracy)
    assert least(boards, 0.935) <= own <= most(boards, 0.965)
    if seeds > 1:
        assert least(boards, 0.93) <= overall <= most(boards, 0.99)


@pytest.mark.parametrize("boards", SIZES)
@pytest.mark.parametrize(("seeds", "luck"), [(1, 0.0), (3, 0.2), (5, 0.2)])
def test_intervals_of_differences_cover_nineteen_times_in_twenty(
    seeds: int, luck: float, boards: int
) -> None:
    random = np.random.default_rng(7)
    world, examples = World(luck=luck), 300
    weights = few_weights(examples)
    skills = [world.skill(0.8), world.skill(0.75)]
    covered = 0
    for _ in range(boards):
        right, _ = world.right(random, skills, seeds, examples)
        estimate = difference(*(draws_of(runs, weights) for runs in right))
        covered += covers(estimate, 0.05)
    assert least(boards, 0.935) <= covered <= most(boards, 0.985)


@pytest.mark.parametrize("boards", SIZES)
@pytest.mark.parametrize(
    ("seeds", "luck"), [((3, 5), 0.1), ((3, 5), 0.5), ((2, 5), 0.1), ((5, 3, 3), 0.1)]
)
def test_intervals_of_means_over_unequal_seeds_cover_nineteen_times_in_twenty(
    seeds: tuple[int, ...], luck: float, boards: int
) -> None:
    random = np.random.default_rng(9)
    world, examples, accuracy = World(luck=luck), 300, 0.75
    weights = [few_weights(examples)[np.random.default_rng(n).permutation(400)] for n in seeds]
    covered = 0
    for _ in range(boards):
        right = [world.right(random, [world.skill(accuracy)], n, examples)[0][0] for n in seeds]
        draws = [draws_of(one, other) for one, other in zip(right, weights, strict=True)]
        covered += covers(over_seeds(mean_of(draws)), accuracy)
    assert least(boards, 0.91) <= covered <= most(boards, 0.99)
