"""An fp32 ONNX file as one with int8 weights, activations scaled as they come."""

import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import onnx
from onnxruntime.quantization import quantize_dynamic

from zoo.paths import write_file

_PREPROCESSED = {"onnx.quant.pre_process": "onnxruntime.quant"}


def quantise_int8(source: Path, target: Path) -> None:
    """Write `source` to `target` with int8 weights, one scale per channel; properties are kept.

    Weights use 7 of the 8 bits: on x86 processors without VNNI the sum of two full products would
    saturate, and agreement measured on one processor would say nothing about another.
    """
    graph = onnx.load(source)
    properties = {entry.key: entry.value for entry in graph.metadata_props}
    # Shapes that an exporter left behind contradict those inferred after weights were transposed.
    del graph.graph.value_info[:]
    # Without this mark the quantiser asks for a preprocessing that does nothing for these graphs.
    onnx.helper.set_model_props(graph, _PREPROCESSED)
    quantised = _quantised(graph)
    onnx.helper.set_model_props(quantised, {**properties, "precision": "int8"})
    write_file(target, quantised.SerializeToString(deterministic=True))


def _quantised(graph: onnx.ModelProto) -> onnx.ModelProto:
    with tempfile.TemporaryDirectory() as folder, _root_logger_untouched():
        file = Path(folder) / "int8.onnx"
        quantize_dynamic(graph, file, per_channel=True, reduce_range=True)
        return onnx.load(file)


@contextmanager
def _root_logger_untouched() -> Iterator[None]:
    """The quantiser logs through the root logger, which would gain a handler for good."""
    root, stand_in = logging.getLogger(), logging.NullHandler()
    root.addHandler(stand_in)
    try:
        yield
    finally:
        root.removeHandler(stand_in)
