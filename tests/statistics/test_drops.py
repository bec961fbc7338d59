"""What entries lose on altered examples, against loops that are plain."""

from typing import Any

import numpy as np
import pytest

from tests.statistics.made_runs import classes, right_answers, run, scored
from zoo.errors import MeasurementError
from zoo.evaluation.predictions import Predictions
from zoo.statistics.drops import suite_drops
from zoo.statistics.estimate import Draws, over_seeds
from zoo.statistics.resample import bootstrap_weights, generator_of
from zoo.statistics.standing import suite_statistics

EXAMPLES, RESAMPLES = 200, 400


def runs(right: float, seeds: int = 1, *, start: int = 0, examples: int = EXAMPLES) -> Any:
    """Runs of which each is right on about so many of examples that alternate."""
    gold = [number % 2 for number in range(examples)]
    dice = np.random.default_rng(start)
    found = {}
    for seed in range(1, seeds + 1):
        hits = dice.random(examples) < right
        answers = [g if hit else 1 - g for g, hit in zip(gold, hits, strict=True)]
        found[seed] = run(gold, answers)
    return found


def renamed(found: dict[int, Predictions]) -> dict[int, Predictions]:
    """The same answers, to other examples."""
    return {
        seed: Predictions(tuple(f"x{name}" for name in one.ids), one.answers, one.gold, one.logits)
        for seed, one in found.items()
    }


def hits(found: dict[int, Predictions]) -> np.ndarray:
    """(seeds, examples) of 1 and 0."""
    return np.array(
        [[a == g for a, g in zip(r.answers, r.gold, strict=True)] for r in found.values()], float
    )


def weights(name: str, examples: int = EXAMPLES) -> np.ndarray:
    generator = generator_of("sentiment", name, "bootstrap")
    return np.concatenate([*bootstrap_weights(examples, RESAMPLES, generator)])


@pytest.mark.parametrize("seeds", [1, 3])
def test_a_drop_is_that_of_the_same_examples_and_seeds(seeds: int) -> None:
    """Its mean and interval are those of the differences, seed by seed and example by example."""
    before, after = runs(0.9, seeds), runs(0.7, seeds, start=1)
    (drop,) = suite_drops(
        [scored("kd", before)], {"typos": [scored("kd", after)]}, resamples=RESAMPLES
    )
    lost = hits(before) - hits(after)
    resampled = np.array([[w @ row / EXAMPLES for w in weights("dev")] for row in lost])
    expected = over_seeds(Draws((), lost.mean(1), resampled)).interval()
    assert drop.drop == pytest.approx(lost.mean(), abs=1e-6)
    assert drop.score == pytest.approx(hits(after).mean(), abs=1e-6)
    assert (drop.low, drop.high) == pytest.approx(expected, abs=1e-6)
    assert (drop.paired, drop.seeds, drop.examples) == (True, tuple(before), EXAMPLES)
    assert (drop.entry, drop.task, drop.split) == ("kd", "sentiment", "dev")
    assert drop.perturbation == "typos"


def test_other_examples_are_resampled_by_themselves() -> None:
    """Where ids differ nothing is paired: the interval is that of two independent means."""
    before, after = runs(0.8), renamed(runs(0.6, start=1, examples=80))
    (drop,) = suite_drops(
        [scored("kd", before)], {"adversarial": [scored("kd", after)]}, resamples=RESAMPLES
    )
    first = weights("dev") @ hits(before)[0] / EXAMPLES
    second = weights("dev adversarial", 80) @ hits(after)[0] / 80
    low, high = np.quantile(first - second, [0.025, 0.975])
    assert drop.drop == pytest.approx(hits(before).mean() - hits(after).mean(), abs=1e-6)
    assert (drop.low, drop.high) == pytest.approx((low, high), abs=0.01)
    assert not drop.paired
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.15


def test_equal_answers_lose_nothing_when_paired() -> None:
    """However few examples there are; of other examples the same scores tell less."""
    found = runs(0.8, 3)
    kwargs = {"resamples": RESAMPLES}
    dev = [scored("kd", found)]
    (paired,) = suite_drops(dev, {"typos": [scored("kd", found)]}, **kwargs)
    assert (paired.drop, paired.low, paired.high) == (0.0, 0.0, 0.0)
    (other,) = suite_drops(dev, {"adversarial": [scored("kd", renamed(found))]}, **kwargs)
    assert other.drop == 0.0
    assert other.low is not None
    assert other.low < -0.02


def test_undefined_metrics_have_no_drop() -> None:
    """A correlation of answers that are all the same."""
    gold = [0.5 * number for number in range(10)]
    made = {"task": "similarity"}
    before, after = {1: run(gold, gold)}, {1: run(gold, [1.0] * 10)}
    (drop,) = suite_drops(
        [scored("kd", before, **made)], {"typos": [scored("kd", after, **made)]}, resamples=50
    )
    assert (drop.score, drop.drop, drop.low, drop.high) == (None, None, None, None)


def test_a_run_without_a_score_on_the_dev_split_is_told() -> None:
    dev = [scored("kd", runs(0.8, 1))]
    with pytest.raises(MeasurementError) as caught:
        suite_drops(dev, {"typos": [scored("kd", runs(0.7, 2))]}, resamples=50)
    assert str(caught.value) == (
        "sentiment dev: kd: no score of seed 2 on the dev split\n  fix: score the entry again"
    )


def test_only_the_seeds_of_both_are_compared() -> None:
    dev, altered = runs(0.8, 3), runs(0.7, 2)
    (drop,) = suite_drops([scored("kd", dev)], {"typos": [scored("kd", altered)]}, resamples=50)
    two = {seed: dev[seed] for seed in (1, 2)}
    assert drop.drop == pytest.approx(hits(two).mean() - hits(altered).mean(), abs=1e-6)


def test_statistics_say_nothing_of_what_was_not_measured() -> None:
    """Their text is then as it was before there were drops; with them, nothing else changes."""
    generator = np.random.default_rng(0)
    right = right_answers(generator, np.array([0.5]), EXAMPLES)
    gold, answers = classes(generator, right)
    dev = [scored("kd", {1: run(gold, answers[0])})]
    few = {"resamples": 50, "permutations": 50}
    without = suite_statistics("s", dev, "0" * 64, **few)
    assert "drops" not in without.model_dump(mode="json")
    found = suite_statistics("s", dev, "0" * 64, altered={"typos": dev}, **few)
    assert len(found.drops) == 1
    assert found.model_copy(update={"drops": ()}) == without
