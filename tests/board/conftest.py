"""Synthetic records and predictions of small runs."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.made import HASH, declared_of, keep_score, latency_record
from zoo.paths import Project, write_file
from zoo.records.environment import Environment
from zoo.records.export import ExportRecord
from zoo.records.latency import LatencyRecord
from zoo.records.records import Record
from zoo.records.score import ScoreRecord
from zoo.records.size import SizeRecord
from zoo.records.text import write_record
from zoo.records.training import TrainingRecord

WHERE = Environment(
    system="Linux",
    python="3",
    processor="p",
    cores=2,
    instruction_sets=(),
    device="cpu",
    libraries={},
    commit="unknown",
)


def common(entry: str, task: str, seed: int) -> dict[str, Any]:
    digest = f"{entry}-{task}-{seed}".ljust(64, "0")
    return {
        "suite": "tiny",
        "entry": entry,
        "task": task,
        "seed": seed,
        "declared": declared_of(digest),
        "digest": digest,
        "environment": WHERE,
    }


def scored(
    entry: str, value: float | None, task: str = "sentiment", seed: int = 1, **more: Any
) -> ScoreRecord:
    stated = {
        "method": "teacher" if entry == "teacher" else entry,
        "teacher": "teacher",
        "twin": None if entry in ("teacher", "finetune") else "finetune",
        "split": "dev",
        "examples": 100,
        "data_sha256": "0",
        "primary": "accuracy",
        "metrics": {"accuracy": value},
        "majority": {"accuracy": 0.5},
        "constant": False,
        "weights_sha256": HASH,
        "predictions_sha256": HASH,
    }
    return ScoreRecord(**(common(entry, task, seed) | stated | more))


def measured(entry: str, seed: int = 1) -> list[Record]:
    """Size, exports, timing and training of a run."""
    here = common(entry, "sentiment", seed)
    sizes = {"parameters": 1234, "embedding": 1000, "non_embedding": 234, "checkpoint_bytes": 5000}
    hashes = {"weights_sha256": HASH, "file_sha256": HASH}
    exported = hashes | {"max_length": 16, "compared": 8, "max_abs_error": 0.0, "flips": 0}
    return [
        SizeRecord(**here, **sizes, weights_sha256=HASH),
        ExportRecord(**here, precision="fp32", bytes=6_000_000, **exported),
        ExportRecord(**here, precision="int8", bytes=2_500_000, **exported),
        TrainingRecord(
            **here,
            inputs={"train": HASH},
            seconds=2.04 * seed,
            threads=1,
            examples=48,
            data_sha256="0",
            phases=(),
        ),
        *([] if entry == "teacher" else [timed(entry)]),
    ]


def timed(entry: str, **more: Any) -> LatencyRecord:
    return latency_record(common(entry, "sentiment", 1) | more)


@pytest.fixture
def make() -> Callable[..., ScoreRecord]:
    """Makes the score record of a run: entry, value, task, seed, other fields."""
    return scored


@pytest.fixture
def records() -> list[Record]:
    """A teacher, an undistilled twin and a distilled student, the last with two seeds."""
    scores = [
        scored("teacher", 0.9),
        scored("finetune", 0.7),
        scored("kd", 0.8),
        scored("kd", 0.84, seed=2),
    ]
    return [
        *scores,
        *measured("teacher"),
        *measured("finetune"),
        *measured("kd"),
        *measured("kd", 2)[:4],
    ]


@pytest.fixture
def leave() -> Callable[[Project, Record], None]:
    """Leaves a record where its stage would, with the answers or samples it is made of."""

    def left(project: Project, record: Record) -> None:
        entry = project.entry(record.suite, record.entry)
        folder = entry.latency if isinstance(record, LatencyRecord) else entry.score
        if isinstance(record, ScoreRecord):
            keep_score(folder, record)
        else:
            write_record(folder, record)
        if isinstance(record, LatencyRecord):
            write_file(folder / "samples" / record.samples, b"raw")

    return left
