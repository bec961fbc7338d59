"""The values that stages logged, per variant: a CSV and a plot next to the study's table."""

from collections.abc import Iterable, Iterator
from typing import Any

from zoo.board.columns import Column, Table
from zoo.board.render import as_csv
from zoo.board.study import records_of
from zoo.board.study_plot import plot_text
from zoo.records.records import Record
from zoo.records.training import TrainingRecord, TransferRecord
from zoo.spec.study import StudyJob

StudyLine = dict[str, Any]
PLACE = ("task", "seed", "phase")
"""The leading columns of every report."""

_LONGEST_KEY = 24
"""Longest text that identifies a series; longer texts are values."""


def report_files(job: StudyJob, records: Iterable[Record]) -> dict[str, str]:
    """`report-<variant>.csv` and its plot, for every variant whose stages wrote a report."""
    given = list(records)
    files: dict[str, str] = {}
    for variant in job.variants:
        lines = list(_lines(records_of(job, variant, given)))
        if lines:
            names = list(dict.fromkeys(name for line in lines for name in line))
            title = f"{job.suite}: {job.entry}, {variant.name}"
            table = Table(title, lines, [_column(name) for name in names])
            files[f"report-{variant.name}.csv"] = as_csv(table)
            files[f"report-{variant.name}.vl.json"] = _plot(title, names, lines)
    return files


def _column(name: str) -> Column[StudyLine]:
    return Column(name, lambda line: line.get(name), "value logged by a stage under this name")


def _lines(records: Iterable[Record]) -> Iterator[StudyLine]:
    for record in records:
        if not isinstance(record, TrainingRecord | TransferRecord):
            continue
        for phase in record.phases:
            place = {"task": record.task, "seed": record.seed, "phase": phase.name}
            table = phase.report or {}
            for row in zip(*table.values(), strict=True):
                yield place | dict(zip(table, row, strict=True))


def _plot(title: str, columns: list[str], lines: list[StudyLine]) -> str:
    """Every numeric column over steps, or over rows if there are no steps."""
    own = columns[len(PLACE) :]
    numbers = [c for c in own if c not in ("step", "layer") and _all(lines, c, (int, float))]
    keys = [*PLACE, *(c for c in own if c == "layer" or _is_key(lines, c))]
    numbered = [{"row": number, **line} for number, line in enumerate(lines)]
    series = " + ' ' + ".join(f"datum['{key}']" for key in keys)
    x = "step" if "step" in own else "row"
    shared = {
        "transform": [{"calculate": series, "as": "series"}],
        "mark": {"type": "line", "point": True},
    }
    views = [
        {
            **shared,
            "encoding": {
                "x": {"field": x, "type": "quantitative"},
                "y": {"field": name, "type": "quantitative"},
                "color": {"field": "series", "type": "nominal"},
            },
        }
        for name in numbers
    ]
    return plot_text({"title": title, "data": {"values": numbered}, "vconcat": views})


def _is_key(lines: list[StudyLine], column: str) -> bool:
    short = all(len(str(line.get(column, ""))) <= _LONGEST_KEY for line in lines)
    return short and _all(lines, column, (str,))


def _all(lines: list[StudyLine], column: str, kinds: tuple[type, ...]) -> bool:
    return all(isinstance(line[column], kinds) for line in lines if column in line)
