import math
from collections.abc import Callable
from dataclasses import FrozenInstanceError, replace
from pathlib import Path

import onnx
import pytest
import torch
from torch import Tensor
from transformers import PreTrainedModel

from zoo.errors import ExportError
from zoo.export import parity as room
from zoo.export.onnx import export_onnx
from zoo.export.parity import Limits, Parity, compare, export_checked, gate, quantise_checked

Make = Callable[[str], PreTrainedModel]
Batches = list[dict[str, Tensor]]

_SHAPES = ((1, 5), (3, 17), (8, 32), (2, 60))
_STRICT = Limits(tolerance=1e-4, max_flip_rate=0.0)
_FINE = Parity(1e-6, 0, 14, _SHAPES, 2.0)


@pytest.mark.parametrize(
    "name",
    [
        "bert-classes",
        "bert-value",
        "bert-span",
        "distilbert-classes",
        "distilbert-span",
        "roberta-classes",
        "electra-span",
    ],
)
def test_exported_file_agrees(
    name: str, tiny_model: Make, batches: Batches, tmp_path: Path
) -> None:
    """Every layout answers as its model does at four shapes with padding, and the mode is kept."""
    model, file = tiny_model(name), tmp_path / "deep" / "model.onnx"
    parity = export_checked(
        model, file, batches=batches, limits=_STRICT, max_length=60, metadata={"digest": "d"}
    )
    assert parity.shapes == _SHAPES
    assert parity.compared == 14
    assert parity.flips == 0
    assert parity.max_abs_error < 1e-5
    assert parity.reference_max > 0.1
    assert [path.name for path in file.parent.iterdir()] == ["model.onnx"]
    assert model.training


def test_numbers_are_those_of_a_loop(tiny_model: Make, batches: Batches, tmp_path: Path) -> None:
    """Error, flips and reference are what a loop over single examples finds, for a bent file."""
    model, file = tiny_model("bert-span").eval(), tmp_path / "model.onnx"
    export_onnx(model, file, max_length=60, metadata={})
    other = tiny_model("bert-span").eval()
    with torch.no_grad():
        other.qa_outputs.weight.add_(torch.randn(2, 32, generator=_generator()) * 0.3)
    error, flips, largest = 0.0, 0, 0.0
    for batch in batches:
        for row in range(len(batch["input_ids"])):
            count = int(batch["attention_mask"][row].sum())
            alone = {name: value[row : row + 1, :count] for name, value in batch.items()}
            with torch.no_grad():
                ours, theirs = other(**alone), model(**alone)
            moved = False
            for name in ("start_logits", "end_logits"):
                error = max(error, (ours[name] - theirs[name]).abs().max().item())
                largest = max(largest, ours[name].abs().max().item())
                moved = moved or bool(ours[name].argmax() != theirs[name].argmax())
            flips += moved
    found = compare(other, file, batches)
    assert found.flips == flips > 0
    assert found.max_abs_error == pytest.approx(error, rel=1e-4)
    assert found.reference_max == pytest.approx(largest, rel=1e-4)


def test_class_flips_are_counted_per_example(
    tiny_model: Make, batches: Batches, tmp_path: Path
) -> None:
    """A file whose classes are swapped flips exactly the examples that had one of the two."""
    model, file = tiny_model("bert-classes").eval(), tmp_path / "model.onnx"
    export_onnx(model, file, max_length=60, metadata={})
    swapped = tiny_model("bert-classes").eval()
    order = torch.tensor([1, 0, 2])
    with torch.no_grad():
        swapped.classifier.weight.copy_(model.classifier.weight[order])
        swapped.classifier.bias.copy_(model.classifier.bias[order])
        chosen = torch.cat([model(**batch).logits.argmax(-1) for batch in batches])
    expected = int((chosen != 2).sum())
    assert 0 < compare(swapped, file, batches).flips == expected


