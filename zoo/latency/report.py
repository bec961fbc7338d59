"""What is asked of the measuring processes, and what they answer."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from zoo.errors import Problem
from zoo.latency.measure import TimingPlan
from zoo.records.latency import REPLAY, Circumstances, Memory, NotAvailable
from zoo.spec.bench import RUNTIMES, Device, Runtime, RuntimeName

Who = Literal["student", "teacher"]


class _Message(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TimedModel(_Message):
    """One model: its entry, its checkpoint folder, and the ONNX files it needs by precision."""

    entry: str
    """`<suite>/<entry>`, for messages."""
    folder: Path
    onnx: dict[str, Path] = {}

    def source(self, runtime: Runtime) -> Path:
        """What a runtime opens: the folder, or one of the ONNX files."""
        return self.folder if runtime.file is None else self.onnx[runtime.file]


class InputShape(_Message):
    """The size of the inputs: sequences of `length` pieces."""

    batch: int = Field(ge=1)
    length: int = Field(ge=1)

    @property
    def name(self) -> str:
        """The shape as specs and records write it."""
        return f"{self.batch}x{self.length}"


class ReplayExample(_Message):
    """A text or a pair; of a span task the question and its context."""

    first: str
    second: str | None = None


class Replay(_Message):
    """Examples to be answered one by one, and how they are cut into pieces."""

    examples: tuple[ReplayExample, ...] = Field(min_length=1)
    span: bool = False
    max_length: int = Field(ge=1)
    max_query: int = Field(default=64, ge=1)
    """Most pieces of a question (span tasks)."""


class BenchCell(_Message):
    """One runtime on inputs of one shape, or on the replayed examples where `shape` is None."""

    runtime: RuntimeName
    shape: InputShape | None

    @property
    def input(self) -> str:
        """What it is called with: a shape, or `replay`."""
        return REPLAY if self.shape is None else self.shape.name

    @property
    def name(self) -> str:
        """The cell as messages name it."""
        return f"{self.runtime} {self.input}"

    @property
    def row(self) -> Runtime:
        """What the table says of its runtime."""
        return RUNTIMES[self.runtime]


class Request(_Message):
    """Cells to be measured for both models; each gets a process of its own."""

    student: TimedModel
    teacher: TimedModel
    cells: tuple[BenchCell, ...] = Field(min_length=1)
    replay: Replay | None = None
    threads: int = Field(default=1, ge=1)
    device: Device = "cpu"
    seed: int = 0
    plan: TimingPlan = TimingPlan()
    timeout_seconds: float = Field(default=600.0, gt=0)
    """Of one process: a cell's calls, or its memory for one model."""

    def subject(self, who: Who) -> TimedModel:
        """One of the two models."""
        return self.student if who == "student" else self.teacher


class Timed(_Message):
    """What the process of a cell found out; milliseconds are those of whole rounds, in order."""

    provider: str
    attention: str
    gpu: str | None
    """The card's name, where the library that ran on it tells."""
    lengths: tuple[int, int, int]
    """Shortest, median and longest input, in pieces."""
    warmup_calls: int
    settled: bool
    milliseconds: dict[str, tuple[float, ...]]
    """Of student, teacher, overhead and (replay) tokenisation."""
    energy_mj: dict[Who, float | NotAvailable]
    circumstances: Circumstances


class MeasuredCell(_Message):
    """One cell, with what either model adds to a process of its own."""

    cell: BenchCell
    timed: Timed
    memory: dict[Who, Memory | NotAvailable]


class Report(_Message):
    """The answer of one engine: measured cells in the order asked for, and what went wrong."""

    cells: tuple[MeasuredCell, ...]
    problems: tuple[Problem, ...] = ()
