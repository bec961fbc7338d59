"""`zoo export`: ONNX files of an entry's models, verified before they are released."""

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from zoo.cli.target import entry_target, require_known
from zoo.disk import reported
from zoo.errors import CheckpointError, Problem
from zoo.export.export_runs import TOKENIZER, export_files, exported
from zoo.export.manifest import EXPORT_MANIFEST, write_manifest
from zoo.export.routes import DEFAULT_ROUTE, ROUTES, Route
from zoo.paths import Project, find_project, onnx_name
from zoo.pipeline.params import read_job
from zoo.pipeline.skipped import present_job
from zoo.records.environment import capture_environment
from zoo.records.export import ExportRecord
from zoo.spec.bench import Precision
from zoo.spec.measuring import ExportJob

FOLDER = "onnx"
"""The default output folder of an entry; its `export` folder belongs to the pipeline."""

_PRECISIONS: tuple[Precision, ...] = get_args(Precision)
_HEADINGS = (
    "file",
    "bytes",
    "error",
    "flips",
    "metric",
    "model",
    "exported",
    "parameters",
    "fused",
)


def export(
    entry: str,
    *,
    task: str | None,
    precisions: Sequence[str],
    route: str | None,
    out: Path | None,
    as_json: bool,
) -> str:
    """Export an entry into `out`; return the text that `zoo export SUITE/ENTRY` prints.

    `task` defaults to all tasks, `precisions` to those that the suite declares. A file outside
    the suite's limits leaves no file of this call, nor an older one in its place.

    Raises:
        UsageError: unknown entry, task, precision or route.
        CheckpointError: a checkpoint is not built.
        ExportError: a file does not agree with its model.
    """
    project = find_project()
    job = _narrowed(_job(project, entry), task, precisions)
    chosen = _route(route)
    _require_checkpoints(project, job)
    target = out or project.entry(job.suite, job.entry).root / FOLDER
    records = _write(project, job, chosen, target)
    return _json(records) if as_json else _table(records)


def _job(project: Project, entry: str) -> ExportJob:
    target = entry_target(project, entry)
    return present_job(project, read_job(project, target.suite, target.entry, "export", ExportJob))


def _narrowed(job: ExportJob, task: str | None, precisions: Sequence[str]) -> ExportJob:
    """The job restricted to what was requested."""
    tasks = list(dict.fromkeys(run.task for run in job.runs))
    if task is not None:
        _require("task", task, tasks)
        runs = tuple(run for run in job.runs if run.task == task)
        job = job.model_copy(update={"runs": runs})
    for precision in precisions:
        _require("precision", precision, _PRECISIONS)
    if precisions:
        wanted = tuple(dict.fromkeys(precisions))
        job = job.model_copy(
            update={"export": job.export.model_copy(update={"precisions": wanted})}
        )
    return job


def _route(given: str | None) -> Route:
    if given is not None:
        _require("route", given, ROUTES)
    return next((route for route in ROUTES if route == given), DEFAULT_ROUTE)


def _require(what: str, given: str, known: Sequence[str]) -> None:
    require_known(f"{what} {given!r}", f"there is no such {what}", given, known)


def _require_checkpoints(project: Project, job: ExportJob) -> None:
    folders = [
        project.entry(job.suite, job.entry).checkpoint(run.task, run.seed) for run in job.runs
    ]
    missing = [folder for folder in folders if not folder.is_dir()]
    if missing:
        remedy = f"build it with `zoo run {job.suite}/{job.entry}`"
        given = "this checkpoint is not built"
        raise CheckpointError(
            *(Problem(project.relative(folder), given, remedy=remedy) for folder in missing)
        )


def _write(project: Project, job: ExportJob, route: Route, target: Path) -> list[ExportRecord]:
    """Write all files to a temporary folder, and move them to `target` once all have passed.

    Other files in `target` are kept. Files of the same names are removed first: after a failure
    they would be mistaken for the output of this call.
    """
    entry = project.entry(job.suite, job.entry)
    environment = capture_environment(project.root)
    (target / EXPORT_MANIFEST).unlink(missing_ok=True)
    for run in job.runs:
        for precision in ("fp32", *job.export.precisions):
            (target / onnx_name(run.task, precision)).unlink(missing_ok=True)
    with reported(target):
        target.parent.mkdir(parents=True, exist_ok=True)
    beside = tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}.")
    with reported(target, only_room=True), beside as folder:
        aside = Path(folder)
        records = [
            record
            for run in job.runs
            for record in export_files(
                aside,
                entry.checkpoint(run.task, run.seed),
                job,
                run,
                environment=environment,
                route=route,
            )
        ]
        write_manifest(aside, job.suite, job.entry, exported(records))
        target.mkdir(exist_ok=True)
        # The tokenizer and the records first, so that every model file present is usable.
        for path in sorted(aside.iterdir(), key=lambda path: (path.suffix == ".onnx", path.name)):
            path.replace(target / path.name)
    return records


def _json(records: Sequence[ExportRecord]) -> str:
    shown = [record.model_dump(mode="json", exclude={"environment"}) for record in records]
    return json.dumps(shown, indent=1, sort_keys=True)


def _table(records: Sequence[ExportRecord]) -> str:
    rows = [_HEADINGS, *map(_row, records)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADINGS))]
    lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
    return "\n".join([*lines, f"{TOKENIZER} is in the same folder"])


def _row(record: ExportRecord) -> tuple[str, ...]:
    fused = ", ".join(f"{count} {name}" for name, count in (record.fused or {}).items())
    return (
        onnx_name(record.task, record.precision),
        f"{record.bytes:,}",
        f"{record.max_abs_error:.2g}",
        f"{record.flips}/{record.compared}",
        record.metric or "",
        _percent(record.metric_model),
        _percent(record.metric_file),
        f"{record.parameters:,}",
        fused or "none",
    )


def _percent(value: float | None) -> str:
    return "undefined" if value is None else f"{100 * value:.2f}"
