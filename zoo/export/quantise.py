"""Quantisation of an fp32 ONNX file to int8, with dynamic or calibrated activation scales."""

import logging
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_dynamic,
    quantize_static,
)

from zoo.paths import write_file
from zoo.spec.bench import Scheme

InputFeed = Mapping[str, NDArray[np.int64]]
"""The inputs of one call by name."""

_BLOCK = 128
"""Inputs that share a scale in a block."""
_IN_INT8 = 4
"""ONNX Runtime's name for computing in int8, activations scaled block by block."""
_PREPROCESSED = {"onnx.quant.pre_process": "onnxruntime.quant"}


def quantise_int8(
    source: Path, target: Path, scheme: Scheme = "dynamic", feeds: Iterable[InputFeed] = ()
) -> None:
    """Write `source` to `target` with int8 weights, one scale per channel; properties are kept.

    Weights use 7 of the 8 bits: on x86 processors without VNNI the sum of two full products would
    saturate, and parity would depend on the processor. Blocks have scales of their own and use all
    8 bits. Only the static scheme reads `feeds`, as `quantise_int8_static` does.
    """
    _rewrite(source, target, partial(_SCHEMES[scheme], feeds), "int8")


def quantise_int8_static(source: Path, target: Path, feeds: Iterable[InputFeed]) -> None:
    """The same with activations scaled by their range on the calibration inputs `feeds`.

    A feed contains the inputs of one call, and must not be padded: outputs on padding are unused,
    and would only widen the scales. Only products with weights are quantised: the mask added to
    attention scores is the lowest float, which no scale can represent.
    """
    _rewrite(source, target, partial(_static, feeds), "int8-static")


def _dynamic(_feeds: Iterable[InputFeed], graph: onnx.ModelProto, file: Path) -> None:
    quantize_dynamic(graph, file, per_channel=True, reduce_range=True)


def _mixed(feeds: Iterable[InputFeed], graph: onnx.ModelProto, file: Path) -> None:
    """The inputs of products that narrow come from GELU, and have the widest range."""
    narrow = _narrowing(graph)
    others = [node.name for node in graph.graph.node if node.name not in narrow]
    _dynamic(feeds, _in_blocks(graph, others), file)


def _blockwise(feeds: Iterable[InputFeed], graph: onnx.ModelProto, file: Path) -> None:
    _dynamic(feeds, _in_blocks(graph, []), file)


def _in_blocks(graph: onnx.ModelProto, excluded: list[str]) -> onnx.ModelProto:
    """The graph with products of stored matrices in int8 blocks, but for the excluded nodes."""
    # Its import sets up logging, unless it happens within `_root_logger_untouched`.
    from onnxruntime.quantization.matmul_nbits_quantizer import (  # noqa: PLC0415
        DefaultWeightOnlyQuantConfig,
        MatMulNBitsQuantizer,
    )

    config = DefaultWeightOnlyQuantConfig(
        block_size=_BLOCK, is_symmetric=True, accuracy_level=_IN_INT8, bits=8
    )
    quantiser = MatMulNBitsQuantizer(graph, nodes_to_exclude=excluded, algo_config=config)
    quantiser.process()
    return quantiser.model.model


def _static(feeds: Iterable[InputFeed], graph: onnx.ModelProto, file: Path) -> None:
    quantize_static(
        graph,
        file,
        _Feeds(feeds),
        quant_format=QuantFormat.QDQ,
        calibrate_method=CalibrationMethod.MinMax,
        op_types_to_quantize=["MatMul", "Gemm", "Gather"],
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        per_channel=True,
        reduce_range=True,
        nodes_to_quantize=_with_weights(graph),
    )


_SCHEMES: Mapping[Scheme, Callable[[Iterable[InputFeed], onnx.ModelProto, Path], None]] = {
    "dynamic": _dynamic,
    "mixed": _mixed,
    "blockwise": _blockwise,
    "static": _static,
}


def _with_weights(graph: onnx.ModelProto) -> list[str]:
    """The nodes that multiply by a stored matrix or read from a stored table."""
    matrices = _matrices(graph)
    stored = {"MatMul": 1, "Gemm": 1, "Gather": 0}
    return [
        node.name
        for node in graph.graph.node
        if node.op_type in stored and node.input[stored[node.op_type]] in matrices
    ]


def _narrowing(graph: onnx.ModelProto) -> set[str]:
    """The products with a stored matrix (inputs, outputs) that has fewer outputs than inputs."""
    matrices = _matrices(graph)
    shapes = {
        node.name: matrices[node.input[1]].dims
        for node in graph.graph.node
        if node.op_type == "MatMul" and node.input[1] in matrices
    }
    return {name for name, (inputs, outputs) in shapes.items() if outputs < inputs}


def _matrices(graph: onnx.ModelProto) -> dict[str, onnx.TensorProto]:
    """The stored matrices and tables in fp32, by name."""
    return {
        tensor.name: tensor
        for tensor in graph.graph.initializer
        if tensor.data_type == onnx.TensorProto.FLOAT and len(tensor.dims) > 1
    }


class _Feeds(CalibrationDataReader):  # type: ignore[misc]
    """Passes feeds to the quantiser, one after the other."""

    def __init__(self, feeds: Iterable[InputFeed]) -> None:
        self._left = iter(feeds)

    def get_next(self) -> InputFeed | None:
        return next(self._left, None)


def _rewrite(
    source: Path, target: Path, quantise: Callable[[onnx.ModelProto, Path], None], precision: str
) -> None:
    graph = onnx.load(source)
    properties = {entry.key: entry.value for entry in graph.metadata_props}
    # Shapes stored by an exporter contradict those inferred after weights are transposed.
    del graph.graph.value_info[:]
    # Without this mark the quantiser requests preprocessing that does nothing for these graphs.
    onnx.helper.set_model_props(graph, _PREPROCESSED)
    with tempfile.TemporaryDirectory() as folder, _root_logger_untouched():
        file = Path(folder) / "quantised.onnx"
        quantise(graph, file)
        quantised = onnx.load(file)
    onnx.helper.set_model_props(quantised, {**properties, "precision": precision})
    write_file(target, quantised.SerializeToString(deterministic=True))


@contextmanager
def _root_logger_untouched() -> Iterator[None]:
    """Keep the quantiser from adding a permanent handler to the root logger."""
    root, stand_in = logging.getLogger(), logging.NullHandler()
    root.addHandler(stand_in)
    try:
        yield
    finally:
        root.removeHandler(stand_in)
