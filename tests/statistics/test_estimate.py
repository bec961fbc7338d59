"""Estimates and their uncertainty over examples and seeds."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import norm, t

from tests.statistics import made_runs
from zoo.statistics.estimate import (
    Draws,
    Estimate,
    SeedPart,
    _of_unequal_seeds,
    difference,
    mean_of,
    over_examples,
    over_seeds,
)

NORMAL = norm.ppf(0.975)


def several(seed: int = 0, seeds: int = 3, deviation: float = 0.1, examples: int = 500) -> Draws:
    generator = np.random.default_rng(seed)
    skills = generator.normal(1.0, deviation, (1, seeds))
    right = made_runs.right_answers(generator, skills, examples)
    return made_runs.accuracy_draws(generator, right, 2_000)[0]


@pytest.mark.parametrize("right", [40, 300, 380])
def test_the_interval_of_one_accuracy_is_the_binomial_one(right: int) -> None:
    """Near the normal interval, whose variance is that of the bootstrap, and Wilson's."""
    answers = np.arange(400)[None, None] < right
    draws = made_runs.accuracy_draws(np.random.default_rng(0), answers, 4_000)[0]
    low, high = over_examples(draws).interval()
    share = right / 400
    half = NORMAL * np.sqrt(share * (1 - share) / 400)
    assert (low, high) == pytest.approx((share - half, share + half), abs=0.005)
    centre = (share + NORMAL**2 / 800) / (1 + NORMAL**2 / 400)
    wilson = np.sqrt(share * (1 - share) / 400 + (NORMAL / 800) ** 2) * NORMAL
    wilson /= 1 + NORMAL**2 / 400
    assert (low, high) == pytest.approx((centre - wilson, centre + wilson), abs=0.01)


def test_seeds_add_what_examples_do_not_explain() -> None:
    """The seed part, loop by loop."""
    draws = several()
    mean, count = draws.observed.mean(), 3
    between = sum((one - mean) ** 2 for one in draws.observed) / (count - 1)
    within = 0.0
    centres = [row.mean() for row in draws.resampled]
    for resample in range(2_000):
        moved = [row[resample] - c for row, c in zip(draws.resampled, centres, strict=True)]
        within += sum((one - sum(moved) / count) ** 2 for one in moved) / (count - 1) / 2_000
    (part,) = over_seeds(draws).seed_parts
    assert part == pytest.approx((max(0.0, between - within) / count, between / count, 2))
    assert over_seeds(draws).variance == pytest.approx(
        over_examples(draws).variance + part.variance
    )


def test_seeds_only_widen_an_interval() -> None:
    for seed in range(30):
        draws = several(seed, deviation=0.02)
        low, high = over_examples(draws).interval()
        seeds_low, seeds_high = over_seeds(draws).interval()
        assert seeds_low <= low
        assert high <= seeds_high


def test_scores_without_examples_left_to_chance_have_students_interval() -> None:
    """Where examples play no part, seeds are a sample of three and the t interval is exact."""
    observed = np.array([0.5, 0.6, 0.7])
    draws = Draws((1, 2, 3), observed, np.repeat(observed[:, None], 100, axis=1))
    half = t.ppf(0.975, 2) * 0.1 / np.sqrt(3)
    assert over_seeds(draws).interval() == pytest.approx((0.6 - half, 0.6 + half))
    assert over_seeds(draws).p_value() == pytest.approx(2 * t.sf(0.6 / (0.1 / np.sqrt(3)), 2))


def test_degrees_of_freedom_lie_between_those_of_the_seeds_and_infinity() -> None:
    resampled = np.random.default_rng(0).normal(0, 0.01, 2_000)
    for share in (1e-3, 0.1, 10.0, 1e3):
        variance = share * float(resampled.var())
        estimate = Estimate(0.0, resampled, (SeedPart(variance, variance, 2),))
        expected = 2 * (1 + 1 / share) ** 2
        assert estimate.degrees == pytest.approx(expected)
        assert estimate.degrees >= 2
    assert Estimate(0.0, resampled).degrees == float("inf")


def test_one_run_has_no_seed_part() -> None:
    draws = several(seeds=1)
    assert over_seeds(draws).interval() == over_examples(draws).interval()


def test_a_difference_is_paired_and_counts_seeds_of_both_sides() -> None:
    one, other = several(1), several(1, deviation=0.4)
    found = difference(one, other)
    assert found.value == pytest.approx(one.observed.mean() - other.observed.mean())
    assert np.array_equal(found.resampled, one.resampled.mean(0) - other.resampled.mean(0))
    assert found.seed_parts == over_seeds(one).seed_parts + over_seeds(other).seed_parts
    assert difference(one, several(2, seeds=1)).seed_parts == ()


def test_turning_a_difference_round_turns_its_interval_round() -> None:
    one, other = several(1), several(2, deviation=0.3)
    there, back = difference(one, other), difference(other, one)
    low, high = there.interval()
    assert back.interval() == pytest.approx((-high, -low))
    assert back.value == -there.value
    assert back.p_value() == pytest.approx(there.p_value())


