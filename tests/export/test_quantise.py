import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import helper, numpy_helper
from transformers import PreTrainedModel

from tests import tiny
from zoo.data.batches import Encoded, collate
from zoo.evaluation.predict import forward_of
from zoo.export.exam import exam_of
from zoo.export.graph import graph_parameters
from zoo.export.half import halve
from zoo.export.onnx import export_onnx
from zoo.export.parity import measure_parity
from zoo.export.quantise import InputFeed, quantise_int8, quantise_int8_static
from zoo.export.session import forward_of_file
from zoo.models.configuration import input_names
from zoo.models.cost import parameter_counts
from zoo.spec.bench import Scheme

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
    assert properties == {
        "digest": "d",
        "max_length": "32",
        "precision": "int8",
        "route": "torchscript",
    }
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


@pytest.mark.parametrize("task", ["inference", "similarity", "span"])
@pytest.mark.parametrize("family", tiny.FAMILIES)
def test_answers_stay_near_in_every_precision(family: str, task: str, tmp_path: Path) -> None:
    """Every precision and int8 scheme runs at every shape, near the model, smaller than fp32."""
    model = tiny.model(tiny.STUDENT.model_copy(update={"family": family}), task)
    encoded, source = tiny.encoded(task), tmp_path / "fp32.onnx"
    export_onnx(model, source, max_length=48, metadata={"digest": "d"})
    halve(source, tmp_path / "fp16.onnx")
    quantise_int8(source, tmp_path / "int8.onnx")
    quantise_int8_static(source, tmp_path / "int8-static.onnx", _feeds(model, encoded, 16))
    schemes = ("mixed", "blockwise", "static")
    for scheme in schemes:
        feeds = _feeds(model, encoded, 16)
        quantise_int8(source, tmp_path / f"{scheme}.onnx", scheme, feeds)
    exam, total = exam_of(encoded, tiny.SETTINGS), parameter_counts(model).total
    within = {"fp16": 0.02, "int8": 0.2, "int8-static": 0.25, "mixed": 0.2, "blockwise": 0.1}
    for name, share in (within | {"static": 0.25}).items():
        file = tmp_path / f"{name}.onnx"
        parity = measure_parity(forward_of(model), forward_of_file(file), exam)
        assert 0 < parity.max_abs_error < share * max(parity.reference_max, 0.1)
        assert graph_parameters(file) == total
        assert file.stat().st_size < source.stat().st_size
        properties = onnxruntime.InferenceSession(file).get_modelmeta().custom_metadata_map
        precision = "int8" if name in schemes else name
        assert (properties["precision"], properties["digest"]) == (precision, "d")


def _feeds(model: PreTrainedModel, encoded: Encoded, rows: int) -> Iterator[InputFeed]:
    for row in range(rows):
        batch = collate(encoded, [row])
        yield {name: getattr(batch, name).numpy() for name in input_names(model)}


@pytest.mark.parametrize(("scheme", "in_blocks"), [("mixed", 2), ("blockwise", 12)])
def test_blocks_have_scales_of_their_own(scheme: Scheme, in_blocks: int, tmp_path: Path) -> None:
    """Mixed: the products that narrow, one a layer; blockwise: all six of a layer.

    They compute in int8, and what is left is scaled by call.
    """
    source, target = tmp_path / "a.onnx", tmp_path / "b.onnx"
    export_onnx(tiny.model(task="inference"), source, max_length=48, metadata={})
    quantise_int8(source, target, scheme)
    nodes = onnx.load(target).graph.node
    products = [node for node in nodes if node.op_type == "MatMulNBits"]
    assert len(products) == in_blocks
    for node in products:
        stated = {one.name: helper.get_attribute_value(one) for one in node.attribute}
        assert (stated["bits"], stated["block_size"], stated["accuracy_level"]) == (8, 128, 4)
        assert scheme == "blockwise" or stated["N"] < stated["K"]
    left = [node for node in nodes if node.op_type == "MatMulInteger"]
    assert len(left) == 12 - in_blocks + 2  # and the head's two


