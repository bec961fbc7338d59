from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from tests import tiny
from zoo.export.graph import graph_parameters, optimised
from zoo.export.onnx import export_onnx
from zoo.export.quantise import quantise_int8
from zoo.models.cost import parameter_counts, stored_parameters


@pytest.mark.parametrize("task", ["inference", "span"])
@pytest.mark.parametrize("family", tiny.FAMILIES)
def test_torch_safetensors_and_onnx_count_alike(family: str, task: str, tmp_path: Path) -> None:
    """Model, checkpoint, fp32 file and int8 files hold the same number of numbers."""
    model = tiny.model(tiny.STUDENT.model_copy(update={"family": family}), task)
    model.save_pretrained(tmp_path)
    export_onnx(model, tmp_path / "a.onnx", max_length=48, metadata={})
    quantise_int8(tmp_path / "a.onnx", tmp_path / "b.onnx")
    quantise_int8(tmp_path / "a.onnx", tmp_path / "c.onnx", "blockwise")
    total = parameter_counts(model).total
    assert stored_parameters(tmp_path / "model.safetensors") == total
    assert graph_parameters(tmp_path / "a.onnx") == total
    assert graph_parameters(tmp_path / "b.onnx") == total
    assert graph_parameters(tmp_path / "c.onnx") == total


def test_constants_scales_and_zero_points_are_no_parameters(tmp_path: Path) -> None:
    """Of a graph made by hand what has an axis and is a weight counts, as often as it is used."""
    tensors = {
        "w": np.ones((2, 3), np.float32),
        "wide": np.ones((3, 3), np.float32),
        "unused": np.ones((4, 5), np.int8),
        "bias": np.ones(1, np.float32),
        "w_scale": np.ones(3, np.float32),
        "w_zero_point": np.ones(3, np.int8),
        "lowest": np.float32(-3e38),
        "shape": np.array([1, -1], np.int64),
    }
    kind = onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        [
            helper.make_node("MatMul", ["x", "w"], ["product"]),
            helper.make_node("MatMul", ["product", "wide"], ["wider"]),
            helper.make_node("Add", ["wider", "bias"], ["once"]),
            helper.make_node("Add", ["once", "bias"], ["shifted"]),
            helper.make_node("Max", ["shifted", "lowest", "w_scale"], ["y"]),
        ],
        "by hand",
        [helper.make_tensor_value_info("x", kind, ["batch", 2])],
        [helper.make_tensor_value_info("y", kind, ["batch", 3])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in tensors.items()],
    )
    onnx.save(helper.make_model(graph), tmp_path / "a.onnx")
    assert graph_parameters(tmp_path / "a.onnx") == 6 + 9 + 2 * 1


def test_fusions_are_those_that_a_session_makes(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Per layer one fused activation and two norms; int8 has its own products; files stay."""
    model, shape = tiny.model(task="inference"), tiny.STUDENT
    export_onnx(model, tmp_path / "a.onnx", max_length=48, metadata={})
    quantise_int8(tmp_path / "a.onnx", tmp_path / "b.onnx")
    before = (tmp_path / "a.onnx").read_bytes()
    full, small = optimised(tmp_path / "a.onnx"), optimised(tmp_path / "b.onnx")
    raw = onnx.load(tmp_path / "a.onnx").graph.node
    assert 0 < full.nodes < len(raw)
    assert full.fused["BiasGelu"] == shape.layers
    norms = ("LayerNormalization", "SkipLayerNormalization", "EmbedLayerNormalization")
    assert sum(full.fused.get(name, 0) for name in norms) == 2 * shape.layers + 1
    products = ("DynamicQuantizeMatMul", "MatMulIntegerToFloat")
    assert sum(small.fused.get(name, 0) for name in products) >= 6 * shape.layers
    assert (tmp_path / "a.onnx").read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.onnx", "b.onnx"]
    assert capfd.readouterr() == ("", "")
