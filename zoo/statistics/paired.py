"""Two sets of predictions on the same examples: the difference of their scores."""

from zoo.evaluation.predictions import Predictions
from zoo.spec.task import Task
from zoo.statistics.effort import RESAMPLES
from zoo.statistics.estimate import Draws, Estimate, difference
from zoo.statistics.resample import bootstrap_weights, generator_of, weighted_sums
from zoo.statistics.sums import contributions, value


def paired_difference(
    task: Task, split: str, one: Predictions, other: Predictions, resamples: int = RESAMPLES
) -> Estimate:
    """The primary metric of `one` minus that of `other`, on the same resamples of the examples.

    Raises:
        MeasurementError: no examples, or predictions that do not fit the task.
    """
    metric, examples = task.primary, len(one.ids)
    sides = [contributions(task, side.gold, side.answers)[metric][None] for side in (one, other)]
    weights = bootstrap_weights(examples, resamples, generator_of(task.name, split, "bootstrap"))
    first, second = (
        Draws((), value(task, metric, side.sum(1), examples), value(task, metric, sums, examples).T)
        for side, sums in zip(sides, weighted_sums(sides, weights), strict=True)
    )
    return difference(first, second)
