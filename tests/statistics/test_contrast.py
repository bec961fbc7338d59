"""Tests of no difference between two entries."""

from itertools import product

import numpy as np
import pytest
from scipy.stats import binomtest

from tests.statistics import boards
from zoo.spec.task import TASKS, Task
from zoo.statistics.contrast import Swaps, contests, mcnemar_p, permutation_p
from zoo.statistics.estimate import Draws
from zoo.statistics.resample import swap_weights, weighted_sums
from zoo.statistics.splits import scored_splits
from zoo.statistics.sums import Array, contributions, value

PRIMARIES = ("acceptability", "sentiment", "paraphrase", "similarity")


def rows(task: Task, seed: int, count: int, quality: tuple[float, ...]) -> Array:
    """The primary metric's contributions of runs of this quality: (runs, examples, K)."""
    generator = np.random.default_rng(seed)
    if task.name == "similarity":
        gold = generator.normal(0, 1, count)
        answers = [(q * gold + generator.normal(3, 1, count)).tolist() for q in quality]
        return np.stack([contributions(task, list(gold), one)["pearson"] for one in answers])
    right = generator.random((len(quality), count)) < np.array(quality)[:, None]
    gold, answers = boards.classes(generator, right)
    return np.stack([contributions(task, gold, one)[task.primary] for one in answers])


def swaps(arrays: list[Array], permutations: int, seed: int = 0) -> list[Swaps]:
    weights = swap_weights(arrays[0].shape[1], permutations, np.random.default_rng(seed))
    sums = weighted_sums(arrays, weights)
    return [Swaps(array.sum(1), one) for array, one in zip(arrays, sums, strict=True)]


def looped(task: Task, one: Array, other: Array, flips: np.ndarray) -> float:
    """The difference under one permutation, seed by seed and example by example."""
    found = []
    for first, second in product(one, other):
        left, right = np.zeros(first.shape[1]), np.zeros(first.shape[1])
        for example, flip in enumerate(flips):
            left += second[example] if flip else first[example]
            right += first[example] if flip else second[example]
        values = [float(value(task, task.primary, side, len(flips))) for side in (left, right)]
        found.append(values[0] - values[1])
    return float(np.mean(found))


@pytest.mark.parametrize("seeds", [(1, 1), (2, 3)])
@pytest.mark.parametrize("name", PRIMARIES)
def test_permutations_equal_loops(name: str, seeds: tuple[int, int]) -> None:
    task = TASKS[name]
    all_rows = rows(task, 4, 25, (0.9,) * seeds[0] + (0.7,) * seeds[1])
    one, other = all_rows[: seeds[0]], all_rows[seeds[0] :]
    flips = np.concatenate(list(swap_weights(25, 60, np.random.default_rng(0))))
    seen = looped(task, one, other, np.zeros(25))
    extreme = sum(abs(looped(task, one, other, row)) >= abs(seen) - 1e-12 for row in flips)
    assert permutation_p(task, *swaps([one, other], 60), 25) == (1 + extreme) / 61


@pytest.mark.parametrize("name", PRIMARIES)
def test_random_permutations_come_near_all_of_them(name: str) -> None:
    task = TASKS[name]
    one, other = rows(task, 6, 8, (0.9, 0.4))[:, None]
    every = np.array(list(product((0, 1), repeat=8)))
    seen = looped(task, one, other, np.zeros(8))
    differences = np.array([looped(task, one, other, row) for row in every])
    expected = np.mean(~(np.abs(differences) < abs(seen) - 1e-12))
    assert permutation_p(task, *swaps([one, other], 20_000), 8) == pytest.approx(expected, abs=0.02)


@pytest.mark.parametrize("name", PRIMARIES)
def test_swapping_sides_keeps_p(name: str) -> None:
    task = TASKS[name]
    all_rows = rows(task, 7, 100, (0.9, 0.8, 0.85, 0.7, 0.75))
    one, other = swaps([all_rows[:3], all_rows[3:]], 500)
    p = permutation_p(task, one, other, 100)
    assert 1 / 501 < p < 1
    assert permutation_p(task, other, one, 100) == p


