"""The export stage: ONNX files of one run per task, in fp32 and int8, none without parity."""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from torch import Tensor
from transformers import PreTrainedModel

from zoo.data.batches import collate, encode
from zoo.data.sources import load_evaluation
from zoo.export.parity import Limits, Parity, export_checked, quantise_checked
from zoo.models.build import Head
from zoo.models.capture import model_inputs
from zoo.models.checkpoint import load_checkpoint
from zoo.paths import Project, new_folder, onnx_name
from zoo.records.environment import Environment, capture_environment
from zoo.records.export import ExportRecord
from zoo.records.text import write_record
from zoo.spec.measuring import ExportJob, Measured
from zoo.spec.task import TASKS

BATCH_SIZES = (1, 3, 8)
"""Sizes that take turns, so that several shapes with padding are compared."""


def export_runs(project: Project, job: ExportJob) -> None:
    """Export and compare; a breach of the limits leaves no folder at all.

    Raises:
        ExportError: a file does not agree with its model.
    """
    environment = capture_environment(project.root)
    entry = project.entry(job.suite, job.entry)
    with new_folder(entry.export) as folder:
        for run in job.runs:
            _export_run(folder, entry.checkpoint(run.key), job, run, environment)


def _export_run(
    folder: Path, checkpoint: Path, job: ExportJob, run: Measured, environment: Environment
) -> None:
    model, batches = _model_and_batches(checkpoint, job, run)
    full, small = folder / onnx_name(run.task, "fp32"), folder / onnx_name(run.task, "int8")
    limits = job.limits
    length = min(run.settings.max_length, int(model.config.max_position_embeddings))
    fp32 = export_checked(
        model,
        full,
        batches=batches,
        limits=Limits(limits.tolerance, limits.flips),
        max_length=length,
        metadata={"digest": run.digest, "entry": f"{job.suite}/{job.entry}", "task": run.task},
    )
    int8 = quantise_checked(
        model, full, small, batches=batches, limits=Limits(float("inf"), limits.int8_flips)
    )

    def record(precision: Literal["fp32", "int8"], file: Path, parity: Parity) -> ExportRecord:
        return ExportRecord(
            suite=job.suite,
            entry=job.entry,
            task=run.task,
            seed=run.seed,
            digest=run.digest,
            environment=environment,
            precision=precision,
            bytes=file.stat().st_size,
            max_length=length,
            compared=parity.compared,
            max_abs_error=parity.max_abs_error,
            flips=parity.flips,
        )

    write_record(folder, record("fp32", full, fp32))
    write_record(folder, record("int8", small, int8))


def _model_and_batches(
    checkpoint: Path, job: ExportJob, run: Measured
) -> tuple[PreTrainedModel, list[Mapping[str, Tensor]]]:
    """The model, and real dev batches of several shapes."""
    task = TASKS[run.task]
    model, tokenizer = load_checkpoint(checkpoint, Head(task))
    settings = run.settings.model_copy(update={"dev": job.limits.examples})
    split = next(iter(load_evaluation(task, settings, run.data).values()))
    encoded = encode(task, split, settings, tokenizer)
    batches: list[Mapping[str, Tensor]] = []
    start = turn = 0
    while start < min(len(encoded.features), job.limits.examples):
        size = BATCH_SIZES[turn % len(BATCH_SIZES)]
        rows = list(range(start, min(start + size, len(encoded.features))))
        batches.append(model_inputs(model, collate(encoded, rows)))
        start, turn = start + size, turn + 1
    return model, batches
