"""Numbers reported by papers and repositories, each with its source; nothing is measured here."""

import json
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, StringConstraints, ValidationError, model_validator

from zoo.errors import Problem, ZooError, at
from zoo.files import MISSING, unreadable
from zoo.json_files import LISTED, read_json
from zoo.paths import Project
from zoo.spec.base import Spec, misfit
from zoo.spec.task import TASKS

COST = "cost"
"""The task of rows that are about size, compute or time."""
UNSTATED = "unstated"
"""A split or metric that the source does not state."""
HALVES = {"mnli-matched", "mnli-mismatched"}
"""MNLI's two sets, as members of an average."""
AVERAGE = re.compile(r"average of (?P<tasks>.+)")
AVERAGES = (
    "mean",
    "change of the mean",
    "percent of the teacher's mean",
    "points above soft labels",
)
_SPLITS = ("dev", "test", UNSTATED)
REPORTED_SPLITS = (
    *_SPLITS,
    *(f"{s}_{half}" for s in _SPLITS for half in ("matched", "mismatched")),
)

Text = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]


class Reported(Spec):
    """One number as printed; scores x 100. Tasks that the zoo lacks are left out."""

    method: Text
    """The zoo's name of the method; `teacher` for fine-tuned teachers and baselines."""
    model: Text
    """The model's name in the source."""
    parameters_m: float | None = Field(None, gt=0)
    """Millions of parameters as printed: sources count with and without embeddings and pooler."""
    task: Text
    """A task of the zoo, `average of` a list of them or of `unstated GLUE tasks`, or `cost`."""
    split: str = ""
    """The scored split; empty for costs."""
    metric: Text
    """One of the task's metrics or `unstated`; for costs the quantity, with its unit."""
    value: float
    arxiv: str = Field(pattern=r"^\d{4}\.\d{5}$")
    """The paper that reports the number, itself or in its repository."""
    source: Text
    """The table, figure or file in the source."""
    claim: bool = False
    """Whether it is a claim that boards set beside what they measure of the method's entries."""
    note: str = ""
    """A caveat for comparisons; required where sources disagree."""

    @property
    def members(self) -> tuple[str, ...]:
        """The tasks of an average; empty for other rows and where unstated."""
        found = AVERAGE.fullmatch(self.task)
        if not found or found["tasks"] == f"{UNSTATED} GLUE tasks":
            return ()
        return tuple(found["tasks"].split(", "))

    @model_validator(mode="after")
    def _fits(self) -> Self:
        metrics = _metrics(self.task)
        unknown = sorted(set(self.members) - set(TASKS) - HALVES)
        if (metrics is None and self.task != COST) or unknown:
            allowed = f"{', '.join(TASKS)}; average of some of them; {COST}"
            raise misfit("task", f"unknown task {', '.join(unknown) or self.task}", allowed)
        if metrics and self.metric not in metrics:
            raise misfit("metric", f"{self.task} has no {self.metric}", ", ".join(metrics))
        splits = REPORTED_SPLITS if metrics else ("",)
        if self.split not in splits:
            allowed = ", ".join(splits) or "none for costs"
            raise misfit("split", f"unknown split {self.split!r}", allowed)
        return self


def read_reported(project: Project) -> tuple[Reported, ...]:
    """All reported numbers; none if the project has no such file.

    Raises:
        ZooError: a row is invalid, two contradict each other, or the file is not in canonical form.
    """
    path = project.results / "reported.json"
    if unreadable(path) == MISSING:
        return ()
    where = project.relative(path)
    rows = _rows(path, where)
    _refuse(_contradictions(where, rows))
    if reported_text(rows).encode() != path.read_bytes():
        given, remedy = (
            "its rows are not in canonical order and form",
            "write it with `reported_text`",
        )
        raise ZooError(Problem(where, given, "sorted rows, one per line", remedy))
    return rows


def reported_text(rows: Sequence[Reported]) -> str:
    """The canonical text of the rows: sorted, one per line, without empty fields."""
    lines = [
        json.dumps(row.model_dump(exclude_defaults=True), ensure_ascii=False)
        for row in sorted(rows, key=_order)
    ]
    return "[\n" + ",\n".join(lines) + "\n]\n"


def _metrics(task: str) -> tuple[str, ...] | None:
    if task in TASKS:
        return (*TASKS[task].metrics, UNSTATED)
    return AVERAGES if AVERAGE.fullmatch(task) else None


def _rows(path: Path, where: str) -> tuple[Reported, ...]:
    plain: list[Any] = read_json(path, list, shown=where, remedy="restore it from git")
    if path.read_bytes().count(b"\n") != len(plain) + 2:
        raise ZooError(Problem(where, "not a list with one row per line"))
    rows: list[Reported] = []
    problems: list[Problem] = []
    for line, row in enumerate(plain, 2):
        try:
            rows.append(Reported.model_validate(row))
        except ValidationError as error:
            problems += _said(at(where, line), error)
    _refuse(problems)
    return tuple(rows)


def _said(place: str, error: ValidationError) -> Iterator[Problem]:
    for found in error.errors():
        context = found.get("ctx", {})
        key = context.get("key") or ".".join(map(str, found["loc"]))
        given = context.get("given") or f"{found['msg']}, not {found['input']!r}"
        yield Problem(f"{place}: {key}" if key else place, given, context.get("allowed", ""))


def _contradictions(where: str, rows: Sequence[Reported]) -> list[Problem]:
    """Rows about the same number without a distinguishing note."""
    alike: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for line, row in enumerate(rows, 2):
        alike[row.arxiv, row.model, row.task, row.split, row.metric].append(line)
    found = []
    for key, lines in alike.items():
        notes = [rows[line - 2].note for line in lines]
        if len(lines) > 1 and (not all(notes) or len(set(notes)) < len(notes)):
            others = ", ".join(map(str, lines[:-1]))
            given = f"{' '.join(key[1:])} is also on line {others}"
            found.append(Problem(at(where, lines[-1], "note"), given, "a distinct note in each"))
    return found


def _refuse(problems: Sequence[Problem]) -> None:
    more = len(problems) - LISTED
    told = [Problem("and", f"{more} more problems")] if more > 0 else []
    if problems:
        raise ZooError(*problems[:LISTED], *told)


def _order(row: Reported) -> tuple[str, ...]:
    return (row.method, row.arxiv, row.model, row.task, row.split, row.metric, row.note, row.source)
