import warnings
from collections.abc import Callable
from pathlib import Path

import onnx
import pytest
from transformers import PreTrainedModel

from tests import tiny
from zoo.evaluation.predict import forward_of
from zoo.export.exam import exam_of
from zoo.export.graph import graph_parameters
from zoo.export.half import halve
from zoo.export.onnx import export_onnx
from zoo.export.parity import Limits, checked, measure_parity
from zoo.export.quantise import quantise_int8
from zoo.export.routes import OPSETS, ROUTES, Route
from zoo.export.session import forward_of_file

Make = Callable[[str], PreTrainedModel]


def _face(path: Path) -> dict[str, object]:
    """Names, types and axes of inputs and outputs, and the properties but for the route."""
    model = onnx.load(path)
    entries = [*model.graph.input, *model.graph.output]
    axes = {
        entry.name: (
            entry.type.tensor_type.elem_type,
            [axis.dim_param or axis.dim_value for axis in entry.type.tensor_type.shape.dim],
        )
        for entry in entries
    }
    properties = {entry.key: entry.value for entry in model.metadata_props}
    route = properties.pop("route")
    assert (route, model.opset_import[0].version) == (path.stem, OPSETS[path.stem])
    return {"axes": axes, "properties": properties}


@pytest.mark.parametrize("task", ["inference", pytest.param("span", marks=pytest.mark.slow)])
def test_both_routes_have_one_face_and_one_answer(
    task: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """By either route: one file, equal inputs, outputs, axes and properties, the model's answers.

    The dynamo graph is quantised and halved too, though its shapes would mislead the quantiser.
    """
    model, exam = tiny.model(task=task), exam_of(tiny.encoded(task), tiny.SETTINGS)
    for route in ROUTES:

        def write(path: Path, route: Route = route) -> None:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                export_onnx(model, path, max_length=48, metadata={"digest": "d"}, route=route)

        checked(
            write,
            tmp_path / f"{route}.onnx",
            model=forward_of(model),
            exam=exam,
            limits=Limits(tolerance=1e-5, flips=0.0),
        )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dynamo.onnx", "torchscript.onnx"]
    assert capfd.readouterr() == ("", "")
    first, second = (_face(tmp_path / f"{route}.onnx") for route in ROUTES)
    assert first == second
    dynamo, small, half = (tmp_path / f"{name}.onnx" for name in ("dynamo", "int8", "fp16"))
    quantise_int8(dynamo, small)
    halve(dynamo, half)
    assert graph_parameters(dynamo) == graph_parameters(tmp_path / "torchscript.onnx")
    for file, error in ((small, 0.2), (half, 0.01)):
        parity = measure_parity(forward_of(model), forward_of_file(file), exam)
        assert 0 < parity.max_abs_error < error


def test_torchscript_keeps_the_shapes_dynamic_after_all_it_folds(
    tiny_model: Make, tmp_path: Path
) -> None:
    """No shape of the example that was traced is left inside the graph."""
    export_onnx(tiny_model("bert-classes"), tmp_path / "a.onnx", max_length=32, metadata={})
    assert list(onnx.load(tmp_path / "a.onnx").graph.value_info) == []
