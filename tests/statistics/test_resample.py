"""Random weights and the sums under them."""

import numpy as np
import pytest

from zoo.statistics import bootstrap
from zoo.statistics.resample import (
    bootstrap_weights,
    generator_of,
    swap_weights,
    weighted_sums,
)


def test_bootstrap_weights_draw_as_many_examples_as_there_are() -> None:
    weights = np.concatenate(list(bootstrap_weights(50, 4_000, np.random.default_rng(0))))
    assert weights.shape == (4_000, 50)
    assert (weights.sum(1) == 50).all()
    assert weights.var() == pytest.approx(49 / 50, rel=0.02)
    assert np.corrcoef(weights[:, :2].T)[0, 1] == pytest.approx(-1 / 49, abs=0.06)


def test_swap_weights_are_fair_coins() -> None:
    weights = np.concatenate(list(swap_weights(51, 4_000, np.random.default_rng(0))))
    assert weights.shape == (4_000, 51)
    assert set(np.unique(weights)) == {0.0, 1.0}
    assert weights.mean(0) == pytest.approx(np.full(51, 0.5), abs=0.03)
    assert np.abs(np.corrcoef(weights.T) - np.eye(51)).max() < 0.07


@pytest.mark.parametrize("weigh", [bootstrap_weights, swap_weights])
def test_chunks_change_no_weight(
    weigh: type[bootstrap_weights], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = list(weigh(30, 100, np.random.default_rng(1)))
    monkeypatch.setattr(bootstrap, "CHUNK_BYTES", 8 * 30 * 7)
    parts = list(weigh(30, 100, np.random.default_rng(1)))
    assert len(whole) == 1
    assert [len(part) for part in parts] == [7] * 14 + [2]
    assert np.array_equal(np.concatenate(parts), whole[0])


def test_an_example_larger_than_a_chunk_still_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "CHUNK_BYTES", 8)
    assert [len(part) for part in bootstrap_weights(30, 3, np.random.default_rng(1))] == [1, 1, 1]


def test_weighted_sums_equal_loops() -> None:
    """Runs and widths may differ between arrays; none gets mixed up with another."""
    generator = np.random.default_rng(2)
    arrays = [generator.normal(size=shape) for shape in ((3, 11, 2), (1, 11, 5), (2, 11, 1))]
    weights = [generator.integers(0, 3, (rows, 11)).astype(float) for rows in (4, 3)]
    found = weighted_sums(arrays, weights)
    for array, sums in zip(arrays, found, strict=True):
        assert sums.shape == (7, array.shape[0], array.shape[2])
        for row, weight in enumerate(np.concatenate(weights)):
            for seed, contributions in enumerate(array):
                expected = sum(weight[i] * contributions[i] for i in range(11))
                assert sums[row, seed] == pytest.approx(expected, abs=1e-12)


def test_each_split_and_purpose_has_random_numbers_of_its_own() -> None:
    """Means over splits take these to be independent, also where they are equally long."""
    one = generator_of("mnli", "dev_matched", "bootstrap").random(4)
    assert np.array_equal(one, generator_of("mnli", "dev_matched", "bootstrap").random(4))
    for other in (("mnli", "dev_mismatched", "bootstrap"), ("mnli", "dev_matched", "swap")):
        assert not np.isin(one, generator_of(*other).random(4)).any()
