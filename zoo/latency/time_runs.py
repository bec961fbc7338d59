"""The latency stage: one run per task against its teacher's, every cell in a fresh process."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np

from zoo.data.examples import Example, SpanExample
from zoo.data.sources import load_evaluation
from zoo.errors import MeasurementError
from zoo.export.manifest import verified_model
from zoo.latency.isolate import obstacles, refused, run_isolated
from zoo.latency.measure import TimingPlan
from zoo.latency.nvml import find_gpu
from zoo.latency.quantiles import ratio, timing
from zoo.latency.report import (
    BenchCell,
    InputShape,
    MeasuredCell,
    Replay,
    ReplayExample,
    Request,
    TimedModel,
    Who,
)
from zoo.latency.samples import Samples, write_samples
from zoo.models.identity import Wanted, verified
from zoo.paths import SAMPLES, EntryFolder, Project, new_folder, onnx_name
from zoo.records.environment import Environment, capture_environment
from zoo.records.latency import LatencyRecord, ModelTiming, samples_name
from zoo.records.text import write_record
from zoo.spec.bench import Device, RuntimeName, sizes
from zoo.spec.measuring import LatencyJob
from zoo.spec.recipe import RunRecipe as Run
from zoo.spec.task import TaskKind

_LEAST_TIMEOUT_SECONDS = 300.0


def time_runs(project: Project, job: LatencyJob) -> None:
    """Time every task's run on the CPU; the folder is created once all are done.

    Raises:
        MeasurementError: a process failed, or a runtime differs from the requested one.
    """
    with new_folder(project.entry(job.suite, job.entry).latency) as folder:
        measure_runs(project, job, folder, device="cpu")


def measure_runs(
    project: Project,
    job: LatencyJob,
    folder: Path,
    *,
    device: Device,
    runtimes: Sequence[RuntimeName] | None = None,
    shapes: Sequence[str] | None = None,
) -> list[LatencyRecord]:
    """Time the runs of `job` on `device`; write records and raw samples to `folder`.

    `runtimes` and `shapes` override those of the job's bench. Declared shapes are truncated to a
    task's longest input; those given here are refused if a model has too few positions.

    Raises:
        MeasurementError: a process failed, or a runtime differs from the requested one.
    """
    wanted = tuple(runtimes or job.bench.runtimes)
    problems = [problem for runtime in wanted if (problem := refused(runtime, device))]
    if problems:
        raise MeasurementError(*problems)
    pairs = list(zip(job.runs, job.beside, strict=True))
    requests = [
        _request(project, job, pair, device, _cells(job, pair[0], wanted, shapes)) for pair in pairs
    ]
    problems = [problem for request in requests for problem in obstacles(request)]
    if problems:
        raise MeasurementError(*problems)
    # Verify all files before timing any.
    timed = [
        _Pair.verified(job, pair, request) for pair, request in zip(pairs, requests, strict=True)
    ]
    records = []
    for run, request, models in zip(job.runs, requests, timed, strict=True):
        measured = run_isolated(request)
        packages = sorted({cell.row.engine.package for cell in request.cells})
        environment = capture_environment(project.root, _device_name(device, measured), packages)
        samples: Samples = {}
        for found in measured:
            record = _record(job, run, request, found, models, environment)
            write_record(folder, record)
            records.append(record)
            samples |= samples_of(found)
        write_samples(folder / SAMPLES / samples_name(run.task, device, run.seed), samples)
    return records


@dataclass(frozen=True)
class _Pair:
    """The hashes of the timed files of both models, by precision; None for the weights."""

    digest: str
    student: Mapping[str | None, str]
    teacher: Mapping[str | None, str]

    @classmethod
    def verified(cls, job: LatencyJob, pair: tuple[Run, Run], request: Request) -> "_Pair":
        """Raises:
        CheckpointError, ExportError: a file belongs to another run, or was modified.
        """
        found: list[dict[str | None, str]] = []
        digests = []
        entries = (job.entry, job.teacher)
        for run, entry, subject in zip(
            pair, entries, (request.student, request.teacher), strict=True
        ):
            identity = verified(subject.folder, Wanted.run(job.suite, entry, run))
            files: dict[str | None, str] = {
                precision: verified_model(file.parent, file.name, (job.suite, entry), run)
                for precision, file in subject.onnx.items()
            }
            found.append(files | {None: identity.weights_sha256})
            digests.append(identity.digest)
        return cls(digests[0], *found)


def samples_of(measured: MeasuredCell) -> Samples:
    """The milliseconds of one cell as stored; all figures are computed from these."""
    cell, taken = measured.cell, measured.timed.milliseconds
    return {
        (cell.runtime, cell.input, who): np.array(calls, dtype=np.float32)
        for who, calls in taken.items()
    }


def _cells(
    job: LatencyJob, run: Run, runtimes: Iterable[RuntimeName], shapes: Sequence[str] | None
) -> tuple[BenchCell, ...]:
    cut = partial(_shape, longest=run.settings.max_length if shapes is None else None)
    inputs: list[InputShape | None] = list(dict.fromkeys(map(cut, shapes or job.bench.shapes)))
    if job.bench.replay:
        inputs.append(None)
    pairs = product(dict.fromkeys(runtimes), inputs)
    return tuple(BenchCell(runtime=runtime, shape=shape) for runtime, shape in pairs)


def _shape(text: str, longest: int | None) -> InputShape:
    batch, length = sizes(text)
    return InputShape(batch=batch, length=length if longest is None else min(length, longest))


def _request(
    project: Project,
    job: LatencyJob,
    pair: tuple[Run, Run],
    device: Device,
    cells: tuple[BenchCell, ...],
) -> Request:
    bench, run = job.bench, pair[0]
    precisions = {cell.row.file for cell in cells if cell.row.file}

    def subject(entry: str, seed: int) -> TimedModel:
        stands: EntryFolder = project.entry(job.suite, entry)
        return TimedModel(
            entry=f"{job.suite}/{entry}",
            folder=stands.checkpoint(run.task, seed),
            onnx={name: stands.export / onnx_name(run.task, name) for name in precisions},
        )

    plan = TimingPlan(
        samples=bench.samples, seconds=bench.seconds, warmup_seconds=max(1.0, bench.seconds / 2)
    )
    return Request(
        student=subject(job.entry, run.seed),
        teacher=subject(job.teacher, pair[1].seed),
        cells=cells,
        replay=_replay(run, bench.replay) if bench.replay else None,
        threads=bench.threads,
        device=device,
        seed=run.seed,
        plan=plan,
        timeout_seconds=_LEAST_TIMEOUT_SECONDS + 4 * bench.seconds,
    )


def _replay(run: Run, most: int) -> Replay:
    """The first examples of the task's first scored split."""
    task, settings = run.definition, run.settings
    splits = load_evaluation(task, settings, run.data)
    examples = splits[task.evaluation[0]].examples[:most]
    return Replay(
        examples=tuple(map(_example, examples)),
        span=task.kind is TaskKind.SPAN,
        max_length=settings.max_length,
        max_query=settings.max_query,
    )


