"""The scores of one split's entries, and their values in resamples of its examples."""

from collections.abc import Mapping

from zoo.statistics.estimate import Draws
from zoo.statistics.resample import bootstrap_weights, generator_of, weighted_sums
from zoo.statistics.splits import ScoredSplit
from zoo.statistics.sums import value

ByEntry = Mapping[str, Draws]


def split_draws(split: ScoredSplit, resamples: int) -> dict[str, ByEntry]:
    """The draws of each metric, by entry; the split's name decides the resamples."""
    generator = generator_of(split.task.name, split.name, "bootstrap")
    weights = bootstrap_weights(split.examples, resamples, generator)
    arrays = [array for arrays in split.by_metric.values() for array in arrays.values()]
    sums = iter(weighted_sums(arrays, weights))
    return {
        metric: {
            one.entry: Draws(
                one.seeds,
                value(split.task, metric, arrays[one.entry].sum(1), split.examples),
                value(split.task, metric, next(sums), split.examples).T,
            )
            for one in split.entries
        }
        for metric, arrays in split.by_metric.items()
    }
