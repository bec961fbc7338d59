import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper, numpy_helper
from torch import Tensor
from transformers import PreTrainedModel

from zoo.export.onnx import export_onnx
from zoo.export.parity import compare
from zoo.export.quantise import quantise_int8

Make = Callable[[str], PreTrainedModel]


def test_weights_are_int8_and_properties_stay(tiny_model: Make, tmp_path: Path) -> None:
    """No large fp32 matrix is left, the file shrinks, and what it says of itself is kept."""
    source, target = tmp_path / "a.onnx", tmp_path / "b.onnx"
    export_onnx(tiny_model("bert-classes"), source, max_length=32, metadata={"digest": "d"})
    quantise_int8(source, target)
    graph = onnx.load(target)
    onnx.checker.check_model(graph)
    matrices = [weight for weight in graph.graph.initializer if np.prod(weight.dims) >= 32 * 32]
    assert len(matrices) >= 13
    integers = {onnx.TensorProto.INT8, onnx.TensorProto.UINT8}
    assert {weight.data_type for weight in matrices} <= integers
    assert {"MatMulInteger", "DynamicQuantizeLinear"} <= {node.op_type for node in graph.graph.node}
    assert target.stat().st_size < source.stat().st_size
    properties = {entry.key: entry.value for entry in graph.metadata_props}
    assert properties == {"digest": "d", "max_length": "32", "precision": "int8"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.onnx", "b.onnx"]


def test_every_column_has_its_own_scale_of_seven_bits(tmp_path: Path) -> None:
    """Columns of very different size keep their precision, and no weight uses the eighth bit."""
    weights = np.random.default_rng(0).normal(size=(16, 4)).astype(np.float32)
    weights *= np.array([1e-3, 1e-1, 1.0, 1e2], dtype=np.float32)
    source, target = tmp_path / "a.onnx", tmp_path / "b.onnx"
    onnx.save(_product(weights), source)
    quantise_int8(source, target)
    stored = {
        weight.name: numpy_helper.to_array(weight) for weight in onnx.load(target).graph.initializer
    }
    codes = next(value for value in stored.values() if value.shape == (16, 4))
    scales = next(value for name, value in stored.items() if name.endswith("_scale"))
    assert codes.dtype == np.int8
    assert np.abs(codes).max() <= 64
    assert scales.shape == (4,)
    assert (np.abs(codes * scales - weights) <= scales / 2 * 1.001).all()


def _product(weights: np.ndarray) -> onnx.ModelProto:
    kind = onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "product",
        [helper.make_tensor_value_info("x", kind, ["batch", weights.shape[0]])],
        [helper.make_tensor_value_info("y", kind, ["batch", weights.shape[1]])],
        [numpy_helper.from_array(weights, "w")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@pytest.mark.parametrize("name", ["bert-value", "distilbert-span", "roberta-classes"])
def test_int8_answers_stay_near(
    name: str, tiny_model: Make, batches: list[dict[str, Tensor]], tmp_path: Path
) -> None:
    """The int8 file runs at every shape and stays within a fifth of the largest logit."""
    model, source, target = tiny_model(name), tmp_path / "a.onnx", tmp_path / "b.onnx"
    export_onnx(model, source, max_length=60, metadata={})
    quantise_int8(source, target)
    parity = compare(model, target, batches)
    assert 0 < parity.max_abs_error < 0.2 * parity.reference_max
    assert onnxruntime.InferenceSession(target).get_modelmeta().custom_metadata_map


def test_stale_shapes_do_not_stop_it(tiny_model: Make, tmp_path: Path) -> None:
    """Shapes recorded wrongly inside the source, as some exporters do, are not believed."""
    source, target = tmp_path / "a.onnx", tmp_path / "b.onnx"
    export_onnx(tiny_model("bert-classes"), source, max_length=32, metadata={})
    graph = onnx.load(source)
    for node in graph.graph.node:
        if node.op_type == "MatMul":
            wrong = helper.make_tensor_value_info(node.output[0], onnx.TensorProto.FLOAT, [3, 999])
            graph.graph.value_info.append(wrong)
    onnx.save(graph, source)
    quantise_int8(source, target)
    assert target.is_file()


def test_quantiser_warns_nobody_who_listens(
    tiny_model: Make, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Where logging is set up no warning about a needless preprocessing arrives."""
    source = tmp_path / "a.onnx"
    export_onnx(tiny_model("bert-classes"), source, max_length=32, metadata={})
    quantise_int8(source, tmp_path / "b.onnx")
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


def test_quantiser_is_quiet_and_leaves_logging_alone(
    tiny_model: Make,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nothing is printed, and the root logger gains no handler, where it had none."""
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    source = tmp_path / "a.onnx"
    export_onnx(tiny_model("bert-classes"), source, max_length=32, metadata={})
    quantise_int8(source, tmp_path / "b.onnx")
    assert logging.getLogger().handlers == []
    assert capfd.readouterr() == ("", "")