def _example(example: Example) -> ReplayExample:
    if isinstance(example, SpanExample):
        return ReplayExample(first=example.question, second=example.context)
    return ReplayExample(first=example.first, second=example.second)


def _device_name(device: Device, measured: Iterable[MeasuredCell]) -> str:
    """`cpu`, or the GPU's name according to PyTorch or else NVML."""
    if device == "cpu":
        return device
    told = [found.timed.gpu for found in measured if found.timed.gpu]
    gpu = find_gpu()
    return told[0] if told else (gpu and gpu.name()) or device


def _record(
    job: LatencyJob,
    run: Run,
    request: Request,
    measured: MeasuredCell,
    models: _Pair,
    environment: Environment,
) -> LatencyRecord:
    cell, timed = measured.cell, measured.timed
    samples = {who: calls for (_, _, who), calls in samples_of(measured).items()}
    found = ratio(samples["student"].tolist(), samples["teacher"].tolist())

    def subject(who: Who) -> ModelTiming:
        return ModelTiming(
            timing=timing(samples[who]),
            memory=measured.memory[who],
            energy_mj=timed.energy_mj[who],
        )

    return LatencyRecord(
        suite=job.suite,
        entry=job.entry,
        task=run.task,
        seed=run.seed,
        declared=run.declared,
        digest=models.digest,
        environment=environment,
        device=request.device,
        runtime=cell.runtime,
        provider=timed.provider,
        attention=timed.attention,
        cell=cell.input,
        batch_size=1 if cell.shape is None else cell.shape.batch,
        lengths=timed.lengths,
        threads=request.threads,
        warmup_calls=timed.warmup_calls,
        settled=timed.settled,
        student=subject("student"),
        teacher=subject("teacher"),
        student_sha256=models.student[cell.row.file],
        teacher_sha256=models.teacher[cell.row.file],
        tokenisation=timing(samples["tokenisation"]) if cell.shape is None else None,
        ratio=found and found.value,
        ratio_low=found and found.low,
        ratio_high=found and found.high,
        overhead_ms=float(np.median(samples["overhead"])),
        circumstances=timed.circumstances,
    )
