"""`zoo bench`: a built entry's latency on this machine, against its teacher's."""

import json
import re
from collections.abc import Iterator, Sequence
from ctypes.util import find_library
from typing import get_args

from zoo.cli.target import entry_target
from zoo.errors import Problem, UsageError, suggestion
from zoo.latency.quantiles import floor
from zoo.latency.time_runs import measure_runs
from zoo.paths import Project, find_project, new_folder
from zoo.pipeline.params import read_job
from zoo.pipeline.skipped import present_job
from zoo.records.latency import NOT_AVAILABLE, LatencyRecord, Memory, ModelTiming, Timing
from zoo.records.text import record_text
from zoo.spec.base import SHAPE_PATTERN
from zoo.spec.bench import RUNTIMES, TENSORRT, Device, RuntimeName
from zoo.spec.measuring import LatencyJob

_RANKS = {"p50": 50, "p90": 90, "p95": 95, "p99": 99}
_BYTES_PER_MEGABYTE = 1_000_000
_HEADER = (
    "task",
    "runtime",
    "input",
    "ratio [95 %]",
    "model",
    *(f"{name} ms" for name in _RANKS),
    "tokenisation p50 ms",
    "loaded / peak MB",
    "mJ per call",
)


def bench(  # noqa: PLR0913  (each is an option of the command)
    entry: str,
    *,
    device: str,
    runtimes: Sequence[str],
    shapes: Sequence[str],
    samples: int | None,
    task: str | None,
    as_json: bool,
) -> str:
    """Measure an entry, write records and raw samples to its bench folder, and summarise them.

    Options default to the suite's bench settings; on CUDA the default runtimes differ.

    Raises:
        UsageError: an option is invalid, or the entry cannot be measured.
        MeasurementError: something is not built, or a measurement failed.
    """
    project = find_project()
    target = entry_target(project, entry)
    suite, name = target.suite, target.entry
    job = _job(project, suite, name)
    problems = list(_misused(job, device, runtimes, shapes, task))
    if problems:
        raise UsageError(*problems)
    on: Device = "cuda" if device == "cuda" else "cpu"
    settings = job.bench if samples is None else job.bench.model_copy(update={"samples": samples})
    pairs = [
        pair for pair in zip(job.runs, job.beside, strict=True) if task in {None, pair[0].task}
    ]
    runs, beside = zip(*pairs, strict=True)
    place = project.entry(suite, name).bench(on)
    with new_folder(place) as folder:
        records = measure_runs(
            project,
            job.model_copy(update={"bench": settings, "runs": runs, "beside": beside}),
            folder,
            device=on,
            runtimes=tuple(runtimes) or _default_runtimes(on),
            shapes=tuple(dict.fromkeys(shapes)) or None,
        )
    if as_json:
        return json.dumps([json.loads(record_text(record)) for record in records], indent=1)
    last = f"records and raw samples: {project.relative(place)}"
    return "\n".join([_title(job, records[0]), *_table(records), *_remarks(records), last])


def _job(project: Project, suite: str, name: str) -> LatencyJob:
    try:
        return present_job(project, read_job(project, suite, name, "latency", LatencyJob))
    except UsageError as error:
        if not name or not (project.pipelines / suite / name / "params.json").is_file():
            raise
        raise UsageError(
            Problem(
                f"{suite}/{name}",
                "this entry is not timed on its own",
                "a student trained on a task listed in the suite's bench settings",
                "a teacher is timed together with each of its students: name a student",
            )
        ) from error


def _misused(
    job: LatencyJob, device: str, runtimes: Sequence[str], shapes: Sequence[str], task: str | None
) -> Iterator[Problem]:
    given = {
        "--device": ([device], get_args(Device)),
        "--runtime": (runtimes, tuple(RUNTIMES)),
        "--task": ([task] if task else [], tuple(run.task for run in job.runs)),
    }
    for option, (values, known) in given.items():
        for value in values:
            if value not in known:
                yield Problem(
                    f"{option} {value}",
                    "unknown name",
                    ", ".join(known),
                    suggestion(value, known),
                )
    for shape in shapes:
        if not re.match(SHAPE_PATTERN, shape):
            yield Problem(f"--shape {shape}", "not a shape", "<batch>x<tokens>, e.g. 1x128")


