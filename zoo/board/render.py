"""The board as text: CSV and JSON for machines, Markdown for people."""

import csv
import io
import json
from collections.abc import Sequence

from zoo.board.table import Row

RUNTIME_FIELDS = ("ratio", "ratio_low", "ratio_high", "latency_ms_p50")


def as_json(rows: Sequence[Row]) -> str:
    """All rows with all fields."""
    plain = [row.model_dump(mode="json") for row in rows]
    return json.dumps(plain, indent=1, sort_keys=True) + "\n"


def as_csv(rows: Sequence[Row]) -> str:
    """One line per row; metrics and runtimes become columns of their own."""
    flat = [_flat(row) for row in rows]
    columns = list(dict.fromkeys(key for line in flat for key in line))
    metrics = sorted(key for key in columns if key.startswith("metric_"))
    runtimes = sorted(key for key in columns if key.startswith(("torch_", "onnx_")))
    fixed = [key for key in columns if key not in {*metrics, *runtimes}]
    text = io.StringIO()
    writer = csv.DictWriter(text, [*fixed, *metrics, *runtimes], lineterminator="\n")
    writer.writeheader()
    writer.writerows(flat)
    return text.getvalue()


def as_markdown(rows: Sequence[Row], suite: str, *, ranked: bool = True) -> str:
    """A line per entry, a column per task; the best student of a column is bold.

    Teachers come first, then the best mean; entries keep the order of the rows if not `ranked`.
    """
    if not rows:
        return f"# {suite}\n\nNo records yet.\n"
    columns = sorted({(row.task, row.split) for row in rows})
    lines = [_header(rows, columns), _majority_line(rows, columns)]
    entries = _ranked(rows, columns) if ranked else list(dict.fromkeys(row.entry for row in rows))
    lines += [_entry_line(rows, columns, entry) for entry in entries]
    notes = _notes(rows, columns)
    return "\n".join([f"# {suite}", "", *_table(lines), "", *notes]) + "\n"


def _flat(row: Row) -> dict[str, object]:
    plain = row.model_dump(mode="json", exclude={"metrics", "runtimes", "seeds"})
    plain["seeds"] = " ".join(map(str, row.seeds))
    plain |= {f"metric_{name}": value for name, value in row.metrics.items()}
    for runtime, cell in row.runtimes.items():
        for field in RUNTIME_FIELDS:
            plain[f"{runtime.replace('-', '_')}_{field}"] = getattr(cell, field)
    return {key: "" if value is None else value for key, value in plain.items()}


Column = tuple[str, str]


def _header(rows: Sequence[Row], columns: Sequence[Column]) -> list[str]:
    names = {(row.task, row.split): row.primary for row in rows}
    tasks = [f"{_title(column)} ({names[column]})" for column in columns]
    timed = [f"{runtime} time" for runtime in _runtimes(rows)]
    return ["entry", "method", "mean", *tasks, "parameters", "int8 MB", *timed]


def _title(column: Column) -> str:
    task, split = column
    return task if split == "dev" else f"{task} {split.removeprefix('dev_')}"


def _majority_line(rows: Sequence[Row], columns: Sequence[Column]) -> list[str]:
    values = {(row.task, row.split): row.majority for row in rows}
    cells = [_percent(values[column]) for column in columns]
    return ["constant answer", "", "", *cells, "", "", *("" for _ in _runtimes(rows))]


def _entry_line(rows: Sequence[Row], columns: Sequence[Column], entry: str) -> list[str]:
    own = {(row.task, row.split): row for row in rows if row.entry == entry}
    any_row = next(iter(own.values()))
    mean = _mean(own, _shared(rows, columns))
    sizes = [row.parameters for row in own.values() if row.parameters]
    int8 = [row.onnx_int8_bytes for row in own.values() if row.onnx_int8_bytes]
    return [
        entry,
        any_row.method,
        _percent(mean),
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
    text = _percent(row.score)
    if row.score_sd is not None:
        text += f" ± {100 * row.score_sd:.1f}"
    if row.method != "teacher" and row.score == best:
        text = f"**{text}**"
    return text if row.beats_majority else f"{text} †"


def _ratio(rows: Sequence[Row], runtime: str) -> str:
    cells = [row.runtimes[runtime] for row in rows if runtime in row.runtimes]
    known = sorted(cell.ratio for cell in cells if cell.ratio is not None)
    if not known:
        return "1 (teacher)" if rows[0].method == "teacher" else ""
    middle = known[len(known) // 2]
    return f"{middle:.2f}"


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
    notes = [
        f"Scores x 100; mean over {mean_over};"
        f" seeds {', '.join(map(str, seeds))}"
        + (", ± is their standard deviation." if len(seeds) > 1 else ": no spread is known."),
        f"Scored examples: {sizes}.",
        (
            "Time: this model's over its teacher's, taken in turns in one process; below 1 is"
            " faster; the median over tasks. Intervals and milliseconds: leaderboard.csv."
        ),
    ]
    if any(not row.beats_majority for row in rows):
        notes.append("† does not beat a constant answer: nothing was learnt there.")
    return notes


def _table(lines: Sequence[Sequence[str]]) -> list[str]:
    head, *body = lines
    rule = ["---", "---", *("---:" for _ in head[2:])]
    return [f"| {' | '.join(line)} |" for line in (head, rule, *body)]