@pytest.mark.parametrize("name", PRIMARIES)
def test_equal_answers_have_p_one(name: str) -> None:
    task = TASKS[name]
    same = rows(task, 8, 50, (0.8, 0.7))
    assert permutation_p(task, *swaps([same, same[::-1]], 200), 50) == 1.0


def test_swapped_answers_to_numbers_do_not_depend_on_their_scale() -> None:
    """A constant added to the answers, or another unit, changes no p."""
    task, generator = TASKS["similarity"], np.random.default_rng(1)
    gold = generator.normal(0, 1, 200)
    near, far = gold + generator.normal(0, 0.5, 200), gold + generator.normal(0, 0.8, 200)
    found = []
    for moved in (far, far + 100, 40 * far - 7):
        sides = [contributions(task, list(gold), list(side))["pearson"] for side in (near, moved)]
        found.append(permutation_p(task, *swaps([side[None] for side in sides], 500), 200))
    assert found[0] < 0.05
    assert found == [found[0]] * 3


@pytest.mark.parametrize(("one", "other"), [(0, 1), (3, 3), (4, 12), (20, 2)])
def test_mcnemar_is_binomial_on_the_discordant_pairs(one: int, other: int) -> None:
    rng = np.random.default_rng(0)
    sides = [[1, 0]] * one + [[0, 1]] * other + [[1, 1]] * 9 + [[0, 0]] * 5
    first, second = np.array(rng.permutation(sides), float).T
    expected = binomtest(min(one, other), one + other).pvalue
    assert mcnemar_p(first, second) == pytest.approx(expected)
    assert mcnemar_p(second, first) == pytest.approx(expected)


def test_mcnemar_without_discordant_pairs_is_one() -> None:
    assert mcnemar_p(np.array([1.0, 0.0]), np.array([1.0, 0.0])) == 1.0


def test_permutation_of_single_accuracies_agrees_with_mcnemar() -> None:
    """Swaps move only discordant pairs, so both are the same binomial."""
    task = TASKS["sentiment"]
    one, other = rows(task, 11, 120, (0.85, 0.75))
    p = permutation_p(task, *swaps([one[None], other[None]], 20_000), 120)
    assert p == pytest.approx(mcnemar_p(one[:, 0], other[:, 0]), abs=0.01)


def test_who_is_contested_by_which_test() -> None:
    """Students against the others that are there, each rival once, never against themselves."""
    generator = np.random.default_rng(0)
    gold, answers = boards.classes(generator, generator.random((5, 80)) < 0.8)
    runs = [boards.run(gold, one) for one in answers]
    (split,) = scored_splits(
        [
            boards.scored("teacher", {1: runs[0]}, method="teacher", twin=None),
            boards.scored("twin", {1: runs[1]}),
            boards.scored("single", {1: runs[2]}),
            boards.scored("several", {1: runs[3], 2: runs[4]}),
            boards.scored("orphan", {1: runs[4]}, teacher="elsewhere", twin=None),
            boards.scored("devotee", {1: runs[4]}, twin="teacher"),
        ]
    )
    draws = boards.accuracy_draws(generator, np.array(answers)[:, None] == np.array(gold))
    found = contests(split, {one.entry: draws[0] for one in split.entries}, 200)
    assert {pair: contest.test for pair, contest in found.items()} == {
        ("twin", "teacher"): "McNemar, exact",
        ("single", "teacher"): "McNemar, exact",
        ("single", "twin"): "McNemar, exact",
        ("several", "teacher"): "paired permutation",
        ("several", "twin"): "paired permutation",
        ("devotee", "teacher"): "McNemar, exact",
    }


def test_an_undefined_difference_is_not_contested() -> None:
    gold, answers = [0.0, 1.0, 2.0, 4.0], [0.1, 0.9, 2.2, 3.0]
    (split,) = scored_splits(
        [
            boards.scored("teacher", {1: boards.run(gold, answers)}, task="stsb", method="teacher"),
            boards.scored("flat", {1: boards.run(gold, [1.0] * 4)}, task="stsb"),
        ]
    )
    defined = Draws((1,), np.array([0.9]), np.full((1, 100), 0.9))
    flat = Draws((1,), np.array([np.nan]), np.full((1, 100), np.nan))
    assert contests(split, {"teacher": defined, "flat": flat}, 50) == {}
