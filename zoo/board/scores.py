"""The columns of an entry's identity, its scores and their statistics."""

from collections.abc import Callable, Sequence
from typing import Any

from zoo.board.columns import Absent, Cell, Column, half_width
from zoo.board.costs import UNDEFINED, Parts
from zoo.board.summary import S, split_text
from zoo.board.table import Row
from zoo.records.statistics import Contrast

ALPHA = 0.05
"""Significance level of corrected p-values."""
NOTHING_LEARNT = "†"
EARLIER = "‡"
NOTED = "§"
SIGNS = {
    "▲": "significantly better than the entry's twin (paired test, Holm-corrected over the board,"
    " and an interval excluding 0).",
    "▼": "significantly worse than the entry's twin, by the same tests.",
    NOTHING_LEARNT: "does not beat the majority baseline.",
    EARLIER: "out of date: built from an earlier spec or by an earlier version of the zoo.",
}
_VERDICTS = {"better": "▲", "worse": "▼"}
_NO_VERDICT = "not significant"


def percent(value: float) -> str:
    """A score x 100, for display."""
    return f"{100 * value:.1f}"


def score_columns(parts: Parts, score: Column[S]) -> list[Column[S]]:
    """The scored task and split, and the score."""
    return [
        Column(
            "task",
            lambda row: row.task,
            "task that was scored, with its dev split where there are two",
            head="task",
            beside=lambda row: split_text(row.split),
        ),
        Column("split", lambda row: row.split, "split of the task's data"),
        Column("examples", lambda row: row.examples, "number of scored examples"),
        Column("seeds", lambda row: row.seeds, "seeds of the runs that are averaged"),
        Column("primary", lambda row: row.primary, "metric used as the score", head="metric"),
        score,
        Column(
            "score_sd",
            lambda row: Absent("one seed") if len(row.seeds) == 1 else row.score_sd,
            "standard deviation over seeds",
        ),
        *(_metric(name) for name in parts.metrics),
    ]


def _metric(name: str) -> Column[Row]:
    def value(row: Row) -> Cell:
        return _or_undefined(row.metrics[name]) if name in row.metrics else None

    return Column(f"metric_{name}", value, "one of the task's metrics, mean over seeds")


def _or_undefined(value: float | None) -> Cell:
    return UNDEFINED if value is None else value


def _score_beside(row: Row) -> str:
    """Half the interval's width, and signs."""
    text = "" if row.score is None else half_width(row.score_low, row.score_high)
    verdict = verdict_sign(row.against_twin) if row.against_twin else ""
    signs = verdict, "" if row.beats_majority else NOTHING_LEARNT
    return text + "".join(f" {sign}" for sign in signs if sign)


SCORE_COLUMN: Column[Row] = Column(
    "score",
    lambda row: _or_undefined(row.score),
    "mean over seeds, displayed x 100; ± is half the 95 % confidence interval over examples and,"
    " if there are several, seeds",
    head="score",
    text=percent,
    beside=_score_beside,
)
MAJORITY: Column[Row] = Column(
    "majority",
    lambda row: row.majority,
    "score of the best constant prediction",
    head="majority baseline",
    text=percent,
)
RESOLUTION: Column[Row] = Column(
    "resolution",
    lambda row: row.resolution,
    "smallest true difference between two students that a paired test at the 5 % level detects on"
    " these examples with 80 % power",
    head="minimum detectable difference (80 % power)",
    text=percent,
)


def _verdict(contrast: Contrast) -> str:
    """Whether the entry is significantly better or worse.

    The corrected p-value covers seeds as the interval does, which must also exclude 0.
    """
    if contrast.p_holm >= ALPHA or contrast.low <= 0 <= contrast.high:
        return _NO_VERDICT
    return "better" if contrast.difference > 0 else "worse"


def verdict_sign(contrast: Contrast) -> str:
    """▲ or ▼ where the entry is significantly better or worse."""
    return _VERDICTS.get(_verdict(contrast), "")


