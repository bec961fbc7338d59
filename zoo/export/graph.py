"""Contents of an ONNX file: the parameters of its weights, and the operators that run."""

import math
import tempfile
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path

import onnx
import onnxruntime

_FUSED_DOMAINS = ("com.microsoft", "com.microsoft.nchwc")
_FUSED_STANDARD = ("LayerNormalization", "QLinearMatMul")
"""Standard operators that replace several older ones."""
_OF_BLOCKS = "MatMulNBits"
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
    """A graph as ONNX Runtime runs it: its number of nodes, and the counts of fused operators."""

    nodes: int
    fused: dict[str, int]


def graph_parameters(path: Path) -> int:
    """The number of parameters in the ONNX file at `path`, in any precision.

    Scales and zero points of quantised files do not count, nor do constants of the computation,
    which are scalars or 64-bit integers. Exporters store identical tensors once, e.g. the untrained
    norms of a fresh model; these count as often as they are used.
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

    blocks = [node for node in graph.node if node.op_type == _OF_BLOCKS]
    packed = {name for node in blocks for name in node.input}
    weights = [t for t in graph.initializer if _is_weight(t) and t.name not in packed]
    whole: int = sum(math.prod(tensor.dims) * uses(tensor.name) for tensor in weights)
    return whole + sum(map(_parameters_in_blocks, blocks))


def optimised(path: Path) -> Optimised:
    """The file at `path` as optimised by ONNX Runtime for this CPU, at its highest level."""
    with tempfile.TemporaryDirectory() as folder:
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        options.optimized_model_filepath = str(Path(folder) / "optimised.onnx")
        # It warns that the optimised file suits this machine only, but the file is discarded.
        options.log_severity_level = 3
        onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        nodes = onnx.load(options.optimized_model_filepath).graph.node
    fused = Counter(node.op_type for node in nodes if _is_fused(node))
    return Optimised(len(nodes), dict(sorted(fused.items())))


def _parameters_in_blocks(product: onnx.NodeProto) -> int:
    """Inputs times outputs of a product whose matrix is stored in padded blocks."""
    sizes = {attribute.name: attribute.i for attribute in product.attribute}
    return int(sizes["K"] * sizes["N"])


def _is_weight(tensor: onnx.TensorProto) -> bool:
    if not tensor.dims or tensor.name.endswith(_OF_QUANTISATION):
        return False
    return tensor.data_type in _WEIGHTS


def _is_fused(node: onnx.NodeProto) -> bool:
    return node.domain in _FUSED_DOMAINS or node.op_type in _FUSED_STANDARD
