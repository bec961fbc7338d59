"""The official metrics and what a constant answer scores."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.reference import metrics as reference
from zoo.errors import MeasurementError
from zoo.evaluation.metrics import METRICS, compute_metrics, majority
from zoo.spec.task import TASKS, TaskKind

REFERENCES: dict[str, Callable[[Sequence[float], Sequence[float]], float | None]] = {
    "accuracy": reference.accuracy,
    "f1": reference.f1,
    "matthews": reference.matthews,
    "pearson": reference.pearson,
    "spearman": reference.spearman,
}
ONE_CLASS = np.ones(5, np.int64)
MIXED = np.array([0, 1, 1, 0, 1])


def test_every_metric_a_task_declares_exists() -> None:
    """A task declares metrics of the table; span tasks are scored by `score_spans`."""
    declared = {name for task in TASKS.values() for name in task.metrics}
    assert declared - set(METRICS) == {"exact_match"}
    assert set(METRICS) == set(REFERENCES)


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1)), min_size=1, max_size=40))
def test_class_metrics_equal_their_definitions(rows: list[tuple[int, int]]) -> None:
    """Accuracy, F1 and Matthews equal the counts, degenerate inputs included."""
    labels, predictions = (np.array(side) for side in zip(*rows, strict=True))
    for name in ("accuracy", "f1", "matthews"):
        expected = REFERENCES[name](labels.tolist(), predictions.tolist())
        assert METRICS[name](labels, predictions) == pytest.approx(expected, abs=1e-12)


@given(st.lists(st.tuples(st.integers(0, 10), st.integers(-6, 6)), min_size=1, max_size=40))
def test_correlations_equal_their_definitions(rows: list[tuple[int, int]]) -> None:
    """Pearson and Spearman equal the sums, with ties; None where a side is constant."""
    labels, predictions = (np.array(side) / 4 for side in zip(*rows, strict=True))
    for name in ("pearson", "spearman"):
        expected = REFERENCES[name](labels.tolist(), predictions.tolist())
        assert METRICS[name](labels, predictions) == (
            None if expected is None else pytest.approx(expected, abs=1e-12)
        )


def test_accuracy_of_three_classes_equals_its_definition() -> None:
    """Accuracy counts equal ids of any number of classes."""
    generator = np.random.default_rng(3)
    labels, predictions = generator.integers(0, 3, (2, 200))
    expected = reference.accuracy(labels.tolist(), predictions.tolist())
    assert compute_metrics(TASKS["mnli"], labels, predictions) == {
        "accuracy": pytest.approx(expected)
    }


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("name", "labels", "predictions", "expected"),
    [
        ("matthews", MIXED, ONE_CLASS, 0.0),
        ("matthews", ONE_CLASS, ONE_CLASS, 0.0),
        ("f1", np.zeros(5, np.int64), np.zeros(5, np.int64), 0.0),
        ("f1", MIXED, np.zeros(5, np.int64), 0.0),
        ("f1", ONE_CLASS, ONE_CLASS, 1.0),
        ("pearson", MIXED / 2, np.full(5, 2.5), None),
        ("spearman", MIXED / 2, np.full(5, 2.5), None),
        ("pearson", np.full(5, 2.5), MIXED / 2, None),
        ("spearman", np.array([1.0]), np.array([2.0]), None),
    ],
)
def test_degenerate_inputs_have_their_official_score(
    name: str, labels: np.ndarray, predictions: np.ndarray, expected: float | None
) -> None:
    """One class is a Matthews of 0, no positive an F1 of 0, a constant has no correlation."""
    assert METRICS[name](labels, predictions) == expected


def test_score_returns_every_metric_of_the_task_on_the_natural_scale() -> None:
    """MRPC has F1 and accuracy: 2 of 3 positives found and 1 false alarm give 2/3 and 3/5."""
    assert compute_metrics(TASKS["mrpc"], [1, 1, 1, 0, 0], [1, 1, 0, 1, 0]) == {
        "f1": pytest.approx(2 / 3),
        "accuracy": pytest.approx(3 / 5),
    }


@pytest.mark.parametrize(
    ("task", "labels", "predictions", "message"),
    [
        ("sst2", [0, 1], [0], r"sst2: labels of shape \(2,\) and predictions of shape \(1,\)"),
        ("sst2", [], [], "two non-empty vectors of equal length"),
        ("sst2", [0, 1], [[0.1, 0.9], [0.8, 0.2]], r"predictions of shape \(2, 2\)"),
        ("sst2", [0, 1], [0.0, 1.0], "values of type float64\n  allowed: class ids as integers"),
        (
            "mnli",
            [0, 2],
            [3, -1],
            "2 of 2 values, the first is 3 at 0\n  allowed: class ids 0 to 2",
        ),
        ("mnli", [0, -1], [0, 1], "mnli: labels: 1 of 2 values, the first is -1 at 1"),
        ("stsb", [0.0, 1.0], [0.5, float("nan")], "the first is nan at 1\n  allowed: finite"),
        ("span", [0, 1], [0, 1], "spans are not scored by labels\n  fix: use score_spans"),
    ],
)
def test_what_cannot_be_scored_is_refused(
    task: str, labels: list[float], predictions: list[float], message: str
) -> None:
    """Nothing that is not an answer of the task gets a score."""
    with pytest.raises(MeasurementError, match=message):
        compute_metrics(TASKS[task], labels, predictions)


def test_the_best_constant_answer_is_chosen_for_each_metric() -> None:
    """F1 asks for the positive class even where it is rare; accuracy for the commonest."""
    found = majority(TASKS["mrpc"], [0, 0, 0, 1], [0, 0, 1])
    assert found == {"f1": pytest.approx(0.5), "accuracy": pytest.approx(2 / 3)}


def test_majority_class_of_train_is_scored_on_dev() -> None:
    """The commonest class of train answers dev, even where dev has another majority."""
    assert majority(TASKS["cola"], [1, 1, 0], [0, 0, 0, 1]) == {"matthews": 0.0, "accuracy": 0.25}
    assert majority(TASKS["mrpc"], [1, 1, 0], [1, 0, 1]) == {
        "f1": pytest.approx(0.8),
        "accuracy": pytest.approx(2 / 3),
    }


def test_equal_classes_answer_with_the_lowest() -> None:
    """A tie in train is settled by the order of the ids."""
    assert majority(TASKS["mnli"], [2, 1, 1, 2], [1, 2, 2]) == {"accuracy": pytest.approx(1 / 3)}


def test_a_constant_number_has_no_correlation() -> None:
    """The mean of train is no ranking, so both correlations are undefined."""
    assert majority(TASKS["stsb"], [1.0, 2.0], [0.0, 5.0]) == {"pearson": None, "spearman": None}


def test_majority_answer_of_spans_is_no_answer_where_that_is_commonest() -> None:
    """Questions without answer count as "", which scores the share of such questions on dev."""
    train = [(), (), ("Paris",)]
    assert majority(TASKS["span"], train, [(), ("Paris",)]) == {"exact_match": 0.5, "f1": 0.5}


def test_majority_answer_of_spans_is_compared_normalised() -> None:
    """Spellings that normalise alike are one answer; it scores token F1 on dev."""
    train = [("Rhine",), ("the Seine",), ("Seine",), ("Rhine river",)]
    result = majority(TASKS["squad-v1.1"], train, [("Seine river",), ("Loire",)])
    assert result == {"exact_match": 0.0, "f1": pytest.approx(1 / 3)}


@pytest.mark.parametrize("kind", list(TaskKind))
def test_majority_needs_training_labels(kind: TaskKind) -> None:
    """Without training labels there is no majority to take."""
    task = next(task for task in TASKS.values() if task.kind is kind)
    with pytest.raises(MeasurementError, match="no training labels"):
        majority(task, [], [1, 0])


def test_majority_refuses_foreign_training_labels() -> None:
    """A class the task does not have is refused before it can become the answer."""
    with pytest.raises(MeasurementError, match="train labels: 1 of 2 values, the first is 7 at 1"):
        majority(TASKS["sst2"], [0, 7], [1, 0])


def test_majority_needs_questions_to_score() -> None:
    """An empty dev set of spans is refused as an empty one of labels is."""
    with pytest.raises(MeasurementError, match="no questions to score"):
        majority(TASKS["span"], [("a",)], [])
