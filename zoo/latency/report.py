"""Requests to and reports from the measuring processes."""

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
        """The file of a runtime: the checkpoint folder, or one of the ONNX files."""
        return self.folder if runtime.file is None else self.onnx[runtime.file]


class InputShape(_Message):
    """The size of the inputs: `batch` sequences of `length` tokens."""

    batch: int = Field(ge=1)
    length: int = Field(ge=1)

    @property
    def name(self) -> str:
        """The shape as written in specs and records."""
        return f"{self.batch}x{self.length}"


class ReplayExample(_Message):
    """A text or a pair; for span tasks the question and its context."""

    first: str
    second: str | None = None


class Replay(_Message):
    """Examples to run one by one, and how to tokenise them."""

    examples: tuple[ReplayExample, ...] = Field(min_length=1)
    span: bool = False
    max_length: int = Field(ge=1)
    max_query: int = Field(default=64, ge=1)
    """Maximum tokens of a question (span tasks)."""


class BenchCell(_Message):
    """One runtime on inputs of one shape, or on the replayed examples if `shape` is None."""

    runtime: RuntimeName
    shape: InputShape | None

    @property
    def input(self) -> str:
        """Its input: a shape, or `replay`."""
        return REPLAY if self.shape is None else self.shape.name

    @property
    def name(self) -> str:
        """The cell's name in messages."""
        return f"{self.runtime} {self.input}"

    @property
    def row(self) -> Runtime:
        """The definition of its runtime."""
        return RUNTIMES[self.runtime]


class Request(_Message):
    """Cells to measure for both models, each in a fresh process."""

    student: TimedModel
    teacher: TimedModel
    cells: tuple[BenchCell, ...] = Field(min_length=1)
    replay: Replay | None = None
    threads: int = Field(default=1, ge=1)
    device: Device = "cpu"
    seed: int = 0
    plan: TimingPlan = TimingPlan()
    timeout_seconds: float = Field(default=600.0, gt=0)
    """The timeout of one process: a cell's calls, or its memory for one model."""

    def subject(self, who: Who) -> TimedModel:
        """One of the two models."""
        return self.student if who == "student" else self.teacher


class Timed(_Message):
    """The result of a cell's process; milliseconds of complete rounds, in order."""

    provider: str
    attention: str
    gpu: str | None
    """The card's name, if the library exposes it."""
    lengths: tuple[int, int, int]
    """Shortest, median and longest input, in tokens."""
    warmup_calls: int
    settled: bool
    milliseconds: dict[str, tuple[float, ...]]
    """Times of student, teacher, overhead and (replay) tokenisation."""
    energy_mj: dict[Who, float | NotAvailable]
    circumstances: Circumstances


class MeasuredCell(_Message):
    """One cell, with the memory that each model adds to a fresh process."""

    cell: BenchCell
    timed: Timed
    memory: dict[Who, Memory | NotAvailable]


class Report(_Message):
    """The report of one engine: measured cells in the requested order, and problems."""

    cells: tuple[MeasuredCell, ...]
    problems: tuple[Problem, ...] = ()
