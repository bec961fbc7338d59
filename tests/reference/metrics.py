"""The metrics once more, loop by loop from their textbook definitions."""

import math
import string
from collections.abc import Mapping, Sequence

from zoo.data.examples import SpanExample

Numbers = Sequence[float]


def accuracy(labels: Numbers, predictions: Numbers) -> float:
    """The share of answers that are right."""
    right = 0
    for label, prediction in zip(labels, predictions, strict=True):
        if label == prediction:
            right += 1
    return right / len(labels)


def f1(labels: Numbers, predictions: Numbers) -> float:
    """2 TP / (2 TP + FP + FN), 0 where nothing is positive."""
    both, found, asked = _counts(labels, predictions)
    return 2 * both / (found + asked) if found + asked else 0.0


def matthews(labels: Numbers, predictions: Numbers) -> float:
    """(TP TN - FP FN) / sqrt of the product of the four margins, 0 where a margin is empty."""
    both, found, asked = _counts(labels, predictions)
    neither = len(labels) - found - asked + both
    margins = found * asked * (len(labels) - found) * (len(labels) - asked)
    if margins == 0:
        return 0.0
    return (both * neither - (found - both) * (asked - both)) / math.sqrt(margins)


def pearson(labels: Numbers, predictions: Numbers) -> float | None:
    """Covariance over the product of the standard deviations; None where one of these is 0."""
    if len(set(labels)) == 1 or len(set(predictions)) == 1:
        return None
    mean_label = math.fsum(labels) / len(labels)
    mean_prediction = math.fsum(predictions) / len(predictions)
    rows = [(x - mean_label, y - mean_prediction) for x, y in zip(labels, predictions, strict=True)]
    covariance = math.fsum(x * y for x, y in rows)
    variances = math.fsum(x * x for x, _ in rows) * math.fsum(y * y for _, y in rows)
    return covariance / math.sqrt(variances)


def spearman(labels: Numbers, predictions: Numbers) -> float | None:
    """Pearson of the ranks, where equals share the mean of their ranks."""
    return pearson(_ranks(labels), _ranks(predictions))


def question(gold: Sequence[str], answer: str, *, version: int) -> tuple[float, float]:
    """Exact match and F1 of one question as the official scripts of v1.1 (1) and v2.0 (2) do."""
    usable = list(gold)
    if version == 2:
        usable = [one for one in gold if _bare(one)] or [""]
    exact = max(float(_bare(one) == _bare(answer)) for one in usable)
    return exact, max(_overlap(_bare(one), _bare(answer), version) for one in usable)


def best_over_thresholds(
    examples: Sequence[SpanExample], predictions: Mapping[str, str], odds: Mapping[str, float]
) -> tuple[float, float]:
    """The best exact match and the best F1 that any threshold reaches, by trying them all."""
    exact, overlap = [], []
    for threshold in (-math.inf, *odds.values()):
        scores = []
        for example in examples:
            answer = "" if odds[example.id] > threshold else predictions[example.id]
            scores.append(question(example.answers, answer, version=2))
        exact.append(math.fsum(one for one, _ in scores) / len(scores))
        overlap.append(math.fsum(one for _, one in scores) / len(scores))
    return max(exact), max(overlap)


def _counts(labels: Numbers, predictions: Numbers) -> tuple[int, int, int]:
    both = found = asked = 0
    for label, prediction in zip(labels, predictions, strict=True):
        asked += label == 1
        found += prediction == 1
        both += label == 1 and prediction == 1
    return both, found, asked


def _ranks(values: Numbers) -> list[float]:
    ranks = []
    for one in values:
        below = sum(other < one for other in values)
        equal = sum(other == one for other in values)
        ranks.append(below + (equal + 1) / 2)
    return ranks


def _bare(text: str) -> list[str]:
    """The words that count: ASCII punctuation goes first, then whole words a, an and the."""
    letters = [letter for letter in text.lower() if letter not in string.punctuation]
    return [word for word in "".join(letters).split() if word not in ("a", "an", "the")]


def _overlap(gold: list[str], answer: list[str], version: int) -> float:
    if version == 2 and not (gold and answer):
        return float(gold == answer)
    left, shared = list(gold), 0
    for word in answer:
        if word in left:
            left.remove(word)
            shared += 1
    if shared == 0:
        return 0.0
    precision, recall = shared / len(answer), shared / len(gold)
    return 2 * precision * recall / (precision + recall)
