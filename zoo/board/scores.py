"""The columns of what an entry is and scores, and of what statistics say of that."""

from collections.abc import Callable, Sequence
from typing import Any

from zoo.board.columns import Absent, Cell, Column
from zoo.board.costs import UNDEFINED, Parts
from zoo.board.summary import S, split_text
from zoo.board.table import Row
from zoo.records.statistics import Contrast

ALPHA = 0.05
"""A difference is told where its corrected p-value lies below."""
NOTHING_LEARNT = "†"
EARLIER = "‡"
NOTED = "§"
SIGNS = {
    "▲": "better than the entry's twin (paired test, corrected for all tests of the board, and an"
    " interval without 0).",
    "▼": "worse than the entry's twin, by the same tests.",
    NOTHING_LEARNT: "does not beat a constant answer: nothing was learnt there.",
    EARLIER: "made of an earlier spec, or by an earlier version of the zoo.",
}
_VERDICTS = {"better": "▲", "worse": "▼"}
_NO_VERDICT = "not told apart"


def percent(value: float) -> str:
    """A score as people read it."""
    return f"{100 * value:.1f}"


def score_columns(parts: Parts, score: Column[S]) -> list[Column[S]]:
    """What was scored, and how well."""
    return [
        Column(
            "task",
            lambda row: row.task,
            "what the entry was scored on, and which dev split where there are two",
            head="task",
            beside=lambda row: split_text(row.split),
        ),
        Column("split", lambda row: row.split, "of the task's data"),
        Column("examples", lambda row: row.examples, "scored ones"),
        Column("seeds", lambda row: row.seeds, "the runs that numbers are means of"),
        Column("primary", lambda row: row.primary, "the metric that is the score", head="metric"),
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

    return Column(f"metric_{name}", value, "of the task's metrics, the mean over seeds")


def _or_undefined(value: float | None) -> Cell:
    return UNDEFINED if value is None else value


def _score_beside(row: Row) -> str:
    """Half of the interval, and signs."""
    text = "" if row.score is None else half_width(row.score_low, row.score_high)
    verdict = _VERDICTS.get(_verdict(row.against_twin), "") if row.against_twin else ""
    signs = verdict, "" if row.beats_majority else NOTHING_LEARNT
    return text + "".join(f" {sign}" for sign in signs if sign)


SCORE_COLUMN: Column[Row] = Column(
    "score",
    lambda row: _or_undefined(row.score),
    "the mean over seeds, in text x 100; ± is half of the 95 % interval over examples and, where"
    " there are several, seeds",
    head="score",
    text=percent,
    beside=_score_beside,
)
MAJORITY: Column[Row] = Column(
    "majority",
    lambda row: row.majority,
    "what the best constant answer scores",
    head="constant answer",
    text=percent,
)
RESOLUTION: Column[Row] = Column(
    "resolution",
    lambda row: row.resolution,
    "the smallest true difference between two students that a paired test at 5 % finds four times"
    " in five on these examples; smaller ones are noise",
    head="can resolve",
    text=percent,
)


def half_width(low: float | None, high: float | None) -> str:
    """Half of an interval of scores, behind one."""
    return "" if low is None or high is None else f" ± {50 * (high - low):.1f}"


def _verdict(contrast: Contrast) -> str:
    """Whether the entry is better or worse beyond doubt.

    The test is over examples alone: an interval over seeds too must leave out 0.
    """
    if contrast.p_holm >= ALPHA or contrast.low <= 0 <= contrast.high:
        return _NO_VERDICT
    return "better" if contrast.difference > 0 else "worse"


_CONTRAST: tuple[Column[Contrast], ...] = (
    Column(
        "difference", lambda contrast: contrast.difference, "the mean over seeds minus the rival's"
    ),
    Column("low", lambda contrast: contrast.low, "lower end of its 95 % interval"),
    Column("high", lambda contrast: contrast.high, "upper end of its 95 % interval"),
    Column("p", lambda contrast: contrast.p, "of no difference, two-sided, over examples"),
    Column("p_holm", lambda contrast: contrast.p_holm, "the same, for all tests of the board"),
    Column("test", lambda contrast: contrast.test, "that was used"),
    Column("verdict", _verdict, "▲ or ▼ in text: better or worse, or not told apart"),
)


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
        f"score minus the {rival}'s, with its 95 % interval and the p-value, corrected for all"
        " tests of the board",
        head=f"to {rival}",
        text=lambda value: f"{100 * value:+.1f}",
        beside=beside,
    )
    return [to, *(column.within(contrast, f"against_{rival}") for column in _CONTRAST)]


def places_column(rank: Callable[[Any], tuple[int, int] | None]) -> Column[Any]:
    """The first place, and the last beside it."""

    def other(row: Any) -> str:
        places = rank(row)
        return f"-{places[1]}" if places and places[1] != places[0] else ""

    return Column(
        "rank_low",
        lambda row: places[0] if (places := rank(row)) else None,
        "the places among students that it may hold",
        head="rank",
        beside=other,
    )


def identity_columns() -> list[Column[Row]]:
    """Who a row is of."""
    return [
        Column("suite", lambda row: row.suite, "whose data and settings it has"),
        Column(
            "entry",
            lambda row: row.entry,
            "the spec that it was built from",
            head="entry",
            beside=lambda row: signs_of([row]),
        ),
        Column("method", lambda row: row.method, "how it was distilled", head="method"),
        Column("teacher", lambda row: row.teacher, "which entry taught it"),
        Column("digest", lambda row: row.digest, "what decides the weights of the first seed"),
        Column(
            "declared",
            lambda row: row.declared,
            f"{EARLIER} in text if not: whether a spec declares these runs now",
        ),
        Column(
            "marks",
            lambda row: "; ".join(row.marks),
            f"{NOTED} in text: what training noted that a reader must know",
        ),
    ]


def standing_columns() -> list[Column[Row]]:
    """What statistics say of a score, and what it is compared with."""
    return [
        Column("score_low", lambda row: row.score_low, "lower end of the 95 % interval"),
        Column("score_high", lambda row: row.score_high, "upper end of the 95 % interval"),
        places_column(lambda row: row.rank),
        Column("rank_high", lambda row: row.rank[1] if row.rank else None, "the last of these"),
        RESOLUTION,
        MAJORITY,
        Column(
            "beats_majority",
            lambda row: row.beats_majority,
            f"{NOTHING_LEARNT} in text: whether the score beats a constant answer",
        ),
        Column("constant", lambda row: row.constant, "whether a seed gave one answer to all"),
        *_difference_columns("teacher", lambda r: r.to_teacher, lambda r: r.against_teacher),
        *_difference_columns("twin", lambda r: r.to_twin, lambda r: r.against_twin),
    ]


def signs_of(rows: Sequence[Row]) -> str:
    """The signs behind an entry's name."""
    earlier = f" {EARLIER}" if not all(row.declared for row in rows) else ""
    return earlier + (f" {NOTED}" if any(row.marks for row in rows) else "")
