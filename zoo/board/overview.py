"""A suite at a glance: which student to take, and a table that fits a screen."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from zoo.board.advice import advice
from zoo.board.beside import (
    BUSY,
    COMPARED_METHOD,
    COMPARED_NAME,
    COMPARED_SCORE,
    FASTEST_COLUMNS,
    PARAMETERS,
    TO_TEACHER,
    TO_TWIN,
)
from zoo.board.columns import Column, Table
from zoo.board.compared import Compared, compared, means_of
from zoo.board.render import as_markdown, markdown_table
from zoo.board.scores import EARLIER, NOTED, SIGNS
from zoo.board.seeds import seeds_remark
from zoo.board.summary import Line, place_name
from zoo.board.table import Row
from zoo.records.statistics import SuiteStatistics

_SHOWN = {"fastest_bytes", "fastest_latency_ms_p50"}
OVERVIEW: tuple[Column[Compared], ...] = (
    COMPARED_NAME,
    COMPARED_METHOD,
    replace(COMPARED_SCORE, name="mean", head="mean"),
    TO_TEACHER,
    TO_TWIN,
    PARAMETERS,
    *(column for column in FASTEST_COLUMNS if column.name in _SHOWN),
)
"""Eight columns: what fits next to each other on a screen."""
_RIVALS = (
    "to teacher, to twin: difference of the means; the twin is the same student trained on labels"
    " alone. ▲ better, ▼ worse, significantly (Holm-corrected, and an interval without 0); all"
    " others cannot be told apart."
)


def overview(
    suite: str, rows: Sequence[Row], statistics: SuiteStatistics | None
) -> Table[Compared]:
    """One line per entry: its mean beside teacher and twin, its size and its time."""
    lines = means_of(compared(rows, statistics))
    return Table(suite, lines, OVERVIEW, _remarks(lines, statistics))


def overview_text(
    suite: str, rows: Sequence[Row], statistics: SuiteStatistics | None, more: Sequence[str] = ()
) -> str:
    """Markdown without a title: what to take, the table, and footnotes, the last ones given."""
    table = overview(suite, rows, statistics)
    if not table.rows:
        return "No records yet."
    notes = "\n".join(f"- {note}" for note in (*table.remarks, *_signs(table.rows), *more))
    return f"{advice(table.rows)}\n\n{markdown_table(table)}\n\n{notes}"


def leaderboard_text(
    suite: str,
    rows: Sequence[Row],
    statistics: SuiteStatistics | None,
    by_task: Table[Line[Row]],
) -> str:
    """leaderboard.md: the overview, then the table with a column per task."""
    whole = as_markdown(by_task)
    if not rows:
        return whole
    title, _, table = whole.partition("\n\n")
    glance = overview_text(suite, rows, statistics, [links("")])
    return f"{title}\n\n{glance}\n\n## Task by task\n\n{table}"


def links(folder: str) -> str:
    """Where the rest is; `folder` leads to the suite's results, "" if that is where it is read."""
    docs = "docs" if folder else "../../docs"
    tasks = f"[per task]({folder}leaderboard.md), " if folder else ""
    return (
        f"More: {tasks}[beside twin, teacher and paper]({folder}comparison.md),"
        f" [columns]({docs}/columns.md), [how it is measured]({docs}/measuring.md)."
    )


def _remarks(lines: Sequence[Compared], statistics: SuiteStatistics | None) -> list[str]:
    over = ", ".join(map(place_name, statistics.mean_over)) if statistics else ""
    means = statistics.means if statistics else ()
    has_seeds = any(one.summary.seeds_low is not None for one in means)
    spread = "examples and seeds" if has_seeds else "examples"
    seeds = seeds_remark(row for line in lines for row in line.rows)
    mean = (
        f"mean: over {over}, x 100; ± is half the 95 % interval over {spread}. {seeds}"
        if over
        else "No mean: no task is shared by all entries."
    )
    return [mean, _RIVALS, *_timed(lines)]


def _timed(lines: Sequence[Compared]) -> list[str]:
    """Which runtime the sizes and times are of: the most frequent one, and exceptions."""
    known = [line for line in lines if line.costs.fastest]
    found = {line.entry: line.costs.fastest for line in known if line.costs.fastest}
    if not found:
        return []
    runtimes = Counter(fastest.runtime for fastest in found.values())
    (usual, _), *_ = runtimes.most_common(1)
    others = ", ".join(
        f"{name} {one.runtime}" for name, one in found.items() if one.runtime != usual
    )
    cells = ", ".join(sorted({one.cell for one in found.values()}))
    told = f"{usual}{f' ({others})' if others else ''}"
    timed = (
        f"MB, ms: of the fastest runtime, {told}, at batch x length {cells}; x: relative to the"
        f" teacher; {BUSY}: under other load only x is valid. Scores are those of the PyTorch"
        " model."
    )
    return [timed]


def _signs(lines: Sequence[Compared]) -> list[str]:
    """The meanings of the signs after entries' names, where they occur."""
    rows = [row for line in lines for row in line.rows]
    earlier = [] if all(row.declared for row in rows) else [f"{EARLIER} {SIGNS[EARLIER]}"]
    noted = {f"{NOTED} {row.entry}: {mark}." for row in rows for mark in row.marks}
    return [*earlier, *sorted(noted)]
