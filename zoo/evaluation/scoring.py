"""Scores of stored predictions: every metric of a task, without a model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from zoo.data.examples import SpanExample, Split, TextExample
from zoo.errors import MeasurementError, Problem
from zoo.evaluation.metrics import compute_metrics
from zoo.evaluation.predictions import Predictions
from zoo.evaluation.spans import SpanScore, cross_fitted, score_spans
from zoo.spec.task import Task, TaskKind


@dataclass(frozen=True)
class ScoredAnswers:
    """Metrics on their natural scale, None if undefined; thresholds of null odds, if any."""

    metrics: dict[str, float | None]
    thresholds: dict[str, float] | None = None


def score_predictions(task: Task, split: Split, predictions: Predictions) -> ScoredAnswers:
    """All metrics of a split's predictions.

    For tasks with unanswerable questions, given spans and null odds, they include
    `threshold_scores`.

    Raises:
        MeasurementError: predictions that do not fit the task, or cover other examples.
    """
    if predictions.ids != tuple(example.id for example in split.examples):
        given = f"predictions for {len(predictions.ids)} other examples"
        where = f"{task.name} {split.name}"
        raise MeasurementError(Problem(where, given, f"its {len(split.examples)}, in their order"))
    if task.kind is not TaskKind.SPAN:
        return ScoredAnswers(
            compute_metrics(task, np.array(labels_of(split)), np.array(predictions.answers))
        )
    spans = [example for example in split.examples if isinstance(example, SpanExample)]
    answers = {i: str(a) for i, a in zip(predictions.ids, predictions.answers, strict=True)}
    metrics = by_name(score_spans(spans, answers))
    if not task.unanswerable or predictions.spans is None:
        return ScoredAnswers(metrics)
    odds = zip(predictions.ids, predictions.logits[:, 0].tolist(), strict=True)
    best = dict(zip(predictions.ids, predictions.spans, strict=True))
    chosen = threshold_scores(spans, best, dict(odds))
    return ScoredAnswers(metrics | chosen.metrics, chosen.thresholds)


def rescored(task: Task, predictions: Predictions) -> ScoredAnswers:
    """All metrics of stored predictions, which include the gold answers.

    Predictions without paragraph numbers have no cross-fitted scores.

    Raises:
        MeasurementError: predictions that do not fit the task or contradict their logits.
    """
    if task.kind is not TaskKind.SPAN:
        _refuse_other_answers(task, predictions)
        return ScoredAnswers(
            compute_metrics(task, np.array(predictions.gold), np.array(predictions.answers))
        )
    numbers = predictions.paragraphs or (0,) * len(predictions.ids)
    rows = zip(predictions.ids, numbers, predictions.gold, strict=True)
    examples = tuple(
        SpanExample(name, "", str(number), gold if isinstance(gold, tuple) else (), ())
        for name, number, gold in rows
    )
    return score_predictions(task, Split("stored", examples), predictions)


def _refuse_other_answers(task: Task, predictions: Predictions) -> None:
    """Check that predictions are consistent with their logits."""
    regression = task.kind is TaskKind.REGRESSION
    stated = predictions.logits[:, 0] if regression else predictions.logits.argmax(axis=1)
    differing = int((stated != np.array(predictions.answers, dtype=stated.dtype)).sum())
    if differing:
        given = f"{differing} of {len(stated)} predictions contradict their logits"
        raise MeasurementError(Problem(f"predictions on {task.name}", given))


def by_name(result: SpanScore) -> dict[str, float | None]:
    """The scores of all questions and, for v2.0, of answerable and unanswerable ones.

    An empty subset has no scores.
    """
    metrics: dict[str, float | None] = {"exact_match": result.exact_match, "f1": result.f1}
    for name, part in (("has_answer", result.has_answer), ("no_answer", result.no_answer)):
        if part:
            metrics |= {f"{name}_exact_match": part.exact_match, f"{name}_f1": part.f1}
    return metrics


def threshold_scores(
    examples: Sequence[SpanExample], spans: Mapping[str, str], null_odds: Mapping[str, float]
) -> ScoredAnswers:
    """The scores at chosen thresholds of the null odds.

    `best_*` are optimistic: their thresholds are chosen on the questions that they are scored on.
    `cross_fitted_*` are not: each half of the paragraphs is scored at the threshold that is best on
    the other half; with a single paragraph there are none.

    Args:
        examples: the questions.
        spans: the best span of each, before thresholding.
        null_odds: the null odds of each.
    """
    whole = score_spans(examples, spans, null_odds)
    assert whole.best_exact is not None
    assert whole.best_f1 is not None
    metrics: dict[str, float | None] = {
        "best_exact_match": whole.best_exact.score,
        "best_f1": whole.best_f1.score,
    }
    thresholds = {
        "best_exact_match": whole.best_exact.threshold,
        "best_f1": whole.best_f1.threshold,
    }
    if len({example.context for example in examples}) > 1:
        fitted = cross_fitted(examples, spans, null_odds)
        metrics["cross_fitted_exact_match"] = fitted.score.exact_match
        metrics["cross_fitted_f1"] = fitted.score.f1
        first, second = fitted.thresholds
        thresholds |= {"cross_fitted_f1_first": first, "cross_fitted_f1_second": second}
    return ScoredAnswers(metrics, {name: finite(value) for name, value in thresholds.items()})


_LARGEST = float(np.finfo(np.float32).max)


def finite(odds: float) -> float:
    """Null odds for JSON: infinite odds, of questions without any span, are clamped."""
    return min(max(odds, -_LARGEST), _LARGEST)


def labels_of(split: Split) -> list[float]:
    """The labels of a split of texts, in order."""
    return [
        example.label
        for example in split.examples
        if isinstance(example, TextExample) and example.label is not None
    ]
