"""The numbers that papers report for a method next to those of the boards, as Markdown."""

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from zoo.board.columns import Column, Table
from zoo.board.costs import TRAINING_SECONDS
from zoo.board.render import markdown_table
from zoo.board.scores import NOTHING_LEARNT, SCORE_COLUMN, SIGNS, percent
from zoo.board.summary import split_text
from zoo.board.table import Row
from zoo.records.reported import COST, UNSTATED, Reported
from zoo.spec.task import TASKS
from zoo.spec.teacher import TEACHER

_SETTINGS = re.compile(r" \(lr [^)]*\)$")
"""A source's note on a run's settings; rows that differ in nothing else share a line."""


class _Line(NamedTuple):
    """What the rows on one line have in common, in the order of the table."""

    arxiv: str
    split: str
    source: str
    is_student: bool
    model: str
    note: str
    parameters: float | None


def numbers_text(method: str, reported: Sequence[Reported], rows: Sequence[Row]) -> str:
    """Two tables: published numbers of a method's students, and the boards' of its entries."""
    published, measured = _published(method, reported), _measured(method, rows)
    return f"{published}\n\n{measured}"


def _published(method: str, reported: Sequence[Reported]) -> str:
    own = [row for row in reported if row.method == method]
    if not own:
        return "Published: no numbers found."
    about = {(row.arxiv, _half(row)[0], row.task) for row in own if row.task != COST}
    taught_by = [
        row
        for row in reported
        if row.method == TEACHER and (row.arxiv, _half(row)[0], row.task) in about
    ]
    lines: dict[_Line, list[Reported]] = defaultdict(list)
    for row in (*own, *taught_by):
        lines[_line(row)].append(row)
    rows = [(line, lines[line]) for line in sorted(lines, key=_place)]
    table = markdown_table(Table(method, rows, _PUBLISHED))
    return f"Published, as printed in the sources (scores x 100):\n\n{table}"


def _line(row: Reported) -> _Line:
    split = _half(row)[0] if row.split else COST
    source = _SETTINGS.sub("", row.source)
    is_student = row.method != TEACHER
    return _Line(row.arxiv, split, source, is_student, row.model, row.note, row.parameters_m)


def _place(line: _Line) -> tuple[str | bool | float, ...]:
    return (*line[:-1], line.parameters or 0.0)


def _numbers(rows: Sequence[Reported]) -> str:
    stated = {label for row in rows if not row.members for label in _labels(row)}
    return ", ".join(_number(row, stated) for row in sorted(rows, key=_averages_last))


def _number(row: Reported, stated: set[str]) -> str:
    if row.task == COST:
        return f"{row.metric} {row.value:g}"
    if row.task not in TASKS:
        tasks = row.task.removeprefix("average of ")
        these = bool(row.members) and set(row.members) == stated
        return f"{row.metric} of {f'these {len(stated)}' if these else tasks} {_printed(row.value)}"
    task = " ".join(filter(None, (row.task, _half(row)[1])))
    metric = "(metric unstated)" if row.metric == UNSTATED else row.metric.replace("_", " ")
    told = f"{task} {metric}" if len(TASKS[row.task].metrics) > 1 else task
    return f"{told} {_printed(row.value)}"


def _printed(score: float) -> str:
    """With at least one decimal, as papers print scores."""
    return f"{score:.1f}" if round(score, 1) == score else f"{score:g}"


def _labels(row: Reported) -> tuple[str, ...]:
    """The names that an average uses for this row's task."""
    if row.task not in TASKS:
        return ()
    return ("-".join(filter(None, (row.task, _half(row)[1]))),)


def _averages_last(row: Reported) -> tuple[bool, str, str, str]:
    return (row.task not in TASKS, row.task, row.split, row.metric)


def _half(row: Reported) -> tuple[str, str]:
    """The split and, where a task has two, which half of it."""
    split, _, half = row.split.partition("_")
    return split, half


_Place = tuple[_Line, Sequence[Reported]]
_PUBLISHED: tuple[Column[_Place], ...] = (
    Column(
        "model",
        lambda place: place[0].model,
        "",
        head="model",
        beside=lambda place: "" if place[0].is_student else " (teacher)",
    ),
    Column(
        "parameters_m",
        lambda place: place[0].parameters,
        "",
        unit="millions",
        head="parameters",
        text="{:g} M".format,
    ),
    Column("split", lambda place: place[0].split, "", head="split"),
    Column("numbers", lambda place: _numbers(place[1]), "", head="numbers"),
    Column("where", lambda place: f"{place[0].source} ({place[0].arxiv})", "", head="where"),
    Column("note", lambda place: place[0].note, "", head="note"),
)


def _measured(method: str, rows: Sequence[Row]) -> str:
    own = [row for row in rows if row.method == method]
    if not own:
        return "Measured: no published entry uses this method yet."
    by_suite = {row.suite: row.teacher for row in own}
    teachers = " and ".join(f"{teacher} ({suite})" for suite, teacher in sorted(by_suite.items()))
    told = (
        f"Measured on the boards, with {teachers} as teacher. Students and teachers differ from the"
        " papers' (named above): compare differences to the twin, never absolute scores. Training"
        " seconds are those on the task; corpus training, shared by all tasks, is excluded."
    )
    table = markdown_table(Table(method, own, _MEASURED))
    weak = f"{NOTHING_LEARNT} {SIGNS[NOTHING_LEARNT]}"
    notes = ["", weak] if any(not row.beats_majority for row in own) else []
    return "\n".join([told, "", table, *notes])


_MEASURED: tuple[Column[Row], ...] = (
    Column("suite", lambda row: row.suite, "", head="suite"),
    Column("entry", lambda row: row.entry, "", head="entry"),
    Column("task", lambda row: row.task, "", head="task", beside=lambda row: split_text(row.split)),
    Column("metric", lambda row: row.primary, "", head="metric"),
    replace(SCORE_COLUMN, beside=lambda row: "" if row.beats_majority else f" {NOTHING_LEARNT}"),
    Column("twin", lambda row: _less(row.score, row.to_twin), "", head="twin's", text=percent),
    Column(
        "to_twin",
        lambda row: row.to_twin,
        "",
        head="difference",
        text=lambda difference: f"{100 * difference:+.1f}",
    ),
    Column(
        "teacher", lambda row: _less(row.score, row.to_teacher), "", head="teacher's", text=percent
    ),
    TRAINING_SECONDS,
)


def _less(score: float | None, difference: float | None) -> float | None:
    return None if score is None or difference is None else score - difference
