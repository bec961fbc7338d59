"""SQuAD: scores of predicted answers, and decoding of answers from sliding-window logits.

Thresholds follow Rajpurkar et al., 2018; decoding follows BERT's (Devlin et al., 2019).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from zoo.data.examples import SpanExample
from zoo.errors import MeasurementError, Problem
from zoo.evaluation.answers import Scores, exact_and_f1

if TYPE_CHECKING:
    from zoo.data.windows import Feature

Logits = Sequence[NDArray[np.floating]] | NDArray[np.floating]


@dataclass(frozen=True)
class PartScores:
    """The scores of a subset of the questions, 0..1."""

    examples: int
    exact_match: float
    f1: float


@dataclass(frozen=True)
class Best:
    """The best score over null thresholds (chosen on the questions that are scored)."""

    score: float
    threshold: float


@dataclass(frozen=True, eq=False)
class SpanScore:
    """The scores of all questions, 0..1, and of each, in the order of the examples.

    `has_answer` and `no_answer` are None for v1.1; `best_exact` and `best_f1` are None without null
    odds. Missing questions score 0; extra ids are ignored.
    """

    exact_match: float
    f1: float
    missing: int
    extra: int
    exact_match_by_question: Scores
    f1_by_question: Scores
    has_answer: PartScores | None = None
    no_answer: PartScores | None = None
    best_exact: Best | None = None
    best_f1: Best | None = None


@dataclass(frozen=True)
class Decoded:
    """The answer of each question and its null odds: no-answer score minus best span's score.

    The odds are infinite if a question's windows have no span among the candidates.
    """

    predictions: dict[str, str]
    null_odds: dict[str, float]


def score_spans(
    examples: Sequence[SpanExample],
    predictions: Mapping[str, str],
    null_odds: Mapping[str, float] | None = None,
) -> SpanScore:
    """The official scores of `predictions` (answer by question id), as given.

    Null odds are used for the best thresholds only, and require predictions decoded with
    `null_threshold=None`, since a threshold cannot restore an answer that was removed.

    Raises:
        MeasurementError: no questions, or null odds that lack a question or are NaN.
    """
    gold = [example.answers for example in examples]
    exact, f1 = exact_and_f1(gold, [predictions.get(example.id) for example in examples])
    present = np.array([example.id in predictions for example in examples])
    answerable = np.array([bool(example.answers) for example in examples])
    odds = None if null_odds is None else _odds(examples, null_odds)
    missing = int((~present).sum())
    return SpanScore(
        exact_match=float(exact.mean()),
        f1=float(f1.mean()),
        missing=missing,
        extra=len(predictions) - (len(examples) - missing),
        exact_match_by_question=exact,
        f1_by_question=f1,
        has_answer=None if answerable.all() else _part(exact, f1, answerable),
        no_answer=None if answerable.all() else _part(exact, f1, ~answerable),
        best_exact=None if odds is None else _best(exact, present & ~answerable, odds),
        best_f1=None if odds is None else _best(f1, present & ~answerable, odds),
    )


def withhold(
    predictions: Mapping[str, str], null_odds: Mapping[str, float], threshold: float
) -> dict[str, str]:
    """`predictions` with "" for those whose null odds exceed `threshold`."""
    return {
        question: "" if null_odds[question] > threshold else text
        for question, text in predictions.items()
    }


@dataclass(frozen=True, eq=False)
class CrossFitted:
    """The scores with each half at the other half's best threshold, and both thresholds."""

    score: SpanScore
    thresholds: tuple[float, float]


def cross_fitted(
    examples: Sequence[SpanExample],
    predictions: Mapping[str, str],
    null_odds: Mapping[str, float],
) -> CrossFitted:
    """The scores with each half at the best threshold (by F1) of the other half.

    Paragraphs alternate between the halves, so that questions on one context stay together.

    Raises:
        MeasurementError: fewer than two paragraphs, or an error of `score_spans`.
    """
    paragraphs = {
        context: at for at, context in enumerate(dict.fromkeys(e.context for e in examples))
    }
    halves = [[e for e in examples if paragraphs[e.context] % 2 == side] for side in (0, 1)]
    decided, thresholds = dict(predictions), []
    for half, other in (halves, halves[::-1]):
        best = score_spans(other, predictions, null_odds).best_f1
        assert best is not None
        mine = {e.id: predictions[e.id] for e in half if e.id in predictions}
        decided |= withhold(mine, null_odds, best.threshold)
        thresholds.append(best.threshold)
    return CrossFitted(score_spans(examples, decided), (thresholds[0], thresholds[1]))


