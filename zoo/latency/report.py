"""What is asked of the measuring process, and what it answers."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from zoo.latency.measure import Plan

Runtime = Literal["torch-fp32", "torch-bf16", "onnx-fp32", "onnx-int8"]
Who = Literal["student", "teacher"]
NOT_AVAILABLE: Literal["not available"] = "not available"


class _Message(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Subject(_Message):
    """One model: its checkpoint folder, and its ONNX file for each runtime that needs one."""

    folder: Path
    onnx: dict[Runtime, Path] = {}


class Shape(_Message):
    """The size of the inputs: sequences of `length` pieces."""

    batch: int = Field(ge=1)
    length: int = Field(ge=1)


class Request(_Message):
    """Both models x all runtimes x all shapes, to be measured by one child.

    Within a shape all cells take turns. `timeout_seconds` bounds the child's whole life.
    """

    student: Subject
    teacher: Subject
    runtimes: tuple[Runtime, ...] = Field(min_length=1)
    shapes: tuple[Shape, ...] = Field(min_length=1)
    threads: int = Field(default=1, ge=1)
    device: Literal["cpu", "cuda"] = "cpu"
    seed: int = 0
    plan: Plan = Plan()
    timeout_seconds: float = Field(default=600.0, gt=0)


class Cell(_Message):
    """The samples of one model in one runtime at one shape; a refused percentile is None."""

    runtime: Runtime
    who: Who
    batch: int
    length: int
    provider: str
    warmup_calls: int
    settled: bool
    latency_ms: tuple[float, ...]
    latency_ms_p50: float | None
    latency_ms_p90: float | None
    latency_ms_p95: float | None
    latency_ms_p99: float | None


class Comparison(_Message):
    """Student's median over teacher's in one runtime at one shape, with its 95 % interval.

    All three are None where there are too few samples for a median.
    """

    runtime: Runtime
    batch: int
    length: int
    value: float | None
    low: float | None
    high: float | None


class Circumstances(_Message):
    """What may have moved the numbers: threads, other load (1, 5, 15 min), clock, instructions."""

    threads: int
    load_average_before: tuple[float, float, float]
    load_average_after: tuple[float, float, float]
    cpu_governor: str
    instruction_sets: tuple[str, ...] | Literal["not available"]


class Report(_Message):
    """The answer of the measuring process: cells, comparisons, circumstances."""

    cells: tuple[Cell, ...]
    comparisons: tuple[Comparison, ...]
    circumstances: Circumstances