def test_padding_of_a_span_model_counts_nowhere(
    tiny_model: Make, batches: Batches, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever a file answers on padding, the verdict is the same."""
    model, file = tiny_model("bert-span"), tmp_path / "model.onnx"
    export_onnx(model, file, max_length=60, metadata={})
    honest, run = compare(model, file, batches), room._run

    def wild(session: object, fed: dict[str, Tensor]) -> list[Tensor]:
        padding = ~fed["attention_mask"].bool()
        return [answer.masked_fill(padding, 1e9) for answer in run(session, fed)]

    monkeypatch.setattr(room, "_run", wild)
    assert compare(model, file, batches) == honest


@pytest.mark.parametrize("name", ["bert-classes", "bert-value", "distilbert-span"])
def test_perturbed_file_is_caught_and_leaves_nothing(
    name: str,
    tiny_model: Make,
    batches: Batches,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A file with bent weights is refused, and no file stands there, not even an older one."""
    file = tmp_path / "model.onnx"
    file.write_bytes(b"an older model")

    def broken(model: PreTrainedModel, path: Path, **settings: object) -> None:
        export_onnx(model, path, **settings)
        graph = onnx.load(path)
        for weight in graph.graph.initializer:
            if weight.data_type == onnx.TensorProto.FLOAT:
                bent = onnx.numpy_helper.to_array(weight) * 1.05
                weight.CopyFrom(onnx.numpy_helper.from_array(bent, weight.name))
        onnx.save(graph, path)

    monkeypatch.setattr(room, "export_onnx", broken)
    with pytest.raises(ExportError, match=r"model\.onnx: logits differ from the model's by up to"):
        export_checked(
            tiny_model(name), file, batches=batches, limits=_STRICT, max_length=60, metadata={}
        )
    assert list(tmp_path.iterdir()) == []


def test_dropped_mask_is_caught(
    tiny_model: Make, batches: Batches, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that reads padding is refused, because batches are padded."""
    run = room._run

    def blind(session: object, fed: dict[str, Tensor]) -> list[Tensor]:
        return run(session, {**fed, "attention_mask": torch.ones_like(fed["attention_mask"])})

    monkeypatch.setattr(room, "_run", blind)
    with pytest.raises(ExportError, match="logits differ"):
        export_checked(
            tiny_model("bert-classes"),
            tmp_path / "model.onnx",
            batches=batches,
            limits=_STRICT,
            max_length=60,
            metadata={},
        )


def test_int8_is_gated_too(tiny_model: Make, batches: Batches, tmp_path: Path) -> None:
    """An int8 file passes limits made for int8, and fails those of fp32 without leaving a file."""
    model, source, target = tiny_model("bert-classes"), tmp_path / "a.onnx", tmp_path / "b.onnx"
    export_onnx(model, source, max_length=60, metadata={})
    loose = Limits(tolerance=1.0, max_flip_rate=0.3)
    parity = quantise_checked(model, source, target, batches=batches, limits=loose)
    assert 1e-4 < parity.max_abs_error < 1.0
    assert target.is_file()
    with pytest.raises(ExportError, match=r"at most 0\.0001"):
        quantise_checked(model, source, target, batches=batches, limits=_STRICT)
    assert [path.name for path in tmp_path.iterdir()] == ["a.onnx"]


def test_gate_message_has_its_four_parts() -> None:
    """A breach of both limits says where, how far, what is allowed and what to do, for each."""
    bad = Parity(0.5, 3, 12, ((4, 8), (8, 32)), 2.25)
    with pytest.raises(ExportError) as caught:
        gate(bad, tolerance=0.001, max_flip_rate=0.05, where="build/model.onnx")
    tried = "12 examples, batch x length 4x8, 8x32"
    do = "do not use this file; export again, and report the model if it happens again"
    assert str(caught.value) == (
        "build/model.onnx: logits differ from the model's by up to 0.5 "
        f"(largest logit 2.25; {tried})\n  allowed: at most 0.001\n  do: {do}\n"
        f"build/model.onnx: 3 of 12 answers changed ({tried})\n"
        f"  allowed: a share of at most 0.05\n  do: {do}"
    )


def test_gate_lets_agreement_pass_up_to_the_limit() -> None:
    """The limits themselves are allowed."""
    gate(_FINE, tolerance=1e-6, max_flip_rate=0.0, where="x")
    gate(replace(_FINE, flips=7), tolerance=1e-6, max_flip_rate=0.5, where="x")


def test_gate_refuses_what_is_not_a_number() -> None:
    """An error of nan, which compares false with every limit, does not pass."""
    with pytest.raises(ExportError, match="differ from the model's by up to nan"):
        gate(replace(_FINE, max_abs_error=math.nan), tolerance=9.0, max_flip_rate=1.0, where="x")


def test_nan_of_a_file_reaches_the_parity(
    tiny_model: Make, batches: Batches, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One nan in one batch makes the whole error nan, in whatever order the batches come."""
    model, file, run = tiny_model("bert-value"), tmp_path / "model.onnx", room._run
    export_onnx(model, file, max_length=60, metadata={})

    def broken(session: object, fed: dict[str, Tensor]) -> list[Tensor]:
        answers = run(session, fed)
        if fed["input_ids"].shape == (3, 17):
            answers[0][1, 0] = math.nan
        return answers

    monkeypatch.setattr(room, "_run", broken)
    assert math.isnan(compare(model, file, batches).max_abs_error)


def test_gate_refuses_an_empty_comparison(tiny_model: Make, tmp_path: Path) -> None:
    """Nothing compared is nothing shown."""
    model, file = tiny_model("bert-value"), tmp_path / "model.onnx"
    export_onnx(model, file, max_length=60, metadata={})
    empty = compare(model, file, [])
    assert (empty.compared, empty.shapes) == (0, ())
    assert math.isnan(empty.flip_rate)
    with pytest.raises(ExportError) as caught:
        gate(empty, tolerance=1.0, max_flip_rate=1.0, where="x")
    assert str(caught.value) == (
        "x: compared on no example\n  allowed: at least one\n  do: pass batches of the dev set"
    )


def test_parity_is_frozen() -> None:
    """A verdict cannot be edited."""
    with pytest.raises(FrozenInstanceError):
        _FINE.flips = 1  # type: ignore[misc]


def _generator() -> torch.Generator:
    return torch.Generator().manual_seed(3)