def _default_runtimes(device: Device) -> tuple[RuntimeName, ...] | None:
    """The usual runtimes on CUDA; elsewhere None, which means the suite's."""
    if device == "cpu":
        return None
    usual = [runtime for runtime in RUNTIMES.values() if runtime.usual_on_cuda]
    with_tensorrt = _has_tensorrt()
    return tuple(each.name for each in usual if with_tensorrt or each.engine != TENSORRT)


def _has_tensorrt() -> bool:
    import onnxruntime

    # Every GPU build of ONNX Runtime lists the provider; TensorRT is installed separately.
    listed = "TensorrtExecutionProvider" in onnxruntime.get_available_providers()
    return listed and find_library("nvinfer") is not None


def _title(job: LatencyJob, record: LatencyRecord) -> str:
    where = record.environment.processor if record.device == "cpu" else record.environment.device
    threads = "1 thread" if record.threads == 1 else f"{record.threads} threads"
    return f"{job.suite}/{job.entry} vs {job.suite}/{job.teacher} on {where}, {threads}"


def _table(records: Sequence[LatencyRecord]) -> list[str]:
    rows = [_HEADER, *(row for record in records for row in _rows(record))]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]


def _rows(record: LatencyRecord) -> Iterator[tuple[str, ...]]:
    tokens = record.tokenisation
    told = "" if tokens is None else _quantile(tokens, "p50")
    place = (record.task, record.runtime, record.cell, _ratio(record))
    yield (*place, "student", *_figures(record.student, told))
    yield (*[""] * len(place), "teacher", *_figures(record.teacher, ""))


def _figures(subject: ModelTiming, tokenisation: str) -> tuple[str, ...]:
    return (
        *(_quantile(subject.timing, name) for name in _RANKS),
        tokenisation,
        _memory(subject),
        subject.energy_mj if subject.energy_mj == NOT_AVAILABLE else f"{subject.energy_mj:.3g}",
    )


def _ratio(record: LatencyRecord) -> str:
    if record.ratio is None:
        return f"refused (<{floor(50)})"
    return f"{record.ratio:.3f} [{record.ratio_low:.3f}, {record.ratio_high:.3f}]"


def _quantile(timing: Timing, name: str) -> str:
    found = getattr(timing, name)
    return f"refused (<{floor(_RANKS[name])})" if found is None else f"{found.value:.4g}"


def _memory(subject: ModelTiming) -> str:
    if not isinstance(subject.memory, Memory):
        return subject.memory
    loaded, peak = subject.memory.loaded_bytes, subject.memory.peak_bytes
    return f"{loaded / _BYTES_PER_MEGABYTE:.1f} / {peak / _BYTES_PER_MEGABYTE:.1f}"


def _remarks(records: Sequence[LatencyRecord]) -> Iterator[str]:
    """Conditions that may have affected the measurement; in capitals where they did."""
    all_of_them = [record.circumstances for record in records]
    others = [seen.other_cores for seen in all_of_them if seen.other_cores != NOT_AVAILABLE]
    stolen = [seen.steal for seen in all_of_them if seen.steal != NOT_AVAILABLE]
    told = [
        f"other processes used up to {max(others):.2f} cores" if others else "other load unknown",
        f"CPU steal up to {100 * max(stolen):.1f} %" if stolen else "CPU steal unknown",
        f"load {all_of_them[0].load_before:.2f} before, {all_of_them[-1].load_after:.2f} after",
        f"governor {all_of_them[0].governor}",
    ]
    busy = sum(seen.busy for seen in all_of_them)
    if busy:
        yield (
            f"BUSY MACHINE in {busy} of {len(records)} cells: trust ratios over absolute times; "
            f"{', '.join(told)}"
        )
    else:
        yield f"quiet machine: {', '.join(told)}"
    unsettled = [f"{one.runtime} {one.cell}" for one in records if not one.settled]
    if unsettled:
        yield f"NOT STABLE after warm-up: {', '.join(unsettled)}"
    throttled = [
        f"{one.runtime} {one.cell}" for one in records if one.circumstances.throttled is True
    ]
    if throttled:
        yield f"THROTTLED (thermal or power): {', '.join(throttled)}"
