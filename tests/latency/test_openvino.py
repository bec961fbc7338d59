"""Models in OpenVINO, which is an extra."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from zoo.errors import MeasurementError
from zoo.latency.inputs import Arrays, drawn_inputs
from zoo.latency.isolate import run_isolated
from zoo.latency.measure import TimingPlan
from zoo.latency.report import BenchCell, InputShape, Replay, ReplayExample, Request, TimedModel
from zoo.spec.bench import OPENVINO, RUNTIMES

pytest.importorskip(
    "openvino", reason=f"openvino is not installed: pip install '{OPENVINO.requirement}'"
)

from zoo.latency.openvino_runner import OpenvinoRunner

_FP32, _INT8 = RUNTIMES["openvino-fp32"], RUNTIMES["openvino-int8"]
_CELLS = tuple(
    BenchCell(runtime=_FP32.name, shape=shape) for shape in (InputShape(batch=2, length=9), None)
)
_REPLAY = Replay(
    examples=(ReplayExample(first="one"), ReplayExample(first="one and more")), max_length=48
)


def _inputs(folder: Path, *lengths: int) -> list[Arrays]:
    return [drawn_inputs(folder, InputShape(batch=2, length=length), seed=3) for length in lengths]


@pytest.fixture
def asked(student: TimedModel, teacher: TimedModel) -> Request:
    """A shape and a replay."""
    plan = TimingPlan(samples=12, seconds=600.0)
    return Request(student=student, teacher=teacher, cells=_CELLS, replay=_REPLAY, plan=plan)


def test_cells_are_measured_and_say_what_ran_them(asked: Request) -> None:
    """Both models in turns, one layer before six, on the device that the compiled model names."""
    for found in run_isolated(asked):
        calls = found.timed.milliseconds
        assert (found.timed.provider, found.timed.attention) == ("OpenVINO CPU", "graph")
        assert {len(each) for each in calls.values()} == {12}
        assert 0 < np.median(calls["student"]) < np.median(calls["teacher"])


@pytest.mark.parametrize("threads", sorted({1, min(2, os.cpu_count() or 1)}))
def test_threads_and_precision_are_pinned(student: TimedModel, threads: int) -> None:
    """Whatever OpenVINO would choose on this machine."""
    file, inputs = student.onnx["fp32"], _inputs(student.folder, 8)
    model = OpenvinoRunner(_FP32, file, inputs, "cpu", threads)._model
    told = [model.get_property(name) for name in ("INFERENCE_NUM_THREADS", "NUM_STREAMS")]
    assert told == [threads, 1]
    assert model.get_property("INFERENCE_PRECISION_HINT").to_string() == "f32"


def test_another_precision_than_asked_for_is_an_error(student: TimedModel) -> None:
    """OpenVINO has no int8 for the operators that scale activations as they come."""
    file = student.onnx["int8"]
    with pytest.raises(MeasurementError) as caught:
        OpenvinoRunner(_INT8, file, _inputs(student.folder, 8), "cpu", 1)
    assert str(caught.value) == (
        f"{file}: openvino-int8 needs u8 matrix products, but OpenVINO uses f32 here\n"
        "  fix: drop openvino-int8, or measure it on another processor"
    )


def test_a_cell_imports_no_other_library(asked: Request) -> None:
    """Nor is OpenVINO in the process that asks."""
    program = (
        "import sys\nfrom zoo.latency.cell import time_cell\n"
        "from zoo.latency.report import Request\n"
        "known = {'torch', 'transformers', 'onnxruntime', 'openvino'}\n"
        "asked = Request.model_validate_json(sys.stdin.read())\n"
        "before = known & set(sys.modules)\n"
        "time_cell(asked, asked.cells[0])\n"
        "print(sorted(before), sorted(known & set(sys.modules)))"
    )
    request = asked.model_dump_json().encode()
    done = subprocess.run(
        [sys.executable, "-c", program], input=request, capture_output=True, check=True
    )
    assert done.stdout.strip() == b"[] ['openvino']"