@pytest.mark.filterwarnings("error")
def test_what_is_undefined_stays_so() -> None:
    """A value that is NaN, or NaN in more than 1 % of resamples; up to that, resamples go."""
    resampled = np.linspace(0.0, 1.0, 1_000)
    rarely, often = resampled.copy(), resampled.copy()
    rarely[:10], often[:11] = np.nan, np.nan
    assert Estimate(0.5, rarely).interval() == pytest.approx(
        np.quantile(rarely[10:], [0.025, 0.975])
    )
    assert Estimate(0.5, often).interval() is None
    assert np.isnan(Estimate(0.5, often).p_value())
    assert Estimate(float("nan"), resampled).interval() is None
    flat = Draws((1, 2), np.array([np.nan, 0.5]), np.full((2, 10), np.nan))
    assert over_seeds(flat).interval() is None
    assert difference(flat, flat).interval() is None


def test_no_difference_has_p_one_and_a_certain_one_zero() -> None:
    assert Estimate(0.0, np.zeros(10)).p_value() == 1.0
    assert Estimate(1e-15, np.full(10, 1e-15)).p_value() == 1.0
    assert Estimate(0.5, np.full(10, 0.5)).p_value() == 0.0


def test_means_over_splits_average_seed_by_seed() -> None:
    one, other = several(1), several(2)
    mean = mean_of([one, other])
    assert mean.seeds == one.seeds
    assert mean.observed == pytest.approx((one.observed + other.observed) / 2)
    assert mean.resampled == pytest.approx((one.resampled + other.resampled) / 2)


def test_means_over_independent_splits_are_as_certain_as_they_should_be() -> None:
    splits = [several(seed, seeds=1) for seed in range(8)]
    expected = sum(over_examples(one).variance for one in splits) / 64
    assert over_examples(mean_of(splits)).variance == pytest.approx(expected, rel=0.1)


def test_a_mean_over_splits_one_of_which_has_a_single_seed_knows_no_spread() -> None:
    one, other = several(1), several(2, seeds=1)
    mean = mean_of([one, other])
    assert mean.observed == pytest.approx([(one.observed.mean() + other.observed.mean()) / 2])
    assert over_seeds(mean).seed_parts == ()


def test_splits_count_the_same_in_a_mean_however_many_seeds_they_have() -> None:
    splits = [several(1, seeds=2), several(2, seeds=5), several(3)]
    mean = over_seeds(mean_of(splits))
    assert mean.value == pytest.approx(np.mean([one.observed.mean() for one in splits]))
    resampled = np.mean([one.resampled.mean(0) for one in splits], axis=0)
    assert mean.resampled == pytest.approx(resampled)


def test_the_spread_of_a_mean_over_unequal_seeds_loop_by_loop() -> None:
    """Deviations of splits that share a seed add up; those of other seeds are independent."""
    splits = [several(1, deviation=0.3), several(2, seeds=5, deviation=0.3)]
    variance = 0.0
    for seed in range(5):
        moved = 0.0
        for one in splits:
            count = len(one.seeds)
            if seed < count:
                deviation = one.observed[seed] - one.observed.mean()
                moved += deviation / np.sqrt(count * (count - 1)) / 2
        variance += moved**2
    (part,) = over_seeds(mean_of(splits)).seed_parts
    assert part.raw == pytest.approx(variance)
    assert 0 < part.variance < part.raw


def test_splits_of_no_common_seed_add_their_variances() -> None:
    one, other = several(1, seeds=2), several(2, seeds=3)
    other = replace(other, seeds=(7, 8, 9))
    (part,) = over_seeds(mean_of([one, other])).seed_parts
    own = [over_seeds(draws).seed_parts[0] for draws in (one, other)]
    assert part.raw == pytest.approx(sum(each.raw for each in own) / 4)
    spread = sum((each.raw / 4) ** 2 / each.degrees for each in own)
    assert part.degrees == pytest.approx(max(part.raw**2 / spread, 1))


def test_equal_seeds_are_unequal_ones_that_happen_to_agree() -> None:
    """What is done for unequal seeds leaves equal ones as they are."""
    splits = [several(1), several(2)]
    expected, found = mean_of(splits), _of_unequal_seeds(splits)
    assert found.seeds == expected.seeds
    assert found.observed == pytest.approx(expected.observed)
    assert found.resampled == pytest.approx(expected.resampled)
    assert found.degrees == pytest.approx(2)


def test_what_is_undefined_on_one_split_is_undefined_in_the_mean() -> None:
    one, other = several(1), several(2, seeds=2)
    other = replace(other, observed=np.array([0.5, np.nan]))
    assert not over_seeds(mean_of([one, other])).is_usable


def test_seeds_that_are_all_alike_leave_the_least_degrees_of_freedom() -> None:
    splits = [replace(several(1), observed=np.full(3, 0.5)), several(2, seeds=2)]
    splits[1] = replace(splits[1], observed=np.full(2, 0.5))
    assert mean_of(splits).degrees == 1
