"""The latency stage: one run per task beside its teacher, each pair in a fresh process."""

from pathlib import Path

from zoo.latency.isolate import run_isolated
from zoo.latency.measure import Plan
from zoo.latency.report import Cell, Report, Request, Shape, Subject
from zoo.paths import EntryFolder, Project, new_folder, onnx_name
from zoo.records.environment import Environment, capture_environment
from zoo.records.latency import LatencyRecord
from zoo.records.text import write_record
from zoo.spec.bench import Runtime
from zoo.spec.measuring import LatencyJob, Measured
from zoo.spec.recipe import run_key


def time_runs(project: Project, job: LatencyJob) -> None:
    """Time every task's run; the folder appears when all are done.

    Raises:
        MeasurementError: a process failed, or a runtime is not what was asked for.
    """
    environment = capture_environment(project.root)
    ours, theirs = project.entry(job.suite, job.entry), project.entry(job.suite, job.teacher)
    with new_folder(ours.latency) as folder:
        for run in job.runs:
            request = _request(job, run, ours, theirs)
            _write_records(folder, job, run, run_isolated(request), environment)


def _request(job: LatencyJob, run: Measured, ours: EntryFolder, theirs: EntryFolder) -> Request:
    bench = job.bench
    return Request(
        student=_subject(ours, run.task, run.seed),
        teacher=_subject(theirs, run.task, job.teacher_seed),
        runtimes=bench.runtimes,
        shapes=(Shape(batch=bench.batch_size, length=min(bench.length, run.settings.max_length)),),
        threads=bench.threads,
        plan=Plan(samples=bench.samples, seconds=bench.seconds * len(bench.runtimes)),
    )


def _subject(entry: EntryFolder, task: str, seed: int) -> Subject:
    files: dict[Runtime, Path] = {
        "onnx-fp32": entry.export / onnx_name(task, "fp32"),
        "onnx-int8": entry.export / onnx_name(task, "int8"),
    }
    return Subject(folder=entry.checkpoint(run_key(task, seed)), onnx=files)


def _write_records(
    folder: Path, job: LatencyJob, run: Measured, report: Report, environment: Environment
) -> None:
    cells = {(cell.runtime, cell.who): cell for cell in report.cells}
    for compared in report.comparisons:
        student = cells[compared.runtime, "student"]
        teacher: Cell = cells[compared.runtime, "teacher"]
        record = LatencyRecord(
            suite=job.suite,
            entry=job.entry,
            task=run.task,
            seed=run.seed,
            digest=run.digest,
            environment=environment,
            runtime=compared.runtime,
            provider=student.provider,
            batch_size=compared.batch,
            length=compared.length,
            threads=report.circumstances.threads,
            samples=len(student.latency_ms),
            warmup_calls=student.warmup_calls,
            latency_ms_p50=student.latency_ms_p50,
            latency_ms_p90=student.latency_ms_p90,
            teacher_ms_p50=teacher.latency_ms_p50,
            ratio=compared.value,
            ratio_low=compared.low,
            ratio_high=compared.high,
            load_before=report.circumstances.load_average_before[0],
            load_after=report.circumstances.load_average_after[0],
        )
        write_record(folder, record)
