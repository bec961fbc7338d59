"""All statistics of a suite from its stored predictions; start at `suite_statistics`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from zoo.records.statistics import (
    Contrast,
    MeanStanding,
    Resolution,
    Standing,
    SuiteStatistics,
    Summary,
)
from zoo.spec.robustness import Perturbation
from zoo.statistics.contrast import Contested, Pair, contests, mean_contests
from zoo.statistics.draws import ByEntry, split_draws
from zoo.statistics.drops import suite_drops
from zoo.statistics.effort import PERMUTATIONS, RESAMPLES
from zoo.statistics.estimate import Draws, mean_of, over_examples, over_seeds
from zoo.statistics.holm import holm
from zoo.statistics.rank import RankInterval, places
from zoo.statistics.resolution import smallest_difference
from zoo.statistics.rounding import probability, rounded_statistic, significant
from zoo.statistics.scored import ScoredRuns
from zoo.statistics.splits import ScoredSplit, scored_splits
from zoo.statistics.sums import LOWEST

__all__ = ["ScoredRuns", "suite_statistics"]


@dataclass(frozen=True)
class _Analysed:
    """One split with the draws of each metric and entry, and the tests before correction."""

    split: ScoredSplit
    draws: Mapping[str, ByEntry]
    contests: Mapping[Pair, Contested]

    @property
    def primary(self) -> ByEntry:
        return self.draws[self.split.task.primary]

    @property
    def places(self) -> dict[str, RankInterval | None]:
        return _student_places(self.split.entries, self.primary)


def suite_statistics(
    suite: str,
    scored: Sequence[ScoredRuns],
    inputs: str,
    *,
    altered: Mapping[Perturbation, Sequence[ScoredRuns]] = MappingProxyType({}),
    resamples: int = RESAMPLES,
    permutations: int = PERMUTATIONS,
) -> SuiteStatistics:
    """All statistics of a suite's stored predictions.

    The order of `scored` and of examples in a file does not matter. A student's contrast with its
    teacher or twin is None if that has no runs on the split, if it is its own twin, or if the
    difference is undefined (a correlation of constant predictions).

    Args:
        suite: its name.
        scored: one for each entry and split.
        inputs: sha256 of the predictions, copied to the result.
        altered: those on altered examples, under the names of the dev splits.
        resamples: number of bootstrap resamples.
        permutations: number per permutation test.

    Raises:
        MeasurementError: entries that appear twice, have no run or cover different examples, or
            predictions that do not fit their task.
    """
    splits = [_analyse(split, resamples, permutations) for split in scored_splits(scored)]
    # One correction over all splits, as a board shows all of its tests at once.
    contrasts = _contrasts([one.contests for one in splits])
    standings: list[Standing] = []
    for one, own in zip(splits, contrasts, strict=True):
        standings += _standings(one, own)
    shared = _shared(splits)
    return SuiteStatistics(
        suite=suite,
        inputs=inputs,
        resamples=resamples,
        permutations=permutations,
        tests=sum(len(own) for own in contrasts),
        standings=tuple(standings),
        means=_means(shared),
        mean_over=tuple((one.split.task.name, one.split.name) for one in shared),
        resolutions=tuple(_resolution(one) for one in splits),
        drops=suite_drops(scored, altered, resamples),
    )


def _analyse(split: ScoredSplit, resamples: int, permutations: int) -> _Analysed:
    draws = split_draws(split, resamples)
    return _Analysed(split, draws, contests(split, draws[split.task.primary], permutations))


def _student_places(
    entries: Sequence[ScoredRuns], draws: ByEntry
) -> dict[str, RankInterval | None]:
    return places({one.entry: draws[one.entry] for one in entries if one.is_student})


def _contrasts(contests: Sequence[Mapping[Pair, Contested]]) -> list[dict[Pair, Contrast]]:
    """The pairs of each split, with one correction over all of them."""
    corrected = iter(holm([contest.p for own in contests for contest in own.values()]))
    return [
        {pair: _contrast(pair[1], contest, next(corrected)) for pair, contest in own.items()}
        for own in contests
    ]


def _standings(one: _Analysed, contrasts: Mapping[Pair, Contrast]) -> list[Standing]:
    ranks = one.places
    return [
        Standing(
            entry=scored.entry,
            task=scored.task,
            split=scored.split,
            seeds=scored.seeds,
            examples=one.split.examples,
            metrics={
                metric: _summary(draws[scored.entry], LOWEST[metric])
                for metric, draws in one.draws.items()
            },
            to_teacher=contrasts.get((scored.entry, scored.teacher)),
            to_twin=contrasts.get((scored.entry, scored.twin or "")),
            rank=ranks.get(scored.entry),
        )
        for scored in one.split.entries
    ]


def _shared(splits: Sequence[_Analysed]) -> list[_Analysed]:
    """The splits shared by all entries."""
    entries = {scored.entry for one in splits for scored in one.split.entries}
    return [one for one in splits if len(one.split.entries) == len(entries)]


def _means(shared: Sequence[_Analysed]) -> tuple[MeanStanding, ...]:
    if not shared:
        return ()
    entries = shared[0].split.entries
    draws = {one.entry: mean_of([split.primary[one.entry] for split in shared]) for one in entries}
    ranks = _student_places(entries, draws)
    lowest = float(np.mean([LOWEST[split.split.task.primary] for split in shared]))
    # A family of its own: adding it to that of the splits would correct those for more tests.
    (contrasts,) = _contrasts([mean_contests(draws, [split.contests for split in shared])])
    return tuple(
        MeanStanding(
            entry=one.entry,
            summary=_summary(draws[one.entry], lowest),
            to_teacher=contrasts.get((one.entry, one.teacher)),
            to_twin=contrasts.get((one.entry, one.twin or "")),
            rank=ranks.get(one.entry),
        )
        for one in entries
    )


def _resolution(one: _Analysed) -> Resolution:
    students = [one.primary[scored.entry] for scored in one.split.entries if scored.is_student]
    return Resolution(
        task=one.split.task.name,
        split=one.split.name,
        examples=one.split.examples,
        difference=rounded_statistic(smallest_difference(students)),
    )


def _summary(draws: Draws, lowest: float) -> Summary:
    """The summary of one metric with values from `lowest` to 1.

    An interval stretched for the seeds is clipped to that range.
    """
    count = len(draws.observed)
    low, high = over_examples(draws).interval() or (None, None)
    stretched = over_seeds(draws).interval() if count > 1 else None
    seeds_low, seeds_high = np.clip(stretched, lowest, 1.0) if stretched else (None, None)
    return Summary(
        mean=rounded_statistic(float(draws.observed.mean())),
        sd=rounded_statistic(float(draws.observed.std(ddof=1))) if count > 1 else None,
        low=rounded_statistic(low),
        high=rounded_statistic(high),
        seeds_low=rounded_statistic(seeds_low),
        seeds_high=rounded_statistic(seeds_high),
    )


def _contrast(rival: str, contest: Contested, p_holm: float) -> Contrast:
    return Contrast(
        rival=rival,
        difference=significant(contest.difference),
        low=significant(contest.low),
        high=significant(contest.high),
        p=probability(contest.p),
        p_holm=probability(max(p_holm, contest.p_interval)),
        test=contest.test,
    )
