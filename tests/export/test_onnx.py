import warnings
from collections.abc import Callable
from pathlib import Path

import onnx
import pytest
import torch
from transformers import BertConfig, BertForMaskedLM, PreTrainedModel

from zoo.errors import ExportError
from zoo.export.onnx import export_onnx, output_names
from zoo.export.routes import OPSETS
from zoo.models.configuration import input_names, longest_input

Make = Callable[[str], PreTrainedModel]

_THREE = ("input_ids", "attention_mask", "token_type_ids")
_TWO = ("input_ids", "attention_mask")


@pytest.mark.parametrize(
    ("name", "inputs", "outputs"),
    [
        ("bert-classes", _THREE, ("logits",)),
        ("bert-value", _THREE, ("logits",)),
        ("bert-span", _THREE, ("start_logits", "end_logits")),
        ("distilbert-classes", _TWO, ("logits",)),
        ("distilbert-span", _TWO, ("start_logits", "end_logits")),
        ("roberta-classes", _TWO, ("logits",)),
        ("electra-span", _THREE, ("start_logits", "end_logits")),
    ],
)
def test_names_and_dynamic_axes(
    name: str, inputs: tuple[str, ...], outputs: tuple[str, ...], tiny_model: Make, tmp_path: Path
) -> None:
    """The file has the inputs the model tells apart and the outputs of its head, batch dynamic."""
    model = tiny_model(name)
    assert input_names(model) == inputs
    assert output_names(model) == outputs
    file = tmp_path / "model.onnx"
    export_onnx(model, file, max_length=32, metadata={})
    graph = onnx.load(file).graph
    axes = ["batch", "sequence"]
    assert {entry.name: _axes(entry) for entry in graph.input} == dict.fromkeys(inputs, axes)
    wide = axes if len(outputs) == 2 else ["batch", model.config.num_labels]
    assert {entry.name: _axes(entry) for entry in graph.output} == dict.fromkeys(outputs, wide)


def _axes(entry: onnx.ValueInfoProto) -> list[str | int]:
    return [axis.dim_param or axis.dim_value for axis in entry.type.tensor_type.shape.dim]


def test_file_is_single_and_carries_opset_and_properties(tiny_model: Make, tmp_path: Path) -> None:
    """One file results, of the stated opset, valid, with the metadata inside."""
    file = tmp_path / "model.onnx"
    export_onnx(tiny_model("bert-classes"), file, max_length=32, metadata={"digest": "sha256:ab"})
    assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"]
    graph = onnx.load(file)
    onnx.checker.check_model(graph, full_check=True)
    assert [(entry.domain, entry.version) for entry in graph.opset_import] == [
        ("", OPSETS["torchscript"])
    ]
    properties = {entry.key: entry.value for entry in graph.metadata_props}
    assert properties == {
        "digest": "sha256:ab",
        "max_length": "32",
        "precision": "fp32",
        "route": "torchscript",
    }


def test_same_model_gives_the_same_bytes(tiny_model: Make, tmp_path: Path) -> None:
    """Two exports of one model do not differ in a byte."""
    model = tiny_model("bert-span")
    for name in ("a.onnx", "b.onnx"):
        export_onnx(model, tmp_path / name, max_length=32, metadata={"b": "2", "a": "1"})
    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes()


@pytest.mark.parametrize("training", [True, False])
def test_model_is_left_as_it_was(training: bool, tiny_model: Make, tmp_path: Path) -> None:
    """Mode, attention implementation, gradients and weights of the model are untouched."""
    model = tiny_model("bert-classes").train(training)
    model.set_attn_implementation("sdpa")
    weights = {key: value.clone() for key, value in model.state_dict().items()}
    export_onnx(model, tmp_path / "model.onnx", max_length=32, metadata={})
    assert all(module.training == training for module in model.modules())
    assert model.config._attn_implementation == "sdpa"
    assert all(parameter.requires_grad for parameter in model.parameters())
    assert all(torch.equal(value, weights[key]) for key, value in model.state_dict().items())


@pytest.mark.parametrize("name", ["bert-classes", "distilbert-span", "roberta-classes"])
def test_no_warning_reaches_the_user(
    name: str, tiny_model: Make, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Exporting prints and warns nothing, though every warning is on."""
    model = tiny_model(name)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        export_onnx(model, tmp_path / "model.onnx", max_length=32, metadata={})
    assert capfd.readouterr() == ("", "")


def test_roberta_has_two_positions_fewer(tiny_model: Make) -> None:
    """RoBERTa counts positions from its padding piece (1), so 64 positions hold 62 pieces."""
    assert longest_input(tiny_model("bert-classes").config) == 64
    assert longest_input(tiny_model("roberta-classes").config) == 62


def test_all_obstacles_are_reported_at_once(tmp_path: Path) -> None:
    """A model with no head, in the wrong precision, asked for too much, is told all three."""
    config = BertConfig(
        vocab_size=10,
        hidden_size=8,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=8,
        max_position_embeddings=16,
    )
    model = BertForMaskedLM(config).to(torch.bfloat16)
    with pytest.raises(ExportError) as caught:
        export_onnx(model, tmp_path / "model.onnx", max_length=17, metadata={})
    head, dtype, length = (str(problem) for problem in caught.value.problems)
    assert head == (
        "BertForMaskedLM: unsupported model head\n"
        "  allowed: a class named *ForSequenceClassification or"
        " a class named *ForQuestionAnswering\n"
        "  fix: load the checkpoint with the AutoModel class of its task"
    )
    assert dtype == (
        "BertForMaskedLM: dtype: weights in torch.bfloat16\n"
        "  allowed: torch.float32\n"
        "  fix: load the checkpoint with dtype=torch.float32"
    )
    assert length == (
        "BertForMaskedLM: max_length: 17 tokens\n"
        "  allowed: 1 to 16, the number of positions of the model\n"
        "  fix: reduce the task's max_length or use a model with more positions"
    )
    assert not list(tmp_path.iterdir())


def test_output_names_of_a_headless_model() -> None:
    """Asked by itself, the name of the outputs of such a model is refused too."""
    config = BertConfig(vocab_size=10, hidden_size=8, num_hidden_layers=1, num_attention_heads=2)
    with pytest.raises(ExportError, match="BertForMaskedLM: unsupported model head"):
        output_names(BertForMaskedLM(config))
