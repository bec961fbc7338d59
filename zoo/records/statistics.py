"""Statistics of a suite's stored predictions: spreads, intervals, tests and ranks."""

from typing import ClassVar, Literal

from zoo.spec.base import Grown, Sha256, Spec
from zoo.spec.robustness import Perturbation

STATISTICS_SCHEMA = 1


class Summary(Spec):
    """One metric of one entry on one split: the mean over seeds with its uncertainty.

    All are on the metric's natural scale, and None if the metric is undefined for a seed (for
    intervals: in more than 1 % of the resamples).
    """

    mean: float | None
    sd: float | None
    """Standard deviation over seeds; None for a single one. Of a mean over tasks with unequal
    seeds: that of the mean itself, times the root of the number of seeds."""
    low: float | None
    high: float | None
    """95 % confidence interval over examples: these models on other examples of the same kind."""
    seeds_low: float | None
    seeds_high: float | None
    """95 % confidence interval over examples and seeds; None for a single seed."""

    @property
    def shown(self) -> tuple[float | None, float | None]:
        """The interval that boards show: over seeds too where there are several."""
        if self.seeds_low is None:
            return self.low, self.high
        return self.seeds_low, self.seeds_high


class Contrast(Spec):
    """An entry compared with another on the same examples, in the primary metric."""

    rival: str
    difference: float
    """The entry's mean over seeds minus the rival's."""
    low: float
    high: float
    """95 % confidence interval over examples and, if both have several, seeds."""
    p: float
    """Two-sided p-value of no difference, of the test alone: over examples, uncorrected."""
    p_holm: float
    """The p-value, Holm-corrected over all tests of the board (for means: over those of means), and
    no smaller than the error level at which the interval meets 0: below 0.05 only where the
    interval excludes 0."""
    test: Literal["McNemar, exact", "paired permutation"]


class Standing(Spec):
    """One entry on one split of one task."""

    entry: str
    task: str
    split: str
    seeds: tuple[int, ...]
    examples: int
    metrics: dict[str, Summary]
    to_teacher: Contrast | None
    to_twin: Contrast | None
    rank: tuple[int, int] | None
    """Its rank range among the suite's students; None for teachers."""


class MeanStanding(Spec):
    """One entry's mean of the primary metrics over the splits shared by all entries."""

    entry: str
    summary: Summary
    to_teacher: Contrast | None = None
    to_twin: Contrast | None = None
    rank: tuple[int, int] | None


class Resolution(Spec):
    """The resolution of one split."""

    task: str
    split: str
    examples: int
    difference: float | None
    """The minimum detectable difference between two students (paired test at the 5 % level, 80 %
    power): median over the board's pairs; None with fewer than two students."""


class Drop(Spec):
    """What an entry loses on the altered examples of one split, in the primary metric.

    All are means over seeds on the metric's natural scale; None: undefined.
    """

    entry: str
    task: str
    split: str
    perturbation: Perturbation
    seeds: tuple[int, ...]
    examples: int
    """Altered examples."""
    score: float | None
    """On them."""
    drop: float | None
    """The score on the dev split minus `score`: above 0 the entry is worse on altered examples."""
    low: float | None
    high: float | None
    """95 % confidence interval over examples and, if there are several, seeds."""
    paired: bool
    """Whether the altered examples are those of the dev split, resampled together; otherwise each
    side is resampled by itself."""


class SuiteStatistics(Grown):
    """All statistics of a suite, computed from stored predictions without any model."""

    later: ClassVar[tuple[str, ...]] = ("drops",)

    schema_version: int = STATISTICS_SCHEMA
    suite: str
    inputs: Sha256
    """The sha256 of the predictions it is computed from."""
    resamples: int
    permutations: int
    tests: int
    """Number of tests covered by the correction."""
    standings: tuple[Standing, ...]
    means: tuple[MeanStanding, ...]
    mean_over: tuple[tuple[str, str], ...]
    """The splits (task and name) that are averaged."""
    resolutions: tuple[Resolution, ...]
    drops: tuple[Drop, ...] = ()
