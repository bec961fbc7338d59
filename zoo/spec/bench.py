"""What the harness measures, and the runtimes it can measure in."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field, GetPydanticSchema
from pydantic_core.core_schema import literal_schema

from zoo.spec.base import SHAPE_PATTERN, Fraction, Spec
from zoo.spec.bounds import Examples, Repeats, RepeatsOrNone, Threads, TimeLimit, Tolerance
from zoo.spec.teacher import TaskName

Device = Literal["cpu", "cuda"]
Precision = Literal["fp32", "fp16", "int8", "int8-static"]
"""Of an ONNX file; int8-static scales activations by calibration data, int8 as its scheme does."""
Scheme = Literal["dynamic", "mixed", "blockwise", "static"]
"""How an fp32 file is made int8: activations scaled per call (dynamic), per token in blocks
(blockwise), blockwise only in products that narrow (mixed), or by calibration data (static)."""


@dataclass(frozen=True)
class Engine:
    """A library in one of its modes; its name begins the names of its runtimes.

    `runner` is the module whose `LIBRARY` loads its models. It is named rather than imported:
    specs are read without any of these libraries. `imported_once` holds where `package` starts no
    thread that a forked process would lack, so that one import serves all cells. `extra` is that of
    distilzoo which brings `package`; empty where every installation does.
    """

    name: str
    label: str
    package: str
    runner: str
    imported_once: bool = False
    extra: str = ""

    @property
    def requirement(self) -> str:
        """The pip requirement that provides its package."""
        return f"distilzoo[{self.extra}]" if self.extra else "distilzoo"


TORCH = Engine("torch", "PyTorch", "torch", "zoo.latency.torch_runner", imported_once=True)
COMPILED = Engine(
    "compiled", "torch.compile", "torch", "zoo.latency.torch_runner", imported_once=True
)
ONNX = Engine("onnx", "ONNX Runtime", "onnxruntime", "zoo.latency.onnx_runner")
TENSORRT = Engine("tensorrt", "TensorRT", "onnxruntime", "zoo.latency.onnx_runner")
OPENVINO = Engine(
    "openvino", "OpenVINO", "openvino", "zoo.latency.openvino_runner", extra="openvino"
)


@dataclass(frozen=True)
class Runtime:
    """An engine at one precision of its arithmetic.

    `file` is the precision of the ONNX file that it opens; None: it opens the checkpoint. On other
    `devices` parts of it would silently run on something else, or not at all.
    `usual_on_cuda` are those that `zoo bench` times on a GPU by default.
    """

    engine: Engine
    precision: Literal["fp32", "bf16", "fp16", "int8"]
    file: Precision | None = None
    devices: tuple[Device, ...] = ("cpu", "cuda")
    usual_on_cuda: bool = False

    @property
    def name(self) -> str:
        """The runtime as specs and records write it."""
        return f"{self.engine.name}-{self.precision}"


_RUNTIMES = (
    Runtime(TORCH, "fp32", usual_on_cuda=True),
    Runtime(TORCH, "bf16", usual_on_cuda=True),
    Runtime(COMPILED, "fp32"),
    Runtime(COMPILED, "bf16"),
    Runtime(ONNX, "fp32", file="fp32", usual_on_cuda=True),
    Runtime(ONNX, "fp16", file="fp16", devices=("cuda",), usual_on_cuda=True),
    Runtime(ONNX, "int8", file="int8", devices=("cpu",)),
    # It makes engines of its own, in either precision, of the fp32 file.
    Runtime(TENSORRT, "fp32", file="fp32", devices=("cuda",)),
    Runtime(TENSORRT, "fp16", file="fp32", devices=("cuda",), usual_on_cuda=True),
    Runtime(OPENVINO, "fp32", file="fp32", devices=("cpu",)),
    # It computes what the int8 file scales as it comes in fp32.
    Runtime(OPENVINO, "int8", file="int8-static", devices=("cpu",)),
)
RUNTIMES = {runtime.name: runtime for runtime in _RUNTIMES}
ENGINES = tuple(dict.fromkeys(runtime.engine for runtime in _RUNTIMES))

RuntimeName = Annotated[str, GetPydanticSchema(lambda *_: literal_schema([*RUNTIMES]))]
"""A key of `RUNTIMES`."""

ShapeText = Annotated[str, Field(pattern=SHAPE_PATTERN)]
"""Batch size and sequence length, as in `1x128`."""


def sizes(shape: ShapeText) -> tuple[int, int]:
    """Batch size and sequence length of a shape."""
    batch, _, length = shape.partition("x")
    return int(batch), int(length)


class Export(Spec):
    """What is exported, and how far an export may differ from its model before it is rejected."""

    precisions: tuple[Precision, ...] = ("fp32", "int8")
    """The ONNX files to export; fp32 is always included, the others are made from it."""
    examples: Examples = 128
    """Dev examples on which export and model are compared."""
    tolerance: Tolerance = 1e-5
    """Maximum difference of fp32 logits, relative to the largest logit where that is above 1."""
    flips: Fraction = 0.0
    """Maximum share of examples whose fp32 prediction changes."""
    fp16_tolerance: Tolerance = 0.05
    """The same for fp16 logits."""
    fp16_flips: Fraction = 0.05
    """Maximum share of examples whose fp16 prediction changes."""
    int8_flips: Fraction = 0.2
    """Maximum share of examples whose int8 prediction changes."""
    int8_loss: Fraction = 0.1
    """Maximum loss of the primary metric in int8, on its natural scale."""
    calibration: Examples = 64
    """Training examples, the first ones, used to calibrate static scales."""
    int8_candidates: Annotated[tuple[Scheme, ...], Field(min_length=1)] = ("dynamic",)
    """The int8 files to try; of several, one is chosen on training examples and exported."""
    choice_examples: Examples = 500
    """Training examples, the last ones, on which the candidates are compared."""
    choice_loss: Fraction = 0.005
    """Maximum loss of the primary metric of the chosen file, on its natural scale."""
    scored: bool = False
    """Whether each file is scored on the whole dev splits, paired with the fp32 file."""


class Bench(Spec):
    """Latency and export settings; changing them retrains nothing."""

    runtimes: Annotated[tuple[RuntimeName, ...], Field(min_length=1)] = (
        "torch-fp32",
        "onnx-fp32",
        "onnx-int8",
    )
    """The runtimes to time, each for student and teacher in turn."""
    tasks: tuple[TaskName, ...] | None = None
    """Tasks whose models are timed; null: all. Heads differ little in latency."""
    shapes: Annotated[tuple[ShapeText, ...], Field(min_length=1)] = ("1x128",)
    """Batch size x sequence length of the calls, no padding; boards show the smallest batch."""
    replay: RepeatsOrNone = 100
    """Dev examples replayed one by one at their own lengths; 0: none."""
    threads: Threads = 1
    """Threads of the measuring process."""
    samples: Repeats = 100
    """Maximum timed calls per runtime, shape and model; p90 needs 64, p95 130, p99 662."""
    seconds: TimeLimit = 10.0
    """Maximum seconds of timed calls per runtime and shape."""
    export: Export = Export()
    """What is exported, and when an export is rejected."""
