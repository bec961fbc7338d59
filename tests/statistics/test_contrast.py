"""Paired tests against scipy, loops, and the enumeration of all swaps."""

from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest, permutation_test

from zoo.evaluation.metrics import compute_metrics
from zoo.spec.task import TASKS
from zoo.statistics.contrast import Swaps, mcnemar_p, permutation_p, swapped_difference
from zoo.statistics.sums import contributions


def sides(task: str, gold: Any, answers: Any) -> list[np.ndarray]:
    """The contributions, (seeds, examples, K), of the primary metric of each side."""
    primary = TASKS[task].primary
    return [
        np.stack([contributions(TASKS[task], gold, run)[primary] for run in side])
        for side in answers
    ]


def swapped(side: np.ndarray, swaps: np.ndarray) -> Swaps:
    return Swaps(side.sum(1), np.einsum("bn,snk->bsk", swaps, side))


def p_of(task: str, gold: Any, answers: Any, swaps: np.ndarray) -> float:
    one, other = (swapped(side, swaps) for side in sides(task, gold, answers))
    return permutation_p(swapped_difference(TASKS[task], one, other, len(gold)))


def all_swaps(examples: int) -> np.ndarray:
    return np.array(list(product([0.0, 1.0], repeat=examples)))


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1)), min_size=1, max_size=40))
def test_mcnemar_is_the_binomial_test_of_discordant_examples(pairs: list) -> None:
    one, other = np.array(pairs, float).T
    wins, losses = pairs.count((1, 0)), pairs.count((0, 1))
    expected = binomtest(wins, wins + losses).pvalue if wins + losses else 1.0
    assert mcnemar_p(one, other) == pytest.approx(expected)
    assert mcnemar_p(one, other) == pytest.approx(mcnemar_p(other, one))


def test_mcnemar_in_closed_form() -> None:
    """Six to none: 2 / 2^6; right or wrong together counts nothing."""
    one, other = np.array([1.0] * 6 + [1, 0]), np.array([0.0] * 6 + [1, 0])
    assert mcnemar_p(one, other) == pytest.approx(2 / 2**6)


def test_over_all_swaps_accuracy_of_single_runs_is_mcnemar() -> None:
    """Both are exact, so that they agree but for the 1 that random permutations add."""
    random = np.random.default_rng(1)
    gold = random.integers(0, 2, 10)
    answers = random.integers(0, 2, (2, 1, 10))
    one, other = ((side[0] == gold).astype(float) for side in answers)
    p = p_of("sentiment", gold, answers, all_swaps(10))
    assert p == pytest.approx((1 + 2**10 * mcnemar_p(one, other)) / (1 + 2**10))


@pytest.mark.parametrize("task", ["paraphrase", "acceptability", "similarity"])
def test_over_all_swaps_p_is_that_of_scipy(task: str) -> None:
    """scipy enumerates them from the answers themselves."""
    random = np.random.default_rng(2)
    if task == "similarity":
        gold = random.normal(size=8)
        # Of mean 0 and standard deviation 1, as the answers of a correlation are before swaps.
        answers = gold + random.normal(size=(2, 8)) * [[0.3], [1.5]]
        answers -= answers.mean(1, keepdims=True)
        answers /= answers.std(1, keepdims=True)
    else:
        gold, *answers = random.integers(0, 2, (3, 8))
    primary = TASKS[task].primary

    def statistic(x: Any, y: Any) -> float:
        first, second = (compute_metrics(TASKS[task], gold, side)[primary] for side in (x, y))
        return first - second

    exact = permutation_test(
        tuple(answers),
        statistic,
        permutation_type="samples",
        vectorized=False,
        n_resamples=np.inf,
        alternative="two-sided",
    )
    reference = np.mean(np.abs(exact.null_distribution) >= abs(exact.statistic) - 1e-12)
    p = p_of(task, gold, [[side] for side in answers], all_swaps(8))
    assert p == pytest.approx((1 + 2**8 * reference) / (1 + 2**8))


def test_seeds_are_swapped_together_and_averaged() -> None:
    """One permutation, written as loops over examples and pairs of seeds."""
    random = np.random.default_rng(3)
    gold = random.integers(0, 2, 30)
    one = np.where(random.random((3, 30)) < 0.9, gold, 1 - gold)
    other = np.where(random.random((2, 30)) < 0.6, gold, 1 - gold)

    def difference(swap: Any) -> float:
        found = []
        for a, b in product(one, other):
            first = [b[i] if swap[i] else a[i] for i in range(30)]
            second = [a[i] if swap[i] else b[i] for i in range(30)]
            scores = (
                compute_metrics(TASKS["paraphrase"], gold, np.array(x))["f1"]
                for x in (first, second)
            )
            found.append(next(scores) - next(scores))
        return float(np.mean(found))

    swaps = random.integers(0, 2, (60, 30)).astype(float)
    observed = abs(difference(np.zeros(30)))
    as_large = sum(abs(difference(swap)) >= observed - 1e-12 for swap in swaps)
    p = p_of("paraphrase", gold, (one, other), swaps)
    assert p == pytest.approx((1 + as_large) / 61)


@settings(max_examples=25)
@given(st.integers(0, 2**32 - 1), st.sampled_from(["paraphrase", "acceptability", "similarity"]))
def test_exchanging_the_sides_keeps_p(seed: int, task: str) -> None:
    random = np.random.default_rng(seed)
    shape = (2, 2, 20)
    is_number = task == "similarity"
    gold = random.normal(size=20) if is_number else random.integers(0, 2, 20)
    answers = random.normal(size=shape) if is_number else random.integers(0, 2, shape)
    swaps = random.integers(0, 2, (50, 20)).astype(float)
    assert p_of(task, gold, answers, swaps) == p_of(task, gold, answers[::-1], swaps)


def test_adding_to_or_scaling_the_answers_of_a_regression_keeps_p() -> None:
    random = np.random.default_rng(4)
    gold = random.normal(size=25)
    one, other = gold + random.normal(size=(2, 1, 25)) * [[[0.8]], [[1.4]]]
    swaps = random.integers(0, 2, (400, 25)).astype(float)
    p = p_of("similarity", gold, (one, other), swaps)
    assert 0.01 < p < 0.9
    assert p_of("similarity", gold, (1e3 + 50 * one, other), swaps) == p


def test_equal_answers_differ_in_every_permutation_as_much() -> None:
    random = np.random.default_rng(5)
    gold, run = random.integers(0, 2, (2, 20))
    swaps = random.integers(0, 2, (50, 20)).astype(float)
    assert p_of("paraphrase", gold, ([run], [run, run]), swaps) == 1.0