def decode(  # noqa: PLR0913 -- the last three are settings with the usual values
    examples: Sequence[SpanExample],
    features: Sequence[Feature],
    start_logits: Logits,
    end_logits: Logits,
    *,
    best: int = 20,
    max_answer_tokens: int = 30,
    null_threshold: float | None,
) -> Decoded:
    """Decode answers from the logits of all windows of each question by BERT's procedure.

    Of each window the `best` starts and ends outside question and special tokens are paired; the
    pair with the highest sum over all windows is the answer, of equals the first. The no-answer
    score is that of the first token, the lowest of the windows.

    Args:
        examples: the questions; `Feature.example` counts in them.
        features: the N windows.
        start_logits: N rows, each at least as long as its window (longer where padded).
        end_logits: the same of the ends.
        best: number of candidate starts and ends per window.
        max_answer_tokens: longest answer, in tokens.
        null_threshold: null odds above it give ""; None always gives a span.

    Raises:
        MeasurementError: rows that do not match the windows, non-finite logits, or a question
            without a window.
    """
    _check_fit(examples, features, start_logits, end_logits)
    spans: dict[int, _Span] = {}
    no_answer: dict[int, float] = {}
    for feature, start_row, end_row in zip(features, start_logits, end_logits, strict=True):
        starts, ends = (
            np.asarray(row[: len(feature.offsets)], np.float64) for row in (start_row, end_row)
        )
        no_answer[feature.example] = min(
            no_answer.get(feature.example, math.inf), float(starts[0] + ends[0])
        )
        span = _best_span(feature, starts, ends, best, max_answer_tokens)
        if span and span.score > spans.get(feature.example, _NO_SPAN).score:
            spans[feature.example] = span
    found = [spans.get(row, _NO_SPAN) for row in range(len(examples))]
    texts = {e.id: e.context[s.start : s.end] for e, s in zip(examples, found, strict=True)}
    odds = {e.id: no_answer[row] - found[row].score for row, e in enumerate(examples)}
    return Decoded(texts if null_threshold is None else withhold(texts, odds, null_threshold), odds)


@dataclass(frozen=True)
class _Span:
    """A candidate: its score, and its first and last character (exclusive) in the context."""

    score: float
    start: int
    end: int


_NO_SPAN = _Span(-math.inf, 0, 0)


def _part(exact: Scores, f1: Scores, chosen: NDArray[np.bool_]) -> PartScores | None:
    if not chosen.any():
        return None
    return PartScores(int(chosen.sum()), float(exact[chosen].mean()), float(f1[chosen].mean()))


def _odds(examples: Sequence[SpanExample], null_odds: Mapping[str, float]) -> Scores:
    """The null odds in the order of the examples."""
    odds = np.array([null_odds.get(example.id, math.nan) for example in examples], np.float64)
    lacking = np.isnan(odds)
    if lacking.any():
        first = examples[int(lacking.argmax())].id
        given = f"{int(lacking.sum())} of {len(examples)} questions have none, {first!r} the first"
        raise MeasurementError(Problem("null odds", given, "a number for every question"))
    return odds


def _best(scores: Scores, withholdable: NDArray[np.bool_], odds: Scores) -> Best:
    """The best mean over thresholds, where withholding scores 1 on the `withholdable` questions.

    Equal odds stay together: no threshold can part them. When withholding everything is best the
    threshold lies just below all odds, not at the 0 that the official script reports.
    """
    order = np.argsort(odds, kind="stable")
    ordered = odds[order]
    totals = withholdable.sum() + np.cumsum((scores - withholdable)[order])
    last_of_equals = np.append(ordered[1:] > ordered[:-1], True)
    totals = np.append(withholdable.sum(), totals[last_of_equals])
    thresholds = np.append(np.nextafter(ordered[0], -np.inf), ordered[last_of_equals])
    chosen = int(totals.argmax())
    return Best(float(totals[chosen] / len(scores)), float(thresholds[chosen]))


def _check_fit(
    examples: Sequence[SpanExample], features: Sequence[Feature], starts: Logits, ends: Logits
) -> None:
    """Check that logits match the windows, and that every question has a window."""
    if not len(features) == len(starts) == len(ends):
        given = f"{len(features)} windows, {len(starts)} rows of starts, {len(ends)} of ends"
        raise MeasurementError(Problem("logits", given, "one row of each for every window"))
    for number, (feature, *rows) in enumerate(zip(features, starts, ends, strict=True)):
        length = len(feature.offsets)
        if any(len(row) < length or not np.isfinite(row[:length]).all() for row in rows):
            raise MeasurementError(
                Problem(f"logits of window {number}", "too few, or not finite", f"{length} numbers")
            )
    covered = {feature.example for feature in features}
    lacking = [example.id for row, example in enumerate(examples) if row not in covered]
    if lacking:
        given = f"{len(lacking)} questions have no window, {lacking[0]!r} the first"
        raise MeasurementError(Problem("windows", given, "at least one for every question"))


def _best_span(
    feature: Feature, starts: Scores, ends: Scores, best: int, max_answer_tokens: int
) -> _Span | None:
    """The best pair among the window's `best` starts and ends, if any of them is a span."""
    places = zip(feature.offsets, feature.answerable, strict=True)
    inside = np.array([at for at, (offset, open_) in enumerate(places) if open_ and offset], int)
    first = inside[np.argsort(-starts[inside], kind="stable")[:best]]
    last = inside[np.argsort(-ends[inside], kind="stable")[:best]]
    tokens = last[None, :] - first[:, None] + 1
    fits = (tokens >= 1) & (tokens <= max_answer_tokens)
    if not fits.any():
        return None
    sums = np.where(fits, starts[first][:, None] + ends[last][None, :], -np.inf)
    row, column = np.unravel_index(sums.argmax(), sums.shape)
    opening, closing = feature.offsets[first[row]], feature.offsets[last[column]]
    assert opening is not None
    assert closing is not None
    return _Span(float(sums[row, column]), opening[0], closing[1])
