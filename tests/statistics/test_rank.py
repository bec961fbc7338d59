"""The places that entries may hold, and what a split can tell apart."""

import numpy as np
import pytest
from scipy.stats import norm

from tests.statistics import made_runs
from zoo.statistics.estimate import Draws
from zoo.statistics.rank import places
from zoo.statistics.resolution import smallest_difference


def board(*skills: float, examples: int = 2_000, seeds: int = 1, seed: int = 0) -> list[Draws]:
    generator = np.random.default_rng(seed)
    each = np.repeat(np.array(skills)[:, None], seeds, axis=1)
    return made_runs.accuracy_draws(generator, made_runs.right_answers(generator, each, examples))


def named(draws: list[Draws]) -> dict[str, Draws]:
    return {chr(ord("a") + number): one for number, one in enumerate(draws)}


UNDEFINED = Draws((0,), np.array([np.nan]), np.full((1, 400), np.nan))


def test_far_apart_entries_have_places_of_their_own() -> None:
    found = places(named(board(0.0, 2.0, 1.0)))
    assert found == {"a": (3, 3), "b": (1, 1), "c": (2, 2)}


def test_ranges_overlap_where_entries_cannot_be_told_apart() -> None:
    found = places(named(board(0.0, 1.0, 1.01, 2.0)))
    assert found == {"a": (4, 4), "b": (2, 3), "c": (2, 3), "d": (1, 1)}


def test_identical_entries_share_all_places() -> None:
    one = board(1.0)[0]
    assert places({"a": one, "b": one, "c": one}) == dict.fromkeys("abc", (1, 3))


def test_an_undefined_score_has_no_place_and_takes_none() -> None:
    found = places(named([*board(0.0, 2.0), UNDEFINED]))
    assert found == {"a": (2, 2), "b": (1, 1), "c": None}


def test_one_entry_is_first_and_last() -> None:
    assert places(named(board(1.0))) == {"a": (1, 1)}
    assert places({}) == {}


def test_places_take_seeds_into_account() -> None:
    """Seeds that swing as much as the entries differ leave the places open."""
    generator = np.random.default_rng(3)
    skills = np.array([[0.2, 1.0, 1.8], [0.6, 1.4, 2.2]])
    several = made_runs.accuracy_draws(generator, made_runs.right_answers(generator, skills, 2_000))
    assert places(named(several)) == {"a": (1, 2), "b": (1, 2)}
    firmer = [Draws((0,), one.observed.mean(keepdims=True), one.resampled.mean(0, keepdims=True))
              for one in several]  # fmt: skip
    assert places(named(firmer)) == {"a": (2, 2), "b": (1, 1)}


def test_resolution_is_the_normal_one_of_a_paired_test() -> None:
    """For accuracy the variance of a paired difference is known from the discordant pairs."""
    generator = np.random.default_rng(4)
    right = made_runs.right_answers(generator, np.array([[1.0], [1.1]]), 1_000)
    difference = right[0, 0].astype(float) - right[1, 0]
    expected = (norm.ppf(0.975) + norm.ppf(0.8)) * difference.std() / np.sqrt(1_000)
    draws = made_runs.accuracy_draws(generator, right, 4_000)
    assert smallest_difference(draws) == pytest.approx(expected, rel=0.04)


def test_resolution_is_the_median_over_pairs_that_differ() -> None:
    draws = board(0.0, 1.0, 2.5)
    pairs = [(0, 1), (0, 2), (1, 2)]
    each = [smallest_difference([draws[one], draws[other]]) for one, other in pairs]
    assert smallest_difference(draws) == sorted(each)[1]
    assert smallest_difference([draws[0], draws[0], draws[1]]) == each[0]


def test_resolution_needs_two_students_that_differ() -> None:
    one, other = board(0.0, 1.0)
    assert smallest_difference([]) is None
    assert smallest_difference([one]) is None
    assert smallest_difference([one, one]) is None
    assert smallest_difference([one, UNDEFINED]) is None
    assert smallest_difference([one, other]) is not None
