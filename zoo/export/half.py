"""Conversion of an fp32 ONNX file to fp16 weights and arithmetic."""

import warnings
from pathlib import Path

import onnx
from onnxruntime.transformers.float16 import convert_float_to_float16

from zoo.paths import write_file


def halve(source: Path, target: Path) -> None:
    """Write `source` to `target` in fp16; types of inputs and outputs, and properties are kept."""
    graph = onnx.load(source)
    properties = {entry.key: entry.value for entry in graph.metadata_props}
    with warnings.catch_warnings():
        # Attention masks are the lowest float, and are clipped to the lowest that is safe in fp16.
        warnings.filterwarnings("ignore", message="the float32 number")
        halved = convert_float_to_float16(graph, keep_io_types=True)
    onnx.helper.set_model_props(halved, {**properties, "precision": "fp16"})
    write_file(target, halved.SerializeToString(deterministic=True))
