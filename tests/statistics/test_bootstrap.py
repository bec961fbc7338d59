"""Resamples, and the intervals taken from them."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from zoo.statistics import bootstrap
from zoo.statistics.bootstrap import bootstrap_rows, percentile_interval

Statistic = Callable[..., np.ndarray]
DATA = np.random.default_rng(3).lognormal(size=(2, 61))


def ratio_of_medians(one: np.ndarray, other: np.ndarray, axis: int = -1) -> np.ndarray:
    return np.asarray(np.median(one, axis) / np.median(other, axis))


def difference_of_means(one: np.ndarray, other: np.ndarray, axis: int = -1) -> np.ndarray:
    return np.asarray(one.mean(axis) - other.mean(axis))


@pytest.mark.parametrize("statistic", [ratio_of_medians, difference_of_means])
@pytest.mark.parametrize("confidence", [0.5, 0.95, 0.99])
def test_resamples_and_intervals_are_those_of_scipy(
    statistic: Statistic, confidence: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same draws to the last bit, whatever the chunks; ends that only rounding sets apart."""
    monkeypatch.setattr(bootstrap, "CHUNK_BYTES", 8 * 61 * 7)
    theirs = stats.bootstrap(
        tuple(DATA),
        statistic,
        n_resamples=300,
        paired=True,
        confidence_level=confidence,
        method="percentile",
        random_state=np.random.default_rng(4),
    )
    resamples = list(bootstrap_rows(61, 300, np.random.default_rng(4)))
    ours = np.concatenate([statistic(*DATA[:, rows]) for rows in resamples])
    assert len(resamples) == 43
    assert np.array_equal(ours, theirs.bootstrap_distribution)
    found = percentile_interval(ours, 1 - confidence)
    assert found == pytest.approx(tuple(theirs.confidence_interval), rel=1e-14)


def test_an_interval_leaves_out_what_is_undefined() -> None:
    draws = np.append(np.arange(101.0), [np.nan] * 9)
    assert percentile_interval(draws, 0.1) == (5.0, 95.0)


def test_one_example_is_drawn_again_and_again() -> None:
    """A split of one example has no spread, but it is no error."""
    (rows,) = bootstrap_rows(1, 5, np.random.default_rng(0))
    assert rows.tolist() == [[0]] * 5