def test_a_large_input_only_coarsens_its_own_block(tmp_path: Path) -> None:
    """One outlier among 1,024 inputs: blocks keep the others, one scale for a call does not."""
    random = np.random.default_rng(0)
    weights = random.normal(size=(1024, 32)).astype(np.float32)
    given = random.normal(size=(4, 1024)).astype(np.float32)
    given[:, 0], weights[0] = 500.0, 0.0
    onnx.save(_product(weights), tmp_path / "full.onnx")
    errors = {}
    for scheme in ("dynamic", "blockwise"):
        file = tmp_path / f"{scheme}.onnx"
        quantise_int8(tmp_path / "full.onnx", file, scheme)
        answer = onnxruntime.InferenceSession(file).run(None, {"x": given})[0]
        errors[scheme] = float(np.abs(answer - given @ weights).mean())
    assert errors["blockwise"] < 0.8 * errors["dynamic"], errors


def test_fp16_answers_in_fp32(tmp_path: Path) -> None:
    """Logits come back as 32 bits, and every matrix inside has 16."""
    export_onnx(tiny.model(task="inference"), tmp_path / "a.onnx", max_length=48, metadata={})
    halve(tmp_path / "a.onnx", tmp_path / "b.onnx")
    graph = onnx.load(tmp_path / "b.onnx").graph
    assert graph.output[0].type.tensor_type.elem_type == onnx.TensorProto.FLOAT
    kinds = {weight.data_type for weight in graph.initializer if len(weight.dims) == 2}
    assert kinds == {onnx.TensorProto.FLOAT16}


def test_static_scales_are_those_of_the_feeds(tmp_path: Path) -> None:
    """A product with a weight takes its input's scale from the least and greatest it was shown."""
    model, encoded = tiny.model(task="inference"), tiny.encoded("inference")
    export_onnx(model, tmp_path / "a.onnx", max_length=48, metadata={})
    feeds = list(_feeds(model, encoded, 8))
    quantise_int8_static(tmp_path / "a.onnx", tmp_path / "b.onnx", feeds)
    graph = onnx.load(tmp_path / "b.onnx").graph
    stored = {weight.name: numpy_helper.to_array(weight) for weight in graph.initializer}
    scale, zero = _scale_of_query_input(graph, stored)
    seen: list[np.ndarray] = []
    layer = model.eval().bert.encoder.layer[0].attention.self.query
    handle = layer.register_forward_hook(lambda _, given, __: seen.append(given[0].numpy()))
    with torch.no_grad():
        for feed in feeds:
            model(**{name: torch.from_numpy(value) for name, value in feed.items()})
    handle.remove()
    least, greatest = min(x.min() for x in seen), max(x.max() for x in seen)
    levels = 255 if scale < (greatest - least) / 200 else 127
    assert scale == pytest.approx((greatest - least) / levels, rel=1e-3)
    assert zero == pytest.approx(-least / scale, abs=1)


def _scale_of_query_input(
    graph: onnx.GraphProto, stored: dict[str, np.ndarray]
) -> tuple[float, float]:
    made = {output: node for node in graph.node for output in node.output}
    product = next(node for node in graph.node if node.op_type == "MatMul" and "query" in node.name)
    through = made[product.input[0]]
    assert through.op_type == "DequantizeLinear"
    return float(stored[through.input[1]]), float(stored[through.input[2]])


def test_static_quantisation_leaves_scores_and_mask_alone(tmp_path: Path) -> None:
    """No scale is taken of what is added to scores: padding would stretch it beyond all use."""
    model, encoded = tiny.model(task="inference"), tiny.encoded("inference")
    export_onnx(model, tmp_path / "a.onnx", max_length=48, metadata={})
    quantise_int8_static(tmp_path / "a.onnx", tmp_path / "b.onnx", _feeds(model, encoded, 4))
    graph = onnx.load(tmp_path / "b.onnx").graph
    made = {output: node.op_type for node in graph.node for output in node.output}
    added = [node for node in graph.node if node.op_type == "Add" and "self" in node.name]
    scored = [node for node in graph.node if node.op_type == "Softmax"]
    assert len(scored) == tiny.STUDENT.layers
    masked = [node for node in added if scored[0].input[0] in node.output]
    assert len(masked) == 1
    for node in (*masked, *scored):
        assert all(made.get(name) != "DequantizeLinear" for name in node.input), node.name


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
    quantise_int8(source, tmp_path / "b.onnx", "mixed")
    assert logging.getLogger().handlers == []
    assert capfd.readouterr() == ("", "")
