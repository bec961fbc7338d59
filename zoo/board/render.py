"""The board as text: CSV and JSON for machines, Markdown for people."""

import csv
import io
import json
from collections.abc import Mapping, Sequence

from zoo.board.cells import ExportCell, RuntimeCell
from zoo.board.table import Row, marks_of
from zoo.records.statistics import MeanStanding
from zoo.spec.bench import ENGINES

RUNTIME_FIELDS = tuple(RuntimeCell.model_fields)
EXPORT_FIELDS = tuple(ExportCell.model_fields)
CONTRAST_FIELDS = ("difference", "low", "high", "p", "p_holm", "test")
Column = tuple[str, str]
"""A task and one of its splits."""
Means = Mapping[str, MeanStanding]
"""By entry."""

ALPHA = 0.05
"""A difference is told where its corrected p-value lies below."""


def as_json(rows: Sequence[Row]) -> str:
    """All rows with all fields."""
    plain = [row.model_dump(mode="json") for row in rows]
    return json.dumps(plain, indent=1, sort_keys=True) + "\n"


def as_csv(rows: Sequence[Row]) -> str:
    """One line per row; metrics, tests, exports and runtimes become columns of their own."""
    flat = [_flat(row) for row in rows]
    columns = list(dict.fromkeys(key for line in flat for key in line))
    grouped = [sorted(c for c in columns if c.startswith(prefix)) for prefix in _GROUPS]
    taken = {column for group in grouped for column in group}
    fixed = [column for column in columns if column not in taken]
    text = io.StringIO()
    names = [*fixed, *(column for group in grouped for column in group)]
    writer = csv.DictWriter(text, names, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(flat)
    return text.getvalue()


_GROUPS = ("metric_", "against_", "export_", *(f"{engine.name}_" for engine in ENGINES))


def as_markdown(
    rows: Sequence[Row], suite: str, means: Means | None = None, *, ranked: bool = True
) -> str:
    """A line per entry, a column per task; the best student of a column is bold.

    Teachers come first, then the best mean; entries keep the order of the rows if not `ranked`.
    `means` tell how far the mean can be trusted; they are of whole boards only.
    """
    if not rows:
        return f"# {suite}\n\nNo records yet.\n"
    columns = sorted({(row.task, row.split) for row in rows})
    lines = [_header(rows, columns), _majority_line(rows, columns)]
    if _resolved(rows):
        lines.append(_resolution_line(rows, columns))
    entries = _ranked(rows, columns) if ranked else list(dict.fromkeys(row.entry for row in rows))
    lines += [_entry_line(rows, columns, entry, (means or {}).get(entry)) for entry in entries]
    notes = _notes(rows, columns)
    return "\n".join([f"# {suite}", "", *_table(lines), "", *notes]) + "\n"


def _flat(row: Row) -> dict[str, object]:
    apart = {
        "metrics",
        "runtimes",
        "exports",
        "seeds",
        "rank",
        "marks",
        "against_teacher",
        "against_twin",
    }
    plain = row.model_dump(mode="json", exclude=apart)
    plain["seeds"] = " ".join(map(str, row.seeds))
    plain["marks"] = "; ".join(row.marks)
    plain["rank_low"], plain["rank_high"] = row.rank or (None, None)
    plain |= {f"metric_{name}": value for name, value in row.metrics.items()}
    for rival, contrast in (("teacher", row.against_teacher), ("twin", row.against_twin)):
        for field in CONTRAST_FIELDS:
            plain[f"against_{rival}_{field}"] = getattr(contrast, field, None)
    for precision, file in row.exports.items():
        name = precision.replace("-", "_")
        plain |= {f"export_{name}_{field}": getattr(file, field) for field in EXPORT_FIELDS}
    for runtime, cell in row.runtimes.items():
        name = runtime.replace("-", "_")
        plain |= {f"{name}_{field}": getattr(cell, field) for field in RUNTIME_FIELDS}
    return {key: "" if value is None else value for key, value in plain.items()}


def _header(rows: Sequence[Row], columns: Sequence[Column]) -> list[str]:
    names = {(row.task, row.split): row.primary for row in rows}
    tasks = [f"{_title(column)} ({names[column]})" for column in columns]
    timed = [f"{runtime} time" for runtime in _runtimes(rows)]
    return ["entry", "method", "mean", "rank", *tasks, "parameters", "int8 MB", *timed]


def _title(column: Column) -> str:
    task, split = column
    return task if split == "dev" else f"{task} {split.removeprefix('dev_')}"


def _majority_line(rows: Sequence[Row], columns: Sequence[Column]) -> list[str]:
    values = {(row.task, row.split): row.majority for row in rows}
    cells = [_percent(values[column]) for column in columns]
    return ["constant answer", "", "", "", *cells, "", "", *("" for _ in _runtimes(rows))]


def _resolution_line(rows: Sequence[Row], columns: Sequence[Column]) -> list[str]:
    """The smallest difference that each column can show."""
    values = {(row.task, row.split): row.resolution for row in rows}
    cells = [_percent(values[column]) for column in columns]
    return ["can resolve", "", "", "", *cells, "", "", *("" for _ in _runtimes(rows))]


def _entry_line(
    rows: Sequence[Row], columns: Sequence[Column], entry: str, standing: MeanStanding | None
) -> list[str]:
    own = {(row.task, row.split): row for row in rows if row.entry == entry}
    any_row = next(iter(own.values()))
    mean = _mean(own, _shared(rows, columns))
    sizes = [row.parameters for row in own.values() if row.parameters]
    int8 = [row.exports["int8"].bytes for row in own.values() if "int8" in row.exports]
    return [
        f"{entry}{marks_of(own.values())}",
        any_row.method,
        _percent(mean) + (_half_width(*_interval(standing)) if standing else ""),
        _places(standing.rank if standing else None),
        *(_score(own.get(column), _best(rows, column)) for column in columns),
        f"{max(sizes):,}" if sizes else "",
        f"{max(int8) / 1e6:.2f}" if int8 else "",
        *(_ratio(list(own.values()), runtime) for runtime in _runtimes(rows)),
    ]


def _score(row: Row | None, best: float | None) -> str:
    if row is None:
        return ""
    if row.score is None:
        return "undefined"
    text = _percent(row.score) + _half_width(row.score_low, row.score_high)
    if row.method != "teacher" and row.score == best:
        text = f"**{text}**"
    return " ".join(filter(None, (text, _verdict(row), "" if row.beats_majority else "†")))


def _verdict(row: Row) -> str:
    """Whether a student is better or worse than its twin beyond doubt.

    The test is over examples alone: an interval over seeds too must leave out 0.
    """
    contrast = row.against_twin
    if contrast is None or contrast.p_holm >= ALPHA or contrast.low <= 0 <= contrast.high:
        return ""
    return "▲" if contrast.difference > 0 else "▼"


def _half_width(low: float | None, high: float | None) -> str:
    return "" if low is None or high is None else f" ± {50 * (high - low):.1f}"


def _interval(standing: MeanStanding) -> tuple[float | None, float | None]:
    summary = standing.summary
    if summary.seeds_low is None:
        return summary.low, summary.high
    return summary.seeds_low, summary.seeds_high


def _places(rank: tuple[int, int] | None) -> str:
    if rank is None:
        return ""
    first, last = rank
    return str(first) if first == last else f"{first}-{last}"


def _ratio(rows: Sequence[Row], runtime: str) -> str:
    """The middle one of the tasks' ratios, with its interval and its milliseconds."""
    cells = [row.runtimes[runtime] for row in rows if runtime in row.runtimes]
    known = sorted((cell for cell in cells if cell.ratio is not None), key=_by_ratio)
    if not known:
        return "1 (teacher)" if rows[0].method == "teacher" else ""
    middle = known[len(known) // 2]
    text = f"{middle.ratio:.2f}"
    if middle.ratio_low is not None and middle.ratio_high is not None:
        text += f" ± {(middle.ratio_high - middle.ratio_low) / 2:.2f}"
    if middle.latency_ms_p50 is not None:
        text += f" ({middle.latency_ms_p50:.3g} ms{', busy' if middle.busy else ''})"
    return text


def _by_ratio(cell: RuntimeCell) -> float:
    return cell.ratio or 0.0


def _ranked(rows: Sequence[Row], columns: Sequence[Column]) -> list[str]:
    """Teachers first, then by the mean, best first; entries without one last."""
    entries = dict.fromkeys(row.entry for row in rows)
    shared = _shared(rows, columns)

    def place(entry: str) -> tuple[bool, float, str]:
        own = {(row.task, row.split): row for row in rows if row.entry == entry}
        mean = _mean(own, shared)
        is_teacher = next(iter(own.values())).method == "teacher"
        return (not is_teacher, -(mean if mean is not None else -1.0), entry)

    return sorted(entries, key=place)


def _shared(rows: Sequence[Row], columns: Sequence[Column]) -> list[Column]:
    """The columns that every entry has: a mean over others would compare different tasks."""
    entries = {row.entry for row in rows}
    filled = {(row.entry, row.task, row.split) for row in rows}
    return [
        (task, split)
        for task, split in columns
        if all((entry, task, split) in filled for entry in entries)
    ]


def _mean(own: dict[Column, Row], columns: Sequence[Column]) -> float | None:
    scores = [own[column].score for column in columns]
    known = [score for score in scores if score is not None]
    return sum(known) / len(known) if known and len(known) == len(columns) else None


def _best(rows: Sequence[Row], column: Column) -> float | None:
    scores = [
        row.score
        for row in rows
        if (row.task, row.split) == column and row.method != "teacher" and row.score is not None
    ]
    return max(scores, default=None)


def _resolved(rows: Sequence[Row]) -> bool:
    return any(row.resolution is not None for row in rows)


def _runtimes(rows: Sequence[Row]) -> list[str]:
    return sorted({runtime for row in rows for runtime in row.runtimes})


def _percent(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.1f}"


def _notes(rows: Sequence[Row], columns: Sequence[Column]) -> list[str]:
    seeds = sorted({seed for row in rows for seed in row.seeds})
    examples = dict.fromkeys(columns, 0) | {(r.task, r.split): r.examples for r in rows}
    sizes = ", ".join(f"{_title(column)} {examples[column]:,}" for column in columns)
    shared = _shared(rows, columns)
    mean_over = ", ".join(map(_title, shared)) if shared else "nothing: no task is everybody's"
    several = len(seeds) > 1
    notes = [
        (
            f"Scores x 100, the mean of seeds {', '.join(map(str, seeds))};"
            if several
            else f"Scores x 100, seed {seeds[0]}: how far other seeds lie apart is not known;"
        )
        + f" mean over {mean_over}.",
    ]
    if any(row.score_low is not None for row in rows):
        notes.append(
            f"± is half of the 95 % interval over examples{' and seeds' if several else ''}. ▲ and"
            " ▼: better and worse than the entry's twin (paired test, corrected for all tests"
            " of the board, and an interval without 0). Rank: the places that the mean may hold"
            " among students."
        )
    if _resolved(rows):
        notes.append(
            "Can resolve: the smallest true difference between two students that a paired test at"
            " 5 % finds four times in five; smaller ones are noise."
        )
    notes.append(f"Scored examples: {sizes}.")
    if _runtimes(rows):
        cells = ", ".join(sorted({c.cell for row in rows for c in row.runtimes.values()}))
        notes.append(
            "Time: this model's over its teacher's, taken in turns in one process, and its median"
            f" in ms at batch x length {cells}; below 1 is faster. Percentiles, bounds and other"
            " shapes: latency.csv."
        )
    if any(not row.beats_majority for row in rows):
        notes.append("† does not beat a constant answer: nothing was learnt there.")
    if any(not row.declared for row in rows):
        notes.append("‡ made of an earlier spec, or by an earlier version of the zoo.")
    told = dict.fromkeys((row.entry, mark) for row in rows for mark in row.marks)
    notes += [f"§ {entry}: {mark}." for entry, mark in told]
    return notes


def _table(lines: Sequence[Sequence[str]]) -> list[str]:
    head, *body = lines
    rule = ["---", "---", *("---:" for _ in head[2:])]
    return [f"| {' | '.join(line)} |" for line in (head, rule, *body)]
