"""Latency, memory and energy of calls."""

from typing import ClassVar, Literal

from zoo.records.measured import Count, Measure, MeasuredRun
from zoo.spec.base import Sha256, Spec
from zoo.spec.bench import Device, RuntimeName

NotAvailable = Literal["not available"]
NOT_AVAILABLE: NotAvailable = "not available"
"""A value that this machine does not expose; never a guess."""

REPLAY = "replay"
"""The cell of dev examples at their actual lengths."""


class Quantile(Spec):
    """A percentile of the samples, and its upper bound at 99 % confidence."""

    value: Measure
    bound: Measure


class Timing(Spec):
    """Milliseconds of the calls of one model; a percentile is None below its sample floor."""

    samples: Count
    p50: Quantile | None
    p90: Quantile | None
    p95: Quantile | None
    p99: Quantile | None


class Memory(Spec):
    """Bytes that one model adds to a fresh process."""

    loaded_bytes: int
    """After loading."""
    peak_bytes: int
    """Peak during calls at the cell's shape."""


class ModelTiming(Spec):
    """One of the two models of a cell."""

    timing: Timing
    memory: Memory | NotAvailable
    energy_mj: Measure | NotAvailable
    """Millijoules per call."""


class Circumstances(Spec):
    """Conditions that may have affected the measurement."""

    load_before: Measure
    load_after: Measure
    """Load average of the machine over one minute."""
    other_cores: Measure | NotAvailable
    """Cores used by other processes while calls were timed."""
    steal: float | NotAvailable
    """CPU steal: share of time taken by the host of a virtual machine."""
    busy: bool
    """Whether other load exceeded 0.1 cores, which makes absolute times unreliable."""
    governor: str
    clock_mhz_before: float | NotAvailable
    clock_mhz_after: float | NotAvailable
    throttled: bool | NotAvailable
    """Whether the processor throttled (thermal or power)."""
    instruction_sets: tuple[str, ...] | NotAvailable


class LatencyRecord(MeasuredRun):
    """Latency of a model, interleaved with its teacher's in the same process and rounds."""

    said: ClassVar[tuple[str, ...]] = ("student_sha256", "teacher_sha256")

    kind: Literal["latency"] = "latency"
    device: Device
    runtime: RuntimeName
    provider: str
    """The device or execution provider in use."""
    attention: str
    """The attention kernel: sdpa, eager, or the operators of the ONNX graph."""
    cell: str
    """Batch x length, or `replay`: dev examples one by one at their actual lengths."""
    batch_size: Count
    lengths: tuple[Count, Count, Count]
    """Shortest, median and longest input, in tokens."""
    threads: int
    warmup_calls: int
    settled: bool
    """Whether the warm-up ended with stable medians."""
    student: ModelTiming
    teacher: ModelTiming
    student_sha256: Sha256 | None = None
    teacher_sha256: Sha256 | None = None
    """The sha256 of the timed files: weights, or an ONNX file."""
    tokenisation: Timing | None
    """Tokenisation of the replayed texts, timed separately; None for random inputs."""
    ratio: float | None
    """This model's median time over the teacher's: below 1 is faster."""
    ratio_low: float | None
    ratio_high: float | None
    """95 % bootstrap interval over rounds; None with too few samples."""
    overhead_ms: float
    """Median overhead of the harness per call."""
    circumstances: Circumstances

    @property
    def name(self) -> str:
        """The record's file name."""
        return f"latency-{self.task}-{self.device}-{self.runtime}-{self.cell}-{self.seed}"

    @property
    def samples(self) -> str:
        """The file of the raw samples of all cells of its task and device."""
        return samples_name(self.task, self.device, self.seed)


def samples_name(task: str, device: str, seed: int) -> str:
    """The Parquet file of the raw samples of a run's cells on one device."""
    return f"{task}-{device}-{seed}.parquet"
