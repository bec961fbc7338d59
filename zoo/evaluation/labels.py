"""Whether classes mean the same to a model and to its data, told from real examples.

A teacher whose classes are in another order than the data's looks like a bad one, and whatever is
distilled from it learns the wrong classes. A split that is made against what is learnt looks the
same, as WNLI's, which holds training sentences with the other label: there everybody is far below
chance. The two are told apart by the training examples, which a model of the right order answers.
"""

from collections.abc import Callable, Sequence
from itertools import permutations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from zoo.errors import MeasurementError, Problem
from zoo.spec.task import Task, TaskKind

CERTAINTY = 1e-4
"""The p-value below which another order is believed to be the model's."""
CLEARED = 0.01
"""The p-value below which training examples clear a model: of another order none would."""
MOST_CLASSES = 3
"""All orders of more classes would be too many tests."""


TRAINING_ASKED = 500
"""Training examples that are asked, spread over all, where the scored ones raise a doubt."""

Answered = tuple[Sequence[object], Sequence[object]]
"""Gold class ids of examples, and what a model answered."""


def refuse_label_order(
    task: Task,
    gold: Sequence[object],
    answers: Sequence[object],
    where: str,
    training: Callable[[], Answered] | None = None,
) -> bool:
    """Stop where another order of the classes fits the answers significantly better.

    An order is believed where exact McNemar between it and the order in use is below `CERTAINTY`,
    it is right more often than the commonest class is, and the training examples do not speak for
    the order in use (the same test, below `CLEARED`).

    Args:
        task: classification; others pass.
        gold: class ids of the examples.
        answers: class ids that the model gave.
        where: the model, for the message.
        training: asks the model about training examples; called where there is a doubt.

    Returns:
        Whether the split alone would have spoken against the model: it is unlike its training data.

    Raises:
        MeasurementError: there is such an order; it names the best one.
    """
    classes = len(task.labels)
    if task.kind is not TaskKind.CLASSIFICATION or classes > MOST_CLASSES or not len(gold):
        return False
    truth, given = np.asarray(gold, np.int64), np.asarray(answers, np.int64)
    as_is = given == truth
    commonest = np.bincount(truth, minlength=classes).max()
    orders = [np.array(order) for order in permutations(range(classes))]
    best = max(orders, key=lambda order: int((order[given] == truth).sum()))
    other = best[given] == truth
    won, lost = int((other & ~as_is).sum()), int((as_is & ~other).sum())
    if won <= lost or other.sum() <= commonest:
        return False
    if binomtest(won, won + lost).pvalue >= CERTAINTY:
        return False
    if training is not None and _cleared(best, training()):
        return True
    told = ", ".join(
        f"{task.labels[number]} means {task.labels[meant]}"
        for number, meant in enumerate(best)
        if number != meant
    )
    raise MeasurementError(
        Problem(
            f"{where} on {task.name}",
            f"its classes are in another order than the data's: {told} ({int(other.sum())} of"
            f" {len(truth)} right that way, {int(as_is.sum())} as they stand)",
            f"{', '.join(task.labels)}, in this order",
            "put the labels of the checkpoint into the order of the data, or take another one",
        )
    )


def _cleared(order: NDArray[np.int64], answered: Answered) -> bool:
    """Whether answers are significantly better as they stand than in another order."""
    truth, given = (np.asarray(ids, np.int64) for ids in answered)
    as_is, other = given == truth, order[given] == truth
    won, lost = int((as_is & ~other).sum()), int((other & ~as_is).sum())
    return won > lost and bool(binomtest(won, won + lost).pvalue < CLEARED)