CONTRAST: tuple[Column[Contrast], ...] = (
    Column("difference", lambda contrast: contrast.difference, "mean over seeds minus the rival's"),
    Column("low", lambda contrast: contrast.low, "lower end of its 95 % interval"),
    Column("high", lambda contrast: contrast.high, "upper end of its 95 % interval"),
    Column(
        "p",
        lambda contrast: contrast.p,
        "two-sided p-value of the test over examples, uncorrected; says nothing about seeds",
    ),
    Column(
        "p_holm",
        lambda contrast: contrast.p_holm,
        "p-value, Holm-corrected over the board, and below 0.05 only where the interval excludes 0",
    ),
    Column("test", lambda contrast: contrast.test, "statistical test used"),
    Column("verdict", _verdict, "better, worse or not significant; displayed as ▲ or ▼"),
)
"""The columns of a comparison with a rival."""


def _difference_columns(
    rival: str,
    difference: Callable[[Row], float | None],
    contrast: Callable[[Row], Contrast | None],
) -> list[Column[Row]]:
    def beside(row: Row) -> str:
        found = contrast(row)
        if found is None:
            return ""
        return f" [{percent(found.low)}, {percent(found.high)}] p {found.p_holm:.2g}"

    to = Column(
        f"to_{rival}",
        difference,
        f"score minus the {rival}'s, with its 95 % interval and the p-value, Holm-corrected over"
        " all tests of the board",
        head=f"to {rival}",
        text=lambda value: f"{100 * value:+.1f}",
        beside=beside,
    )
    return [to, *(column.within(contrast, f"against_{rival}") for column in CONTRAST)]


def places_column(rank: Callable[[Any], tuple[int, int] | None]) -> Column[Any]:
    """The rank range: its first rank, with the last displayed after it."""

    def other(row: Any) -> str:
        places = rank(row)
        return f"-{places[1]}" if places and places[1] != places[0] else ""

    return Column(
        "rank_low",
        lambda row: places[0] if (places := rank(row)) else None,
        "range of ranks among students that is consistent with the pairwise tests",
        head="rank",
        beside=other,
    )


def identity_columns() -> list[Column[Row]]:
    """The identity of a row's entry."""
    return [
        Column("suite", lambda row: row.suite, "suite that declares its data and settings"),
        Column(
            "entry",
            lambda row: row.entry,
            "name of its spec",
            head="entry",
            beside=lambda row: signs_of([row]),
        ),
        Column("method", lambda row: row.method, "distillation method", head="method"),
        Column("teacher", lambda row: row.teacher, "entry it is distilled from"),
        Column("digest", lambda row: row.digest, "digest of the first seed's run"),
        Column(
            "declared",
            lambda row: row.declared,
            f"whether the specs declare these runs now; displayed as {EARLIER} if not",
        ),
        Column(
            "marks",
            lambda row: "; ".join(row.marks),
            f"remarks recorded during training; displayed as {NOTED}",
        ),
    ]


def standing_columns() -> list[Column[Row]]:
    """The statistics of a score, and its comparisons."""
    return [
        Column("score_low", lambda row: row.score_low, "lower end of the 95 % interval"),
        Column("score_high", lambda row: row.score_high, "upper end of the 95 % interval"),
        places_column(lambda row: row.rank),
        Column("rank_high", lambda row: row.rank[1] if row.rank else None, "end of this range"),
        RESOLUTION,
        MAJORITY,
        Column(
            "beats_majority",
            lambda row: row.beats_majority,
            f"whether the score beats the majority baseline; displayed as {NOTHING_LEARNT} if not",
        ),
        Column(
            "constant", lambda row: row.constant, "whether any seed gives one constant prediction"
        ),
        *_difference_columns("teacher", lambda r: r.to_teacher, lambda r: r.against_teacher),
        *_difference_columns("twin", lambda r: r.to_twin, lambda r: r.against_twin),
    ]


def signs_of(rows: Sequence[Row]) -> str:
    """The signs after an entry's name."""
    earlier = f" {EARLIER}" if not all(row.declared for row in rows) else ""
    return earlier + (f" {NOTED}" if any(row.marks for row in rows) else "")
