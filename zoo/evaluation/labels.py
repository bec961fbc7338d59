"""Whether classes mean the same to a model and to its data, told from real examples.

A teacher whose classes are in another order than the data's looks like a bad one, and whatever is
distilled from it learns the wrong classes.
"""

from collections.abc import Sequence
from itertools import permutations

import numpy as np
from scipy.stats import binomtest

from zoo.errors import MeasurementError, Problem
from zoo.spec.task import Task, TaskKind

CERTAINTY = 1e-4
"""The p-value below which another order is believed to be the model's."""
MOST_CLASSES = 3
"""All orders of more classes would be too many tests."""


def refuse_label_order(
    task: Task, gold: Sequence[object], answers: Sequence[object], where: str
) -> None:
    """Stop where another order of the classes fits the answers significantly better.

    An order is believed where exact McNemar between it and the order in use is below `CERTAINTY`
    and it is right more often than the commonest class is.

    Args:
        task: classification; others pass.
        gold: class ids of the examples.
        answers: class ids that the model gave.
        where: the model, for the message.

    Raises:
        MeasurementError: there is such an order; it names the best one.
    """
    classes = len(task.labels)
    if task.kind is not TaskKind.CLASSIFICATION or classes > MOST_CLASSES or not len(gold):
        return
    truth, given = np.asarray(gold, np.int64), np.asarray(answers, np.int64)
    as_is = given == truth
    commonest = np.bincount(truth, minlength=classes).max()
    orders = [np.array(order) for order in permutations(range(classes))]
    best = max(orders, key=lambda order: int((order[given] == truth).sum()))
    other = best[given] == truth
    won, lost = int((other & ~as_is).sum()), int((as_is & ~other).sum())
    if won <= lost or other.sum() <= commonest:
        return
    if binomtest(won, won + lost).pvalue >= CERTAINTY:
        return
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
