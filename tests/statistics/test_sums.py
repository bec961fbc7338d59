"""Metrics as functions of sums over examples."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from zoo.errors import MeasurementError
from zoo.evaluation.answers import exact_and_f1
from zoo.evaluation.metrics import compute_metrics
from zoo.spec.task import TASKS, Task, TaskKind
from zoo.statistics.sums import LOWEST, contributions, value

LABELLED = [task for task in TASKS.values() if task.kind is not TaskKind.SPAN]
KINDS = [TASKS[name] for name in ("acceptability", "paraphrase", "inference", "similarity")]


def values(task: Task, gold: Sequence[Any], answers: Sequence[Any]) -> dict[str, float | None]:
    """Each metric from the sums of all examples, None for NaN."""
    found = {
        metric: float(value(task, metric, rows.sum(0), len(gold)))
        for metric, rows in contributions(task, gold, answers).items()
    }
    return {metric: None if np.isnan(one) else one for metric, one in found.items()}


def drawn(task: Task, seed: int, count: int = 60) -> tuple[list[Any], list[Any]]:
    generator = np.random.default_rng(seed)
    if task.kind is TaskKind.REGRESSION:
        gold, noise = generator.integers(0, 11, count) / 2, generator.normal(0, 1, count)
        return gold.tolist(), np.round(gold + noise, 1).tolist()
    gold, other = generator.integers(0, len(task.labels), (2, count))
    return gold.tolist(), np.where(generator.random(count) < 0.6, gold, other).tolist()


@pytest.mark.parametrize("task", LABELLED, ids=lambda task: task.name)
def test_sums_of_all_examples_score_like_the_harness(task: Task) -> None:
    for seed in range(20):
        gold, answers = drawn(task, seed)
        expected = compute_metrics(task, np.array(gold), np.array(answers))
        assert values(task, gold, answers) == pytest.approx(expected, abs=1e-12)


@pytest.mark.filterwarnings("error")
@settings(deadline=None, max_examples=60)
@given(st.data())
@pytest.mark.parametrize("task", KINDS, ids=lambda task: task.name)
def test_few_examples_score_like_the_harness(task: Task, data: st.DataObject) -> None:
    """Constant sides and single examples are frequent here: all conventions agree."""
    if task.kind is TaskKind.REGRESSION:
        element = st.integers(-3, 3).map(lambda number: number / 7)
    else:
        element = st.integers(0, len(task.labels) - 1)
    rows = data.draw(st.lists(st.tuples(element, element), min_size=1, max_size=12))
    gold, answers = map(list, zip(*rows, strict=True))
    expected = compute_metrics(task, np.array(gold), np.array(answers))
    assert values(task, gold, answers) == {
        metric: None if one is None else pytest.approx(one, abs=1e-12)
        for metric, one in expected.items()
    }


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("task", KINDS, ids=lambda task: task.name)
def test_weighted_sums_equal_repeated_examples(task: Task) -> None:
    """One resample, loop by loop: examples repeated as often as they are drawn.

    Spearman's ranks are those of the whole split, so here it is Pearson of these.
    """
    gold, answers = drawn(task, 3)
    weights = np.random.default_rng(5).multinomial(60, np.full(60, 1 / 60))
    for metric, rows in contributions(task, gold, answers).items():
        sums = np.zeros(rows.shape[1])
        for row, weight in zip(rows, weights, strict=True):
            for _ in range(weight):
                sums += row
        found = value(task, metric, (weights @ rows)[None], 60)
        assert found == pytest.approx(float(value(task, metric, sums, 60)), abs=1e-12)
        sides = np.array(gold), np.array(answers)
        if metric == "spearman":
            sides = stats.rankdata(sides[0]), stats.rankdata(sides[1])
        repeated = [np.repeat(side, weights) for side in sides]
        expected = compute_metrics(task, *repeated)["pearson" if metric == "spearman" else metric]
        assert found[0] == pytest.approx(expected, abs=1e-12)


def test_correlations_equal_scipys_with_ties() -> None:
    gold, answers = drawn(TASKS["stsb"], 8, 300)
    assert len(set(answers)) < 150
    assert values(TASKS["stsb"], gold, answers) == {
        "pearson": pytest.approx(stats.pearsonr(gold, answers).statistic, abs=1e-12),
        "spearman": pytest.approx(stats.spearmanr(gold, answers).statistic, abs=1e-12),
    }


def test_span_sums_equal_the_official_scores() -> None:
    task = TASKS["squad-v2.0"]
    gold = [("the red fox", "fox"), (), ("1889",), (), ("a tower of iron",)]
    answers = ["a fox", "", "in 1889", "never", ""]
    exact, f1 = exact_and_f1(gold, answers)
    expected = {"exact_match": exact.mean(), "f1": f1.mean()}
    assert values(task, gold, answers) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(("shift", "scale"), [(1e6, 1.0), (0.0, 1e-9), (-3.0, 1e12), (0.0, 1e200)])
def test_correlations_ignore_the_scale_of_answers(shift: float, scale: float) -> None:
    gold, answers = drawn(TASKS["stsb"], 9)
    moved = [shift + scale * answer for answer in answers]
    expected = values(TASKS["stsb"], gold, answers)
    assert values(TASKS["stsb"], gold, moved) == pytest.approx(expected, abs=1e-9)


@pytest.mark.filterwarnings("error")
def test_a_resample_of_equal_answers_is_undefined() -> None:
    """Not 0 / 0 that rounding turned into a number."""
    task = TASKS["stsb"]
    gold, answers = [0.1, 0.2, 0.7, 0.9], [0.3, 0.3, 0.3, 1.7]
    rows = contributions(task, gold, answers)
    weights = np.array([1.0, 2.0, 1.0, 0.0])
    for metric in task.metrics:
        assert np.isnan(value(task, metric, weights @ rows[metric], 4))


def test_every_metric_has_its_least_value() -> None:
    assert set(LOWEST) == {metric for task in TASKS.values() for metric in task.metrics}


def test_real_gold_answers_against_themselves() -> None:
    """STS-B's gold has many ties; it correlates with itself perfectly, with noise as scipy says."""
    folder = Path(os.environ.get("ZOO_DATA", Path(__file__).parents[3] / "shared/data"))
    path = folder / "glue/STS-B/dev.tsv"
    if not path.is_file():
        pytest.skip("STS-B is not here (ZOO_DATA names the folder of GLUE)")
    rows = path.read_text(encoding="utf-8").splitlines()[1:]
    gold = [float(row.rsplit("\t", 1)[1]) for row in rows]
    noisy = (np.array(gold) + np.random.default_rng(0).normal(0, 1, len(gold))).tolist()
    assert values(TASKS["stsb"], gold, gold) == {"pearson": 1.0, "spearman": pytest.approx(1.0)}
    assert values(TASKS["stsb"], gold, noisy)["spearman"] == pytest.approx(
        stats.spearmanr(gold, noisy).statistic, abs=1e-12
    )


@pytest.mark.parametrize(
    ("task", "gold", "answers", "message"),
    [
        ("cola", [], [], "cola: no examples"),
        (
            "cola",
            [1, None, None],
            [1, 0, 1],
            "cola: gold: 2 of 3 values are missing\n  fix: score a split that has labels",
        ),
        (
            "cola",
            [1, 0],
            [1, 2],
            "cola: answers: 1 of 2 values, the first is 2 at 1\n  allowed: class ids 0 to 1",
        ),
        (
            "stsb",
            [1.0, 2.0],
            [float("nan"), 1.0],
            "stsb: answers: 1 of 2 values, the first is nan at 0\n  allowed: finite numbers",
        ),
    ],
)
def test_what_cannot_be_summed_is_refused(
    task: str, gold: list[Any], answers: list[Any], message: str
) -> None:
    with pytest.raises(MeasurementError) as caught:
        contributions(TASKS[task], gold, answers)
    assert str(caught.value) == message
