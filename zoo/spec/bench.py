"""What the harness measures."""

from typing import Literal

from pydantic import Field

from zoo.spec.base import Fraction, PositiveInt, Spec
from zoo.spec.teacher import TaskName

Runtime = Literal["torch-fp32", "torch-bf16", "onnx-fp32", "onnx-int8"]


class ExportLimits(Spec):
    """How far an exported model may differ from its source."""

    tolerance: float = Field(1e-4, gt=0)
    """Largest absolute difference of fp32 logits."""
    flips: Fraction = 0.0
    """Largest share of examples whose fp32 prediction changes."""
    int8_flips: Fraction = 0.2
    """Largest share of examples whose int8 prediction changes."""
    examples: PositiveInt = 64
    """Dev examples that are compared."""


class Bench(Spec):
    """Latency and export settings; nothing here retrains anything."""

    runtimes: tuple[Runtime, ...] = ("torch-fp32", "onnx-fp32", "onnx-int8")
    """What is timed, each for student and teacher in turn."""
    tasks: tuple[TaskName, ...] | None = None
    """Tasks whose models are timed; all when null. Heads differ little in time."""
    batch_size: PositiveInt = 1
    """Sequences per call."""
    length: PositiveInt = 128
    """Pieces per sequence, no padding."""
    threads: PositiveInt = 1
    """Threads of the measuring process."""
    samples: PositiveInt = 100
    """Most timed calls per runtime and model."""
    seconds: float = Field(10.0, gt=0)
    """Most seconds per runtime."""
    export: ExportLimits = ExportLimits()
    """When an export is refused."""
