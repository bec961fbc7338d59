"""How long calls take."""

from typing import Literal

from zoo.records.measured import MeasuredRun


class LatencyRecord(MeasuredRun):
    """How long one call takes, beside the teacher's in the same process and rounds."""

    kind: Literal["latency"] = "latency"
    runtime: str
    provider: str
    batch_size: int
    length: int
    threads: int
    samples: int
    warmup_calls: int
    latency_ms_p50: float | None
    latency_ms_p90: float | None
    """None where there are too few samples for the percentile."""
    teacher_ms_p50: float | None
    ratio: float | None
    """This model's time over the teacher's, round by round: below 1 it is faster."""
    ratio_low: float | None
    ratio_high: float | None
    """95 % bootstrap interval over rounds; None where there are too few samples."""
    load_before: float
    load_after: float
    """Load average of the machine, one minute."""

    @property
    def name(self) -> str:
        """The record's file name."""
        return f"latency-{self.task}-{self.runtime}-{self.seed}"
