"""Models in OpenVINO, on the CPU."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import openvino
from numpy.typing import NDArray

from zoo.errors import MeasurementError, Problem, at
from zoo.latency.inputs import Arrays
from zoo.latency.library import Library
from zoo.spec.bench import Device, Runtime

_PRODUCTS = {"fp32": "f32", "int8": "u8"}
"""OpenVINO's name for the type of matrix products with weights, by precision."""


class OpenvinoRunner:
    """An ONNX file in OpenVINO, with one request per input.

    Raises:
        MeasurementError: OpenVINO would run it in another precision.
    """

    attention = "graph"
    gpu = None

    def __init__(
        self, runtime: Runtime, file: Path, inputs: Sequence[Arrays], _device: Device, threads: int
    ) -> None:
        self._model = openvino.Core().compile_model(file, "CPU", _settings(threads))
        _require_precision(runtime, file, self._model)
        self._requests = [self._bound(call) for call in inputs]

    @property
    def provider(self) -> str:
        """The device that executes it, according to the compiled model."""
        return f"OpenVINO {', '.join(self._model.get_property('EXECUTION_DEVICES'))}"

    def __call__(self, turn: int) -> None:
        """Run the current input."""
        self._requests[turn % len(self._requests)].infer(share_outputs=True)

    def logits(self, turn: int) -> tuple[NDArray[Any], ...]:
        """The output for the current input."""
        self(turn)
        outputs = self._requests[turn % len(self._requests)].output_tensors
        return tuple(tensor.data.copy() for tensor in outputs)

    def _bound(self, call: Arrays) -> Any:
        request = self._model.create_infer_request()
        for entry in self._model.inputs:
            name = entry.get_any_name()
            request.set_tensor(name, openvino.Tensor(call[name], shared_memory=True))
        return request


def _settings(threads: int) -> dict[str, Any]:
    return {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": 1,
        "ENABLE_CPU_PINNING": False,
        # Otherwise it runs fp32 files in bf16 on processors that support it.
        "INFERENCE_PRECISION_HINT": "f32",
    }


def _require_precision(runtime: Runtime, file: Path, model: Any) -> None:
    nodes = [node.get_rt_info() for node in model.get_runtime_model().get_ops()]
    products = [node for node in nodes if node["layerType"].astype(str) == "FullyConnected"]
    found = {node["runtimePrecision"].astype(str) for node in products}
    wanted = _PRODUCTS[runtime.precision]
    if found != {wanted}:
        raise MeasurementError(
            Problem(
                at(file),
                f"{runtime.name} needs {wanted} matrix products, but OpenVINO uses"
                f" {', '.join(sorted(found))} here",
                remedy=f"drop {runtime.name}, or measure it on another processor",
            )
        )


LIBRARY = Library(load=OpenvinoRunner)
