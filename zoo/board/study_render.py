"""A study as text: CSV and JSON for machines, Markdown for people."""

import csv
import io
import json
from collections.abc import Sequence
from typing import Any

from zoo.board.study import StudyRow
from zoo.spec.study import StudyJob

Column = tuple[str, str]


def study_json(rows: Sequence[StudyRow]) -> str:
    """All rows with all fields: the data of plots."""
    plain = [row.model_dump(mode="json") for row in rows]
    return json.dumps(plain, indent=1, sort_keys=True) + "\n"


def study_csv(job: StudyJob, rows: Sequence[StudyRow]) -> str:
    """One line per row; axes, seeds and runtimes are columns of their own."""
    seeds = sorted({seed for row in rows for seed in row.seeds})
    runtimes = sorted({runtime for row in rows for runtime in row.ratios})
    lines = [_flat(job, row, seeds, runtimes) for row in rows]
    return csv_text(list(lines[0]) if lines else [], lines)


def csv_text(columns: Sequence[str], lines: Sequence[dict[str, Any]]) -> str:
    """Lines under a head; what is None or absent is empty."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return text.getvalue()


def study_markdown(job: StudyJob, rows: Sequence[StudyRow], notes: Sequence[str] = ()) -> str:
    """A line per variant, a column per task, the difference to the base beside each score."""
    columns = list(dict.fromkeys((row.task, row.split) for row in rows))
    runtimes = sorted({runtime for row in rows for runtime in row.ratios})
    lines = [_head(rows, columns, runtimes)]
    lines += [_line(rows, columns, runtimes, variant.name) for variant in job.variants]
    rule = ["---", *("---:" for _ in lines[0][1:])]
    table = [f"| {' | '.join(line)} |" for line in (lines[0], rule, *lines[1:])]
    told = [*_notes(job, rows, columns, runtimes), *notes]
    return "\n".join([f"# {job.suite}: {job.entry}", "", *table, "", *told]) + "\n"


def value_text(value: Any) -> str:
    """A value as a study's file might state it."""
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)


def _flat(
    job: StudyJob, row: StudyRow, seeds: Sequence[int], runtimes: Sequence[str]
) -> dict[str, Any]:
    return {
        "variant": row.variant,
        **{axis: value_text(row.values[axis]) for axis in job.axes},
        **row.model_dump(include={"task", "split", "primary", "examples", "train_examples"}),
        "seeds": " ".join(map(str, row.seeds)),
        **row.model_dump(include={"score", "score_sd", "to_base"}),
        **{f"score_seed_{seed}": row.scores.get(seed) for seed in seeds},
        **row.model_dump(include={"parameters", "training_seconds"}),
        **{f"{name.replace('-', '_')}_ratio": row.ratios.get(name) for name in runtimes},
    }


def _title(column: Column) -> str:
    task, split = column
    return task if split == "dev" else f"{task} {split.removeprefix('dev_')}"


def _head(
    rows: Sequence[StudyRow], columns: Sequence[Column], runtimes: Sequence[str]
) -> list[str]:
    metrics = {(row.task, row.split): row.primary for row in rows}
    scores = [f"{_title(column)} ({metrics[column]})" for column in columns]
    return ["variant", *scores, "parameters", "training s", *(f"{name} time" for name in runtimes)]


def _line(
    rows: Sequence[StudyRow], columns: Sequence[Column], runtimes: Sequence[str], variant: str
) -> list[str]:
    own = {(row.task, row.split): row for row in rows if row.variant == variant}
    is_base = variant == rows[0].variant
    sizes = [row.parameters for row in own.values() if row.parameters is not None]
    seconds = {row.task: row.training_seconds for row in own.values()}
    known = [value for value in seconds.values() if value is not None]
    return [
        variant,
        *(_score(own.get(column), is_base=is_base) for column in columns),
        f"{max(sizes):,}" if sizes else "",
        f"{sum(known):.1f}" if known and len(known) == len(seconds) else "",
        *(_ratio(list(own.values()), name) for name in runtimes),
    ]


def _score(row: StudyRow | None, *, is_base: bool) -> str:
    if row is None:
        return ""
    if row.score is None:
        return "undefined"
    text = f"{100 * row.score:.1f}"
    if row.score_sd is not None:
        text += f" ± {100 * row.score_sd:.1f}"
    return text if is_base or row.to_base is None else f"{text} ({100 * row.to_base:+.1f})"


def _ratio(rows: Sequence[StudyRow], runtime: str) -> str:
    known = sorted(ratio for row in rows if (ratio := row.ratios.get(runtime)) is not None)
    return f"{known[len(known) // 2]:.2f}" if known else ""


def _notes(
    job: StudyJob,
    rows: Sequence[StudyRow],
    columns: Sequence[Column],
    runtimes: Sequence[str],
) -> list[str]:
    values = job.variants[0].values
    stated = ", ".join(
        f"{axis} {'as declared' if values[axis] is None else value_text(values[axis])}"
        for axis in job.axes
    )
    seeds = sorted({seed for row in rows for seed in row.seeds})
    spread = ", ± is their standard deviation" if len(seeds) > 1 else ": no spread is known"
    examples = {(row.task, row.split): row.examples for row in rows}
    sizes = ", ".join(f"{_title(column)} {examples[column]:,}" for column in columns)
    notes = [
        f"The base is {job.varied} with {stated}.",
        f"Scores x 100, in brackets minus the base's; seeds {', '.join(map(str, seeds))}{spread}.",
        f"Scored examples: {sizes}.",
        "Training seconds: one run of each task together, without the corpus.",
    ]
    if runtimes:
        notes.append("Time: over the teacher's; below 1 is faster; the median over tasks.")
    return notes
