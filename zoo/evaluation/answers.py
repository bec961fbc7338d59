"""Exact match and token F1 by the official definitions of SQuAD.

Rajpurkar et al., 2016 (v1.1) and 2018 (v2.0). A set of questions follows the rules of v2.0 if any
question is unanswerable, else those of v1.1.
"""

import re
import string
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from zoo.errors import MeasurementError, Problem

Scores = NDArray[np.float64]


def exact_and_f1(
    gold: Sequence[tuple[str, ...]], answers: Sequence[str | None]
) -> tuple[Scores, Scores]:
    """Exact match and token F1 of each question, 0..1, each the best over its gold answers.

    Args:
        gold: the gold answers of each of N questions, none for unanswerable ones.
        answers: the N predicted answers; a missing one (None) scores 0.

    Raises:
        MeasurementError: no questions.
    """
    if not gold:
        raise MeasurementError(Problem("spans", "no questions to score"))
    pairs = [
        (0.0, 0.0) if answer is None else _match(normalise(answer), golden)
        for golden, answer in zip(_usable(gold), answers, strict=True)
    ]
    scores = np.array(pairs, np.float64)
    return scores[:, 0], scores[:, 1]


def majority_answer(
    train: Sequence[tuple[str, ...]], dev: Sequence[tuple[str, ...]]
) -> dict[str, float]:
    """The majority baseline: the dev score of train's most common answer; gold answers by question.

    Raises:
        MeasurementError: no questions.
    """
    if not train:
        raise MeasurementError(Problem("spans", "no training answers for the majority baseline"))
    counts = Counter(normalise(answers[0]) if answers else "" for answers in train)
    answer = counts.most_common(1)[0][0]
    exact, f1 = exact_and_f1(dev, [answer] * len(dev))
    return {"exact_match": float(exact.mean()), "f1": float(f1.mean())}


def normalise(text: str) -> str:
    """Lower-cased text without punctuation, articles and extra whitespace."""
    bare = text.lower().translate(_NO_PUNCTUATION)
    return " ".join(_ARTICLES.sub(" ", bare).split())


_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)
_ARTICLES = re.compile(r"\b(a|an|the)\b")


def _usable(questions: Iterable[tuple[str, ...]]) -> list[list[str]]:
    """The normalised gold answers of each question.

    v2.0 drops answers that normalise to the empty string; a question left without any is
    unanswerable. v1.1 keeps them: they match exactly but share no token.
    """
    gold = [[normalise(answer) for answer in answers] for answers in questions]
    if all(gold):
        return gold
    return [[answer for answer in answers if answer] for answers in gold]


def _match(answer: str, gold: Sequence[str]) -> tuple[float, float]:
    if not gold:
        return float(not answer), float(not answer)
    return float(answer in gold), max(_token_f1(answer.split(), one.split()) for one in gold)


def _token_f1(answer: Sequence[str], gold: Sequence[str]) -> float:
    shared = (Counter(answer) & Counter(gold)).total()
    return 2 * shared / (len(answer) + len(gold)) if shared else 0.0
