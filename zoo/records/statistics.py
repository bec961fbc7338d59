"""What stored predictions of a suite say together: spreads, intervals, tests and ranks."""

from typing import Literal

from zoo.spec.base import Sha256, Spec

STATISTICS_SCHEMA = 1


class Summary(Spec):
    """One metric of one entry on one split: the mean over seeds, and how far it can be trusted.

    All are on the metric's natural scale and None where the metric is undefined for a seed (for
    intervals: in more than 1 % of the resamples).
    """

    mean: float | None
    sd: float | None
    """Over seeds; None for a single one."""
    low: float | None
    high: float | None
    """95 % interval over examples: these models on other examples of the same kind."""
    seeds_low: float | None
    seeds_high: float | None
    """95 % interval over examples and seeds: other seeds, too; None for a single seed."""


class Contrast(Spec):
    """An entry against another on the same examples, in the primary metric."""

    rival: str
    difference: float
    """The entry's mean over seeds minus the rival's."""
    low: float
    high: float
    """95 % interval over examples and, where both have several, over seeds."""
    p: float
    """Of no difference, two-sided, over examples."""
    p_holm: float
    """Corrected for all tests of the board."""
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
    """The places among the suite's students that it may hold; None for teachers."""


class MeanStanding(Spec):
    """One entry's mean of the primary metrics over the splits that every entry has."""

    entry: str
    summary: Summary
    rank: tuple[int, int] | None


class Resolution(Spec):
    """What the examples of one split can tell apart."""

    task: str
    split: str
    examples: int
    difference: float | None
    """The smallest true difference between two students that a paired test at 5 % finds four times
    in five: the median over pairs of this board; None without two students."""


class SuiteStatistics(Spec):
    """Everything of a suite that is made of stored predictions; no model is needed."""

    schema_version: int = STATISTICS_SCHEMA
    suite: str
    inputs: Sha256
    """Of the predictions it is made of."""
    resamples: int
    permutations: int
    tests: int
    """How many tests the correction covers."""
    standings: tuple[Standing, ...]
    means: tuple[MeanStanding, ...]
    mean_over: tuple[tuple[str, str], ...]
    """The splits, task and name, that the means are over."""
    resolutions: tuple[Resolution, ...]
