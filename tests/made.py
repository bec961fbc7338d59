"""Made-up records, for tests of what is done with records."""

from typing import Any

import numpy as np

from zoo.evaluation.predictions import Predictions
from zoo.records.environment import Environment
from zoo.records.latency import (
    NOT_AVAILABLE,
    Circumstances,
    LatencyRecord,
    Memory,
    Quantile,
    Subject,
    Timing,
)
from zoo.records.score import ScoreRecord

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


def score_record(entry: str, value: float, digest: str) -> ScoreRecord:
    """What scoring would say of an entry of `pocket` on sentiment."""
    return ScoreRecord(
        suite="pocket",
        entry=entry,
        task="sentiment",
        seed=1,
        digest=digest,
        environment=NOWHERE,
        method=entry,
        teacher="t",
        twin=None,
        split="dev",
        examples=9,
        data_sha256="",
        primary="accuracy",
        metrics={"accuracy": value},
        majority={"accuracy": 0.5},
        constant=False,
    )


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
    }
    return LatencyRecord(**(usual | stated))


def subject(p50: float) -> Subject:
    """100 calls: enough for p90, not for p95 and p99."""
    timing = Timing(
        samples=100,
        p50=Quantile(value=p50, bound=1.25 * p50),
        p90=Quantile(value=2 * p50, bound=2.5 * p50),
        p95=None,
        p99=None,
    )
    memory = Memory(loaded_bytes=1_000_000, peak_bytes=2_000_000)
    return Subject(timing=timing, memory=memory, energy_mj=NOT_AVAILABLE)
