"""Synthetic records and predictions of small runs."""

from collections.abc import Callable
from typing import Any

import pytest

from zoo.records.environment import Environment
from zoo.records.export import ExportRecord
from zoo.records.latency import LatencyRecord
from zoo.records.records import Record
from zoo.records.score import ScoreRecord
from zoo.records.size import SizeRecord
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
    }
    return ScoreRecord(**(common(entry, task, seed) | stated | more))


def measured(entry: str, seed: int = 1) -> list[Record]:
    """Size, exports, timing and training of a run."""
    here = common(entry, "sentiment", seed)
    exported = {"max_length": 16, "compared": 8, "max_abs_error": 0.0, "flips": 0}
    return [
        SizeRecord(
            **here, parameters=1234, embedding=1000, non_embedding=234, checkpoint_bytes=5000
        ),
        ExportRecord(**here, precision="fp32", bytes=6_000_000, **exported),
        ExportRecord(**here, precision="int8", bytes=2_500_000, **exported),
        TrainingRecord(
            **here, seconds=2.04 * seed, threads=1, examples=48, data_sha256="0", phases=()
        ),
        *([] if entry == "teacher" else [timed(entry)]),
    ]


def timed(entry: str) -> LatencyRecord:
    return LatencyRecord(
        **common(entry, "sentiment", 1),
        runtime="torch-fp32",
        provider="cpu",
        batch_size=1,
        length=8,
        threads=1,
        samples=100,
        warmup_calls=5,
        latency_ms_p50=1.5,
        latency_ms_p90=2.0,
        teacher_ms_p50=3.0,
        ratio=0.5,
        ratio_low=0.4,
        ratio_high=0.6,
        load_before=0.0,
        load_after=0.0,
    )


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
