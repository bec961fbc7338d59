"""Every metric as a function of sums over examples.

Each example contributes a vector of K numbers, and a metric is a function of the sum of these
vectors alone. A bootstrap resample sums them with multinomial weights and a permutation swaps those
of two systems, so that either is one matrix product for thousands of resamples. With weights of one
the values are those of `zoo.evaluation.metrics.compute_metrics` and
`zoo.evaluation.answers.exact_and_f1`; where these have None, here stands NaN.
"""

from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from zoo.errors import MeasurementError, Problem
from zoo.evaluation.answers import exact_and_f1
from zoo.evaluation.metrics import foreign
from zoo.spec.task import Task, TaskKind

FloatArray = NDArray[np.float64]

LOWEST = {
    "accuracy": 0.0,
    "f1": 0.0,
    "exact_match": 0.0,
    "matthews": -1.0,
    "pearson": -1.0,
    "spearman": -1.0,
}
"""The minimum of each metric; the maximum is 1."""
SMALLEST_VARIANCE = 1e-12
"""Share of the mean square below which a variance is rounding, and a correlation undefined."""


def contributions(task: Task, gold: Sequence[Any], answers: Sequence[Any]) -> dict[str, FloatArray]:
    """The contributions of N examples to the sums of each metric: (N, K) by metric.

    Correlations take answers standardised over the whole split, which changes no correlation, and
    makes answers of two systems comparable. Spearman's ranks are those within the whole split, mean
    ranks for equals; a resample is not ranked anew.

    Args:
        task: the scored task.
        gold: N class ids, numbers or tuples of gold answers.
        answers: N class ids, numbers or texts.

    Raises:
        MeasurementError: no examples, or gold labels or predictions that do not fit the task.
    """
    if not len(gold):
        raise MeasurementError(Problem(task.name, "no examples"))
    if task.kind is TaskKind.SPAN:
        spans = cast("Sequence[tuple[str, ...]]", gold)
        exact, f1 = exact_and_f1(spans, [str(answer) for answer in answers])
        return {"exact_match": exact[:, None], "f1": f1[:, None]}
    sides = {"gold": np.asarray(gold), "answers": np.asarray(answers)}
    problems = [problem for side, values in sides.items() for problem in _unfit(task, side, values)]
    if problems:
        raise MeasurementError(*problems)
    return {metric: _CONTRIBUTIONS[metric](task, *sides.values()) for metric in task.metrics}


def value(task: Task, metric: str, sums: FloatArray, examples: int) -> FloatArray:
    """The metric, (...), of sums, (..., K), over `examples` examples; NaN where it is undefined.

    On the metric's natural scale: from `LOWEST` to 1.
    """
    if task.kind is TaskKind.SPAN:
        return _mean(sums, examples)
    return _VALUES[metric](sums, examples)


def _unfit(task: Task, side: str, values: NDArray[Any]) -> list[Problem]:
    if values.dtype == object:
        missing = sum(one is None for one in values)
        given = f"{missing} of {values.size} values are missing"
        return [Problem(f"{task.name}: {side}", given, remedy="score a split that has labels")]
    return foreign(task, side, values)


def _right(_task: Task, gold: NDArray[Any], answers: NDArray[Any]) -> FloatArray:
    return np.asarray(gold == answers, np.float64)[:, None]


def _positives(_task: Task, gold: NDArray[Any], answers: NDArray[Any]) -> FloatArray:
    """Positive on both sides, and on either."""
    asked, found = gold == 1, answers == 1
    return np.stack([asked & found, asked, found], 1).astype(np.float64)


def _classes(task: Task, gold: NDArray[Any], answers: NDArray[Any]) -> FloatArray:
    """Correct, and one indicator per class of gold labels and of predictions."""
    classes = np.arange(len(task.labels))
    sides = [gold[:, None] == classes, answers[:, None] == classes]
    return np.concatenate([(gold == answers)[:, None], *sides], 1).astype(np.float64)


def _moments(_task: Task, gold: NDArray[Any], answers: NDArray[Any]) -> FloatArray:
    x, y = _standardised(gold), _standardised(answers)
    return np.stack([x, y, x * x, y * y, x * y], 1)


def _rank_moments(task: Task, gold: NDArray[Any], answers: NDArray[Any]) -> FloatArray:
    return _moments(task, rankdata(gold), rankdata(answers))


def _standardised(values: NDArray[Any]) -> FloatArray:
    """Mean 0 and standard deviation 1; 0 everywhere where all are equal."""
    # In units of the largest, so that no square overflows.
    centred = np.asarray(values, np.float64) - float(np.mean(values, dtype=np.float64))
    largest = float(np.abs(centred).max())
    if (values == values[0]).all() or largest == 0:
        return np.zeros(len(values))
    scaled = centred / largest
    return np.asarray((scaled - scaled.mean()) / scaled.std())


def _mean(sums: FloatArray, examples: int) -> FloatArray:
    return np.asarray(sums[..., 0] / examples)


def _f1(sums: FloatArray, _examples: int) -> FloatArray:
    """2 TP / (asked + found); 0 where no positive is asked for or found."""
    both, either = sums[..., 0], sums[..., 1] + sums[..., 2]
    return np.asarray(np.divide(2 * both, either, out=np.zeros_like(both), where=either > 0))


def _matthews(sums: FloatArray, examples: int) -> FloatArray:
    """Gorodkin, 2004, for any number of classes; 0 where either side has one class only.

    The sums are counts below 2^53, so that a variance of 0 is 0 exactly.
    """
    count = (sums.shape[-1] - 1) // 2
    gold, answers = sums[..., 1 : 1 + count], sums[..., 1 + count :]
    covariance = sums[..., 0] * examples - (gold * answers).sum(-1)
    variances = [examples**2 - (side * side).sum(-1) for side in (gold, answers)]
    scale = np.sqrt(variances[0]) * np.sqrt(variances[1])
    return np.asarray(np.divide(covariance, scale, out=np.zeros_like(covariance), where=scale > 0))


def _correlation(sums: FloatArray, examples: int) -> FloatArray:
    """Pearson; NaN where either side is constant."""
    x, y, xx, yy, xy = np.moveaxis(sums / examples, -1, 0)
    variances = xx - x * x, yy - y * y
    defined = (variances[0] > SMALLEST_VARIANCE * xx) & (variances[1] > SMALLEST_VARIANCE * yy)
    scale = np.sqrt(np.where(defined, variances[0] * variances[1], 1.0))
    return np.where(defined, np.clip((xy - x * y) / scale, -1.0, 1.0), np.nan)


_CONTRIBUTIONS: dict[str, Callable[[Task, NDArray[Any], NDArray[Any]], FloatArray]] = {
    "accuracy": _right,
    "f1": _positives,
    "matthews": _classes,
    "pearson": _moments,
    "spearman": _rank_moments,
}
_VALUES: dict[str, Callable[[FloatArray, int], FloatArray]] = {
    "accuracy": _mean,
    "f1": _f1,
    "matthews": _matthews,
    "pearson": _correlation,
    "spearman": _correlation,
}
