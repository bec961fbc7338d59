"""Models in ONNX Runtime: on the CPU, on CUDA, and in TensorRT."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import onnxruntime
from numpy.typing import NDArray

from zoo.errors import MeasurementError, Problem, at
from zoo.latency.inputs import Arrays, lengths_of
from zoo.latency.library import Library
from zoo.spec import bench
from zoo.spec.bench import Device, Runtime

TENSORRT_PROVIDER, CUDA_PROVIDER, CPU_PROVIDER = (
    "TensorrtExecutionProvider",
    "CUDAExecutionProvider",
    "CPUExecutionProvider",
)
_HEAVY = frozenset(
    {
        "Attention",
        "FusedMatMul",
        "Gemm",
        "LayerNormalization",
        "MatMul",
        "MultiHeadAttention",
        "SkipLayerNormalization",
    }
)
"""Operators that dominate a model's time; the few on shapes may run on the CPU."""


class OnnxRunner:
    """An ONNX file in ONNX Runtime, inputs and outputs bound to the device.

    Raises:
        MeasurementError: ONNX Runtime would run it on another provider.
    """

    attention = "graph"
    gpu = None

    def __init__(
        self, runtime: Runtime, file: Path, inputs: Sequence[Arrays], device: Device, threads: int
    ) -> None:
        self._session = _session(file, _providers(runtime, device, inputs), threads)
        self._bindings = [self._bound(call, device) for call in inputs]

    @property
    def provider(self) -> str:
        """The session's first execution provider."""
        return str(self._session.get_providers()[0])

    def __call__(self, turn: int) -> None:
        """Run the current input, and wait for the device."""
        binding = self._bindings[turn % len(self._bindings)]
        self._session.run_with_iobinding(binding)
        binding.synchronize_outputs()

    def logits(self, turn: int) -> tuple[NDArray[Any], ...]:
        """The output for the current input, copied from the device."""
        self(turn)
        return tuple(self._bindings[turn % len(self._bindings)].copy_outputs_to_cpu())

    def _bound(self, call: Arrays, device: Device) -> Any:
        binding = self._session.io_binding()
        for entry in self._session.get_inputs():
            value = onnxruntime.OrtValue.ortvalue_from_numpy(call[entry.name], device, 0)
            binding.bind_ortvalue_input(entry.name, value)
        for entry in self._session.get_outputs():
            binding.bind_output(entry.name, device, 0)
        return binding


def _providers(runtime: Runtime, device: Device, inputs: Sequence[Arrays]) -> list[Any]:
    if runtime.engine != bench.TENSORRT:
        # By itself it would compute fp32 in TF32, which PyTorch does not.
        return [(CUDA_PROVIDER, {"use_tf32": "0"}) if device == "cuda" else CPU_PROVIDER]
    shortest, median, longest = lengths_of(inputs)
    batch = inputs[0]["input_ids"].shape[0]
    # Without these ranges an unexpected length rebuilds the engine within a timed call.
    shapes = {
        f"trt_profile_{name}_shapes": ",".join(f"{key}:{batch}x{length}" for key in inputs[0])
        for name, length in (("min", shortest), ("opt", median), ("max", longest))
    }
    return [
        (TENSORRT_PROVIDER, {"trt_fp16_enable": runtime.precision == "fp16", **shapes}),
        CUDA_PROVIDER,
    ]


def _session(file: Path, providers: list[Any], threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Threads that spin after a call would slow down the next runner.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    wanted = providers[0][0] if isinstance(providers[0], tuple) else providers[0]
    if wanted != CPU_PROVIDER:
        # CUDA's libraries may be in Python packages, where only PyTorch finds them.
        onnxruntime.preload_dlls()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Specified provider")
        session = onnxruntime.InferenceSession(file, options, providers=providers)
    session.disable_fallback()
    running = session.get_providers()
    if running[0] != wanted:
        raise MeasurementError(_fallback(file, wanted, f"ONNX Runtime runs {running[0]}"))
    elsewhere = _elsewhere(session, wanted)
    if elsewhere:
        given = f"ONNX Runtime runs {', '.join(sorted(elsewhere))} on another one"
        raise MeasurementError(_fallback(file, wanted, given))
    return session


def _elsewhere(session: onnxruntime.InferenceSession, wanted: str) -> set[str]:
    """The heavy operators that were given to another provider; older releases do not tell."""
    tell = getattr(session, "get_provider_graph_assignment_info", None)
    return {
        node.op_type
        for part in (tell() if tell else ())
        if part.ep_name != wanted
        for node in part.get_nodes()
        if node.op_type in _HEAVY
    }


def _fallback(file: Path, wanted: str, given: str) -> Problem:
    return Problem(
        at(file),
        f"requested {wanted}, but {given}",
        ", ".join(onnxruntime.get_available_providers()),
        "install an ONNX Runtime build with this provider, or measure on another device",
    )


LIBRARY = Library(load=OnnxRunner)
