"""Made-up records, for tests of what is done with records."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np

from zoo.board.manifest import BOARD_MANIFEST, manifest_text
from zoo.evaluation.predictions import Origin, Predictions, write_predictions
from zoo.models.identity import IDENTITY_FILE, Identity, hashed_files, read_identity
from zoo.paths import Project, write_file
from zoo.pipeline.params import params_path
from zoo.records.environment import Environment
from zoo.records.latency import (
    NOT_AVAILABLE,
    Circumstances,
    LatencyRecord,
    Memory,
    ModelTiming,
    Quantile,
    Timing,
)
from zoo.records.predicted import PredictedRun, seal
from zoo.records.score import ScoreRecord
from zoo.records.text import write_record
from zoo.spec.jobs import Job

NOWHERE = Environment(
    system="",
    python="",
    processor="",
    cores=1,
    instruction_sets=(),
    device="cpu",
    libraries={},
    commit="",
)


HASH = "0" * 64


def declared_of(digest: str) -> str:
    """A hash that stands for what is declared of a made-up run."""
    return hashlib.sha256(digest.encode()).hexdigest()


def identity(entry: str, stage: str, **more: Any) -> Identity:
    """What a checkpoint of suite `s` would say of itself."""
    stated = {"suite": "s", "seed": 1, "declared": HASH, "digest": HASH, "inputs": {}}
    return Identity(**(stated | {"entry": entry, "stage": stage} | more))


def keep_job(project: Project, name: str, job: Job) -> Path:
    """Let one stage of its kind's name be all that the params.json of the job's entry declares."""
    for spec in ("suite", job.entry):
        write_file(project.specs / job.suite / f"{spec}.yaml", "")
    path = params_path(project, job.suite, job.entry)
    stages = {name: {"kind": name, **job.model_dump(mode="json")}}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"stages": stages}))
    return path


def hold_again(folder: Path) -> None:
    """Take the files of a checkpoint as they are now for those that it was saved with."""
    path = folder / IDENTITY_FILE
    now = read_identity(folder).model_copy(update={"files": hashed_files(folder)})
    path.write_text(now.model_dump_json())


def declare_again(folder: Path, declared: str) -> None:
    """Let a checkpoint be of a run that is declared otherwise."""
    now = read_identity(folder).model_copy(update={"declared": declared})
    (folder / IDENTITY_FILE).write_text(now.model_dump_json())


def hold_published(folder: Path) -> None:
    """Take the files of a published suite as they are now for those that were published."""
    files = {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }
    (folder / BOARD_MANIFEST).write_text(manifest_text(files))


def score_record(entry: str, value: float, digest: str, declared: str = HASH) -> ScoreRecord:
    """What scoring would say of an entry of `pocket` on sentiment."""
    return ScoreRecord(
        suite="pocket",
        entry=entry,
        task="sentiment",
        seed=1,
        declared=declared,
        digest=digest,
        weights_sha256=HASH,
        predictions_sha256=HASH,
        environment=NOWHERE,
        method=entry,
        teacher=entry,
        twin=None,
        split="dev",
        examples=1000,
        data_sha256="",
        primary="accuracy",
        metrics={"accuracy": value},
        majority={"accuracy": 0.5},
        constant=False,
    )


def answers_to(record: PredictedRun) -> Predictions:
    """Answers of two classes that score what an accuracy record says."""
    value, count = record.metrics["accuracy"] or 0.0, record.examples
    gold = tuple(number % 2 for number in range(count))
    right = round(value * count)
    answers = tuple(g if place < right else 1 - g for place, g in enumerate(gold))
    logits = np.eye(2, dtype=np.float32)[list(answers)]
    return Predictions(tuple(map(str, range(count))), answers, gold, logits)


def keep_score(folder: Path, record: PredictedRun, predictions: Predictions | None = None) -> Path:
    """Leave a record and its predictions as scoring does; returns the file of the predictions."""
    path = folder / "predictions" / record.predictions
    origin = Origin(record.digest, seal(record))
    found = write_predictions(path, predictions or answers_to(record), origin)
    write_record(folder, record.model_copy(update={"predictions_sha256": found}))
    return path


ANSWERS = Predictions(tuple("abcd"), (1, 0, 1, 1), (1, 0, 0, 1), np.zeros((4, 2), np.float32))
"""Of two classes."""


def latency_record(stated: dict[str, Any]) -> LatencyRecord:
    """What timing would say of a run; `stated` names it, and what is other than here."""
    quiet = Circumstances(
        load_before=0.0,
        load_after=0.0,
        other_cores=0.0,
        steal=0.0,
        busy=False,
        governor=NOT_AVAILABLE,
        clock_mhz_before=NOT_AVAILABLE,
        clock_mhz_after=NOT_AVAILABLE,
        throttled=NOT_AVAILABLE,
        instruction_sets=(),
    )
    usual = {
        "device": "cpu",
        "runtime": "torch-fp32",
        "provider": "cpu",
        "attention": "sdpa",
        "cell": "1x8",
        "batch_size": 1,
        "lengths": (8, 8, 8),
        "threads": 1,
        "warmup_calls": 5,
        "settled": True,
        "student": subject(1.5),
        "teacher": subject(3.0),
        "tokenisation": None,
        "ratio": 0.5,
        "ratio_low": 0.4,
        "ratio_high": 0.6,
        "overhead_ms": 0.0002,
        "circumstances": quiet,
        "student_sha256": HASH,
        "teacher_sha256": HASH,
    }
    return LatencyRecord(**(usual | stated))


def subject(p50: float) -> ModelTiming:
    """100 calls: enough for p90, not for p95 and p99."""
    timing = Timing(
        samples=100,
        p50=Quantile(value=p50, bound=1.25 * p50),
        p90=Quantile(value=2 * p50, bound=2.5 * p50),
        p95=None,
        p99=None,
    )
    memory = Memory(loaded_bytes=1_000_000, peak_bytes=2_000_000)
    return ModelTiming(timing=timing, memory=memory, energy_mj=NOT_AVAILABLE)
