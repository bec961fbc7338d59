"""What an ONNX file holds: the numbers of its weights, and the operators that really run."""

import math
import tempfile
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path

import onnx
import onnxruntime

_FUSED_DOMAINS = ("com.microsoft", "com.microsoft.nchwc")
_FUSED_STANDARD = ("LayerNormalization", "QLinearMatMul")
"""Operators of the standard that stand for several of older ones."""
_OF_QUANTISATION = ("_scale", "_zero_point")
_WEIGHTS = frozenset(
    {
        onnx.TensorProto.FLOAT,
        onnx.TensorProto.FLOAT16,
        onnx.TensorProto.INT8,
        onnx.TensorProto.UINT8,
        onnx.TensorProto.INT32,
    }
)


@dataclass(frozen=True)
class Optimised:
    """A graph as a session of ONNX Runtime runs it: its nodes, and how many are of which fusion."""

    nodes: int
    fused: dict[str, int]


def graph_parameters(path: Path) -> int:
    """How many numbers the weights of the ONNX file at `path` hold, in whatever precision.

    Scales and zero points of a quantised file are none, nor are constants of the computation:
    those are single numbers without an axis, or integers of 64 bits. The exporters store tensors
    that are equal in every number once, as the untrained norms of a fresh model are; they count as
    often as they are used.
    """
    graph = onnx.load(path).graph
    users: dict[str, list[onnx.NodeProto]] = defaultdict(list)
    for node in graph.node:
        for name in node.input:
            users[name].append(node)

    def uses(name: str) -> int:
        return sum(
            uses(node.output[0]) if node.op_type == "DequantizeLinear" else 1
            for node in users[name]
        )

    weights = [tensor for tensor in graph.initializer if _is_weight(tensor)]
    return sum(math.prod(tensor.dims) * uses(tensor.name) for tensor in weights)


def optimised(path: Path) -> Optimised:
    """What ONNX Runtime makes of the file at `path` on this machine's CPU, at its highest level."""
    with tempfile.TemporaryDirectory() as folder:
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        options.optimized_model_filepath = str(Path(folder) / "optimised.onnx")
        # It warns that the optimised file suits this machine only, which nobody keeps.
        options.log_severity_level = 3
        onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        nodes = onnx.load(options.optimized_model_filepath).graph.node
    fused = Counter(node.op_type for node in nodes if _is_fused(node))
    return Optimised(len(nodes), dict(sorted(fused.items())))


def _is_weight(tensor: onnx.TensorProto) -> bool:
    if not tensor.dims or tensor.name.endswith(_OF_QUANTISATION):
        return False
    return tensor.data_type in _WEIGHTS


def _is_fused(node: onnx.NodeProto) -> bool:
    return node.domain in _FUSED_DOMAINS or node.op_type in _FUSED_STANDARD
