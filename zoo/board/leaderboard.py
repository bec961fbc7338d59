"""The leaderboard: one row per entry, task and split, and one line per entry."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from zoo.board.columns import Column, Table, half_width
from zoo.board.costs import ANY, TRAINING_SECONDS, Parts, cost_columns
from zoo.board.robustness import drop_columns
from zoo.board.scores import (
    MAJORITY,
    RESOLUTION,
    SCORE_COLUMN,
    SIGNS,
    identity_columns,
    percent,
    places_column,
    score_columns,
    signs_of,
    standing_columns,
)
from zoo.board.seeds import seeds_remark
from zoo.board.summary import Line, TaskSplit, line_of, place_name, summed_up, task_columns
from zoo.board.table import Row
from zoo.records.statistics import MeanStanding
from zoo.spec.teacher import TEACHER

Means = Mapping[str, MeanStanding]
"""The mean of each entry, by name."""


def leaderboard(rows: Sequence[Row], suite: str, left_out: Sequence[str] = ()) -> Table[Row]:
    """The table of all rows and columns; a remark names the tasks `left_out`."""
    columns = board_columns(Parts.of(rows), _score_column(rows))
    return Table(suite, rows, columns, _remarks(rows, left_out), SIGNS)


def board_columns(parts: Parts = ANY, score: Column[Row] = SCORE_COLUMN) -> list[Column[Row]]:
    """The columns of a board with these metrics, precisions, runtimes and perturbations."""
    return [
        *identity_columns(),
        *score_columns(parts, score),
        *standing_columns(),
        *drop_columns(parts.perturbations),
        TRAINING_SECONDS,
        *cost_columns(parts),
    ]


def summary(
    rows: Sequence[Row],
    suite: str,
    means: Means | None = None,
    *,
    ranked: bool = True,
    left_out: Sequence[str] = (),
) -> Table[Line[Row]]:
    """One line per entry, one column per task; the best student of each column is bold.

    Teachers come first, then students by mean; if not `ranked`, entries keep the order of the rows.
    `means` gives the uncertainty of the mean; it is known for whole boards only. A remark names the
    tasks `left_out`.
    """
    places = sorted({(row.task, row.split) for row in rows})
    shared = _shared(rows, places)
    score = _score_column(rows)
    lines = [line_of(entry, score, own) for entry, own in _by_entry(rows).items()]
    if ranked:
        lines.sort(key=_order(shared))
    yardsticks = [
        replace(line_of(column.head, column, rows), is_yardstick=True)
        for column in (MAJORITY, RESOLUTION)
        if any(column.value(row) is not None for row in rows)
    ]
    columns = [
        *_line_columns(shared, means or {}),
        *task_columns(rows, places, score),
        *summed_up(cost_columns(Parts.of(rows))),
    ]
    told = [*_remarks(rows, left_out), *(f"{line.name}: {line.shown.note}." for line in yardsticks)]
    return Table(suite, [*yardsticks, *lines], columns, told, SIGNS)


def absence_remarks(left_out: Sequence[str]) -> list[str]:
    """The remark that names the tasks `left_out`; none if there are none."""
    return [f"Not built, as their data were absent: {', '.join(left_out)}."] if left_out else []


def _line_columns(shared: Sequence[TaskSplit], means: Means) -> list[Column[Line[Row]]]:
    def beside(line: Line[Row]) -> str:
        standing = means.get(line.name)
        return "" if standing is None else half_width(*standing.summary.shown)

    over = ", ".join(map(place_name, shared)) or "no task, as none is shared by all entries"
    return [
        Column(
            "entry",
            lambda line: line.name,
            "",
            head="entry",
            beside=lambda line: signs_of(line.rows),
        ),
        Column(
            "method", lambda line: line.rows[0].method if line.rows else None, "", head="method"
        ),
        Column(
            "mean",
            lambda line: _mean(line, shared),
            f"average score over {over}",
            head="mean",
            text=percent,
            beside=beside,
        ),
        places_column(lambda line: means[line.name].rank if line.name in means else None),
    ]


def _mean(line: Line[Row], places: Sequence[TaskSplit]) -> float | None:
    scores = [] if line.is_yardstick else [line.cells[place].score for place in places]
    known = [score for score in scores if score is not None]
    return sum(known) / len(known) if known and len(known) == len(places) else None


def _order(shared: Sequence[TaskSplit]) -> Callable[[Line[Row]], tuple[bool, float, str]]:
    """Teachers first, then by descending mean; entries without one last."""

    def place(line: Line[Row]) -> tuple[bool, float, str]:
        mean = _mean(line, shared)
        is_teacher = line.rows[0].method == TEACHER
        return not is_teacher, -(mean if mean is not None else -1.0), line.name

    return place


def _score_column(rows: Sequence[Row]) -> Column[Row]:
    """Scores, with the best student of each task in bold."""
    best: dict[TaskSplit, float] = {}
    for row in rows:
        if row.method != TEACHER and row.score is not None:
            place = row.task, row.split
            best[place] = max(row.score, best.get(place, row.score))

    def is_best(row: Row) -> bool:
        return row.method != TEACHER and row.score == best.get((row.task, row.split))

    return replace(SCORE_COLUMN, strong=lambda row: row.score is not None and is_best(row))


def _by_entry(rows: Sequence[Row]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row.entry, []).append(row)
    return found


def _shared(rows: Sequence[Row], places: Sequence[TaskSplit]) -> list[TaskSplit]:
    """The tasks and splits that all entries have: other means would compare different tasks."""
    filled = [{(row.task, row.split) for row in own} for own in _by_entry(rows).values()]
    return [place for place in places if all(place in own for own in filled)]


def _remarks(rows: Sequence[Row], left_out: Sequence[str]) -> list[str]:
    examples = {(row.task, row.split): row.examples for row in rows}
    sizes = ", ".join(f"{place_name(place)} {examples[place]:,}" for place in sorted(examples))
    cells = ", ".join(sorted({one.cell for row in rows for one in row.runtimes.values()}))
    timed = f"Time at batch x length {cells}; percentiles, bounds and other shapes: latency.csv."
    noted = dict.fromkeys((row.entry, mark) for row in rows for mark in row.marks)
    return [
        seeds_remark(rows),
        f"Scored examples: {sizes}.",
        *absence_remarks(left_out),
        *([timed] if cells else []),
        *(f"§ {entry}: {mark}." for entry, mark in noted),
    ]
