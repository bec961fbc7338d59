"""What entries lose on altered examples: the difference of two scores of the same runs.

A run is its own rival here, so the difference is taken seed by seed: what a seed adds to both
scores cancels, and the spread over seeds is that of the difference.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from zoo.errors import MeasurementError, Problem
from zoo.records.statistics import Drop
from zoo.spec.robustness import Perturbation
from zoo.statistics.draws import split_draws
from zoo.statistics.effort import RESAMPLES
from zoo.statistics.estimate import Draws, over_seeds
from zoo.statistics.rounding import rounded_statistic
from zoo.statistics.scored import ScoredRuns
from zoo.statistics.splits import ScoredSplit, scored_splits


def suite_drops(
    dev: Sequence[ScoredRuns],
    altered: Mapping[Perturbation, Sequence[ScoredRuns]],
    resamples: int = RESAMPLES,
) -> tuple[Drop, ...]:
    """The drops of all entries, perturbation by perturbation.

    Args:
        dev: the scored dev splits.
        altered: the scored altered examples, under the names of the dev splits.
        resamples: number of bootstrap resamples.

    Raises:
        MeasurementError: runs on altered examples that are not scored on the dev split, or entries
            that cover different examples.
    """
    found: list[Drop] = []
    for perturbation, runs in altered.items():
        counterparts = [_counterpart(one, dev) for one in runs]
        pairs = zip(scored_splits(counterparts), scored_splits(runs), strict=True)
        for before, after in pairs:
            found += _drops(before, after, perturbation, resamples)
    return tuple(found)


def _counterpart(altered: ScoredRuns, dev: Sequence[ScoredRuns]) -> ScoredRuns:
    """The same runs on the dev split."""
    key = altered.entry, altered.task, altered.split
    own = next((one for one in dev if (one.entry, one.task, one.split) == key), None)
    lacking = [seed for seed in altered.seeds if own is None or seed not in own.runs]
    if own is None or lacking:
        where = f"{altered.task} {altered.split}: {altered.entry}"
        given = f"no score of seed {', '.join(map(str, lacking))} on the dev split"
        raise MeasurementError(Problem(where, given, remedy="score the entry again"))
    return replace(own, runs={seed: own.runs[seed] for seed in altered.seeds})


def _drops(
    before: ScoredSplit, after: ScoredSplit, perturbation: Perturbation, resamples: int
) -> list[Drop]:
    paired = _ids(before) == _ids(after)
    primary = after.task.primary
    first = split_draws(before, resamples)[primary]
    if not paired:  # other examples, resampled independently
        after = replace(after, name=f"{after.name} {perturbation}")
    second = split_draws(after, resamples)[primary]
    return [
        _drop(
            one, (first[one.entry], second[one.entry]), after.examples, perturbation, paired=paired
        )
        for one in after.entries
    ]


def _ids(split: ScoredSplit) -> set[str]:
    one = split.entries[0]
    return set(one.runs[one.seeds[0]].ids)


def _drop(
    scored: ScoredRuns,
    draws: tuple[Draws, Draws],
    examples: int,
    perturbation: Perturbation,
    *,
    paired: bool,
) -> Drop:
    before, after = draws
    lost = over_seeds(
        Draws(before.seeds, before.observed - after.observed, before.resampled - after.resampled)
    )
    low, high = lost.interval() or (None, None)
    return Drop(
        entry=scored.entry,
        task=scored.task,
        split=scored.split,
        perturbation=perturbation,
        seeds=scored.seeds,
        examples=examples,
        score=rounded_statistic(float(after.observed.mean())),
        drop=rounded_statistic(lost.value),
        low=rounded_statistic(low),
        high=rounded_statistic(high),
        paired=paired,
    )
