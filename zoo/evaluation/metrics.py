"""The official metrics of the tasks, on the natural scale (0..1, correlations -1..1)."""

from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from sklearn.metrics import accuracy_score, f1_score, matthews_corrcoef

from zoo.errors import MeasurementError, Problem
from zoo.evaluation.answers import majority_answer
from zoo.spec.task import Task, TaskKind

Values = NDArray[Any]
Numbers = NDArray[Any] | Sequence[int] | Sequence[float]
Answers = Sequence[tuple[str, ...]]


def compute_metrics(task: Task, labels: Numbers, predictions: Numbers) -> dict[str, float | None]:
    """All metrics of a classification or regression task; None if undefined.

    Args:
        task: declares the metrics.
        labels: (N,) class ids or numbers.
        predictions: (N,) class ids (not logits) or numbers.

    Raises:
        MeasurementError: nothing to score, unequal lengths, non-finite numbers, unknown class ids,
            or a span task (see `spans.score_spans`).
    """
    truth, answered = np.asarray(labels), np.asarray(predictions)
    problems = _unfit(task, truth, answered)
    if problems:
        raise MeasurementError(*problems)
    return {name: METRICS[name](truth, answered) for name in task.metrics}


def majority(
    task: Task, train_labels: Numbers | Answers, dev_labels: Numbers | Answers
) -> dict[str, float | None]:
    """The majority baseline on dev, which any trained model must beat.

    The constant prediction is, for each metric, the class that scores best on train (the most
    common one, the lowest on ties; for F1 the positive one, however rare), the mean of train for
    regression, and train's most common answer for spans ("" for unanswerable questions), whose
    labels are the gold answers of each question.

    Raises:
        MeasurementError: nothing to score or labels that do not fit the task.
    """
    if not len(train_labels):
        raise MeasurementError(Problem(task.name, "no training labels for the majority baseline"))
    if task.kind is TaskKind.SPAN:
        return dict(majority_answer(cast("Answers", train_labels), cast("Answers", dev_labels)))
    train_values = np.asarray(train_labels)
    problems = foreign(task, "train labels", train_values)
    if problems:
        raise MeasurementError(*problems)
    if task.kind is TaskKind.REGRESSION:
        return _constant_score(task, np.asarray(dev_labels), train_values.mean())
    counts = np.bincount(train_values, minlength=len(task.labels))
    commonest_first = sorted(range(len(counts)), key=lambda label: -counts[label])
    on_train = {label: _constant_score(task, train_values, label) for label in commonest_first}
    best = {
        metric: max(commonest_first, key=lambda label: on_train[label][metric] or 0.0)
        for metric in task.metrics
    }
    return {
        metric: _constant_score(task, np.asarray(dev_labels), label)[metric]
        for metric, label in best.items()
    }


def _constant_score(task: Task, labels: Values, answer: float) -> dict[str, float | None]:
    return compute_metrics(task, labels, np.full(len(labels), answer))


def accuracy(labels: Values, predictions: Values) -> float | None:
    """Accuracy of class ids; (N,) and (N,)."""
    return float(accuracy_score(labels, predictions))


def f1(labels: Values, predictions: Values) -> float | None:
    """F1 of class 1; (N,) and (N,) of 0 and 1; 0 without any 1 in labels or predictions."""
    return float(f1_score(labels, predictions, pos_label=1, average="binary", zero_division=0.0))


def matthews(labels: Values, predictions: Values) -> float | None:
    """Matthews correlation of class ids; (N,) and (N,); 0 if either side has a single class."""
    if _constant(labels) or _constant(predictions):
        return 0.0
    return float(matthews_corrcoef(labels, predictions))


def pearson(labels: Values, predictions: Values) -> float | None:
    """Pearson correlation; (N,) and (N,); None if either side is constant."""
    if _constant(labels) or _constant(predictions):
        return None
    return float(stats.pearsonr(_exact(labels), _exact(predictions)).statistic)


def spearman(labels: Values, predictions: Values) -> float | None:
    """Spearman correlation with mean ranks for ties; (N,) and (N,); None as for Pearson."""
    if _constant(labels) or _constant(predictions):
        return None
    return float(stats.spearmanr(_exact(labels), _exact(predictions)).statistic)


METRICS: dict[str, Callable[[Values, Values], float | None]] = {
    "accuracy": accuracy,
    "f1": f1,
    "matthews": matthews,
    "pearson": pearson,
    "spearman": spearman,
}


def foreign(task: Task, side: str, values: Values) -> list[Problem]:
    """Problems of `values` (N,) as labels or predictions of the task, as named by `side`."""
    where, classes = f"{task.name}: {side}", len(task.labels)
    if task.kind is TaskKind.REGRESSION:
        wrong, allowed = ~np.isfinite(values), "finite numbers"
    elif not np.issubdtype(values.dtype, np.integer):
        return [Problem(where, f"values of type {values.dtype}", "class ids as integers")]
    else:
        wrong, allowed = (values < 0) | (values >= classes), f"class ids 0 to {classes - 1}"
    if not wrong.any():
        return []
    first = int(wrong.argmax())
    given = f"{int(wrong.sum())} of {values.size} values, the first is {values[first]} at {first}"
    return [Problem(where, given, allowed)]


def _unfit(task: Task, labels: Values, predictions: Values) -> list[Problem]:
    """Why these labels and predictions cannot be scored, if so."""
    if task.kind is TaskKind.SPAN:
        return [Problem(task.name, "spans are not scored by labels", "", "use score_spans")]
    if labels.ndim != 1 or labels.shape != predictions.shape or not labels.size:
        shapes = f"labels of shape {labels.shape} and predictions of shape {predictions.shape}"
        return [Problem(task.name, shapes, "two non-empty vectors of equal length")]
    sides = (("labels", labels), ("predictions", predictions))
    return [problem for side, values in sides for problem in foreign(task, side, values)]


def _constant(values: Values) -> bool:
    return bool((values == values[0]).all())


def _exact(values: Values) -> NDArray[np.float64]:
    return np.asarray(values, np.float64)
