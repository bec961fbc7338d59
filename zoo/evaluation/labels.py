"""Check on real examples that a model and its data agree on the class order.

A teacher with another class order looks like a bad model, and its students learn the wrong
classes. An adversarial split looks the same, such as WNLI's, which repeats training sentences with
the opposite label: every model is far below chance there. Training examples distinguish the two: a
model with the right order predicts them well.
"""

from collections.abc import Callable, Sequence
from itertools import permutations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from zoo.errors import MeasurementError, Problem
from zoo.spec.task import Task, TaskKind

CERTAINTY = 1e-4
"""p-value below which another order is accepted as the model's."""
CLEARED = 0.01
"""p-value below which training examples clear a model."""
MOST_CLASSES = 3
"""Maximum number of classes: more would need too many tests."""


TRAINING_ASKED = 500
"""Training examples evaluated, evenly spread, if the scored ones raise doubts."""

Answered = tuple[Sequence[object], Sequence[object]]
"""Gold and predicted class ids of examples."""


def refuse_label_order(
    task: Task,
    gold: Sequence[object],
    answers: Sequence[object],
    where: str,
    training: Callable[[], Answered] | None = None,
) -> bool:
    """Fail if another class order fits the predictions significantly better.

    An order is accepted if McNemar's exact test against the order in use is below `CERTAINTY`, its
    accuracy exceeds the majority baseline, and the training examples do not support the order in
    use (the same test, below `CLEARED`).

    Args:
        task: classification; others pass.
        gold: class ids of the examples.
        answers: predicted class ids.
        where: the model, for the message.
        training: predicts training examples; only called in case of doubt.

    Returns:
        Whether the split alone would have failed the model: it is unlike its training data.

    Raises:
        MeasurementError: such an order exists; names the best one.
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
            f"its class order differs from the data's: {told} ({int(other.sum())} of"
            f" {len(truth)} correct in that order, {int(as_is.sum())} as is)",
            f"{', '.join(task.labels)}, in this order",
            "reorder the labels of the checkpoint like the data's, or use another checkpoint",
        )
    )


def _cleared(order: NDArray[np.int64], answered: Answered) -> bool:
    """Whether predictions are significantly better as is than in another order."""
    truth, given = (np.asarray(ids, np.int64) for ids in answered)
    as_is, other = given == truth, order[given] == truth
    won, lost = int((as_is & ~other).sum()), int((other & ~as_is).sum())
    return won > lost and bool(binomtest(won, won + lost).pvalue < CLEARED)
