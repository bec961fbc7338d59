import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import onnx
import pytest
import torch
from torch import Tensor
from transformers import PreTrainedModel

from tests import tiny
from zoo.data.batches import collate
from zoo.errors import ExportError
from zoo.evaluation.predict import Forward, forward_of
from zoo.export.exam import Exam, exam_of
from zoo.export.onnx import export_onnx
from zoo.export.parity import Limits, Parity, checked, gate, measure_parity
from zoo.export.session import forward_of_file
from zoo.tensors.batch import Batch

_STRICT = Limits(tolerance=1e-5, flips=0.0)
_FINE = Parity(1e-6, 2.0, 0, 14, ((1, 5), (3, 17)), "accuracy", 0.5, 0.5, 1e-7)


def _exam(task: str, examples: int = 32) -> Exam:
    return exam_of(tiny.encoded(task, examples), tiny.SETTINGS)


def _writer(model: PreTrainedModel) -> Callable[[Path], None]:
    return lambda path: export_onnx(model, path, max_length=48, metadata={})


@pytest.mark.parametrize("task", ["inference", "similarity", "span"])
@pytest.mark.parametrize("family", tiny.FAMILIES)
def test_exported_file_agrees(family: str, task: str, tmp_path: Path) -> None:
    """Every family and head answers as its model does at five shapes and more with padding."""
    model = tiny.model(tiny.STUDENT.model_copy(update={"family": family}), task)
    file, exam = tmp_path / "deep" / "model.onnx", _exam(task)
    parity = checked(_writer(model), file, model=forward_of(model), exam=exam, limits=_STRICT)
    assert parity.shapes == exam.shapes
    assert len(parity.shapes) >= 5
    assert parity.compared == 32
    assert parity.flips == 0
    assert parity.reference_max > 1e-2
    assert parity.metric_file == pytest.approx(parity.metric_model, abs=1e-4)
    assert [path.name for path in file.parent.iterdir()] == ["model.onnx"]


def _bent(forward: Forward, change: float) -> Forward:
    """Logits moved by noise that depends on the row alone."""

    def bent(batch: Batch) -> Tensor:
        logits = forward(batch)
        noise = [
            torch.randn(48, *logits.shape[2:], generator=tiny.generator(r)) for r in batch.rows
        ]
        wide = torch.stack(noise)[:, : logits.shape[1]]
        return logits + change * wide

    return bent


def test_numbers_of_a_classifier_are_those_of_a_loop() -> None:
    """Error, flips and metric are what a loop over examples finds, each alone without padding."""
    exam, forward = _exam("inference"), forward_of(tiny.model(task="inference"))
    bent = _bent(forward, 0.2)
    error, flips, right, still = 0.0, 0, 0, 0
    for row, example in enumerate(exam.encoded.split.examples):
        alone = collate(exam.encoded, [row])
        ours, theirs = forward(alone)[0], bent(alone)[0]
        error = max(error, (ours - theirs).abs().max().item())
        flips += int(ours.argmax() != theirs.argmax())
        right += int(ours.argmax() == example.label)
        still += int(theirs.argmax() == example.label)
    found = measure_parity(forward, bent, exam)
    assert found.flips == flips > 0
    assert found.max_abs_error == pytest.approx(error, rel=1e-4)
    assert found.metric == "accuracy"
    assert found.metric_model == pytest.approx(right / 32)
    assert found.metric_file == pytest.approx(still / 32)


def test_spans_flip_per_question_after_decoding() -> None:
    """Logits that move without changing the decoded text flip nothing; others flip a question."""
    exam, forward = _exam("span"), forward_of(tiny.model(task="span"))

    def lifted(batch: Batch) -> Tensor:
        return forward(batch) + 5.0

    same = measure_parity(forward, lifted, exam)
    assert same.flips == 0
    assert same.max_abs_error == pytest.approx(5.0, rel=1e-5)
    assert same.metric == "f1"
    assert same.metric_file == same.metric_model

    def withheld(batch: Batch) -> Tensor:
        logits = forward(batch).clone()
        logits[:, 0] += 100.0
        return logits

    none = measure_parity(forward, withheld, exam)
    questions = len(exam.encoded.split.examples)
    assert 0 < none.flips <= questions == none.compared


def test_numbers_do_not_flip() -> None:
    """A regression has no answer that could change, only an error and a metric."""
    forward = forward_of(tiny.model(task="similarity"))
    found = measure_parity(forward, _bent(forward, 0.1), _exam("similarity"))
    assert found.flips == 0
    assert found.max_abs_error > 0.1
    assert found.metric_file != found.metric_model


def test_padding_of_a_span_model_counts_nowhere() -> None:
    """Whatever a file answers on padding, the verdict is the same."""
    exam, forward = _exam("span"), forward_of(tiny.model(task="span"))

    def wild(batch: Batch) -> Tensor:
        return forward(batch).masked_fill(~batch.real[..., None], 1e9)

    assert measure_parity(forward, wild, exam) == measure_parity(forward, forward, exam)


def test_one_nan_makes_the_error_nan() -> None:
    """One nan in one batch reaches the verdict, in whatever order the batches come."""
    exam, forward = _exam("inference"), forward_of(tiny.model(task="inference"))

    def broken(batch: Batch) -> Tensor:
        logits = forward(batch).clone()
        logits[[row == 17 for row in batch.rows], 0] = math.nan
        return logits

    assert math.isnan(measure_parity(forward, broken, exam).max_abs_error)
    with pytest.raises(ExportError, match="by up to nan"):
        gate(measure_parity(forward, broken, exam), Limits(), "x")


@pytest.mark.parametrize("task", ["inference", "similarity", "span"])
def test_perturbed_file_is_caught_and_leaves_nothing(task: str, tmp_path: Path) -> None:
    """A file with bent weights is refused, and no file stands there, not even an older one."""
    file, model = tmp_path / "model.onnx", tiny.model(task=task)
    file.write_bytes(b"an older model")

    def broken(path: Path) -> None:
        _writer(model)(path)
        graph = onnx.load(path)
        for weight in graph.graph.initializer:
            if weight.data_type == onnx.TensorProto.FLOAT:
                bent = onnx.numpy_helper.to_array(weight) * 1.05
                weight.CopyFrom(onnx.numpy_helper.from_array(bent, weight.name))
        onnx.save(graph, path)

    with pytest.raises(ExportError, match=r"model\.onnx: logits differ from the model's by up to"):
        checked(broken, file, model=forward_of(model), exam=_exam(task), limits=_STRICT)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_reads_padding_is_caught(tmp_path: Path) -> None:
    """A mask that is dropped shows, because batches are padded."""
    file, model = tmp_path / "model.onnx", tiny.model(task="inference")
    _writer(model)(file)
    honest = forward_of_file(file)

    def blind(batch: Batch) -> Tensor:
        return honest(replace(batch, attention_mask=torch.ones_like(batch.attention_mask)))

    with pytest.raises(ExportError, match="logits differ"):
        gate(measure_parity(forward_of(model), blind, _exam("inference")), _STRICT, "x")


def test_gate_message_has_its_four_parts() -> None:
    """A breach of all limits says where, how far, what is allowed and what to do, for each."""
    bad = Parity(0.5, 2.25, 3, 12, ((4, 8), (8, 32)), "f1", 0.75, 0.5, 0.25)
    with pytest.raises(ExportError) as caught:
        gate(bad, Limits(tolerance=0.001, flips=0.05, loss=0.1), "build/model.onnx")
    tried = "12 examples, batch x length 4x8, 8x32"
    do = "do not use this file; export again, and report the model if it happens again"
    assert str(caught.value) == (
        "build/model.onnx: logits differ from the model's by up to 0.5 "
        f"(largest logit 2.25; {tried})\n  allowed: at most 0.00225\n  fix: {do}\n"
        f"build/model.onnx: 3 of 12 predictions changed ({tried})\n"
        f"  allowed: a share of at most 0.05\n  fix: {do}\n"
        f"build/model.onnx: f1 is 0.5, the model's 0.75 ({tried})\n"
        f"  allowed: a loss of at most 0.1\n  fix: {do}"
    )
    assert caught.value.exit_code == 1


def test_gate_lets_agreement_pass_up_to_the_limit() -> None:
    """The limits themselves are allowed, and a file may score better than its model."""
    gate(_FINE, Limits(tolerance=1e-6, flips=0.0, loss=0.0), "x")
    gate(replace(_FINE, max_abs_error=2e-6, reference_max=2.0), Limits(tolerance=1e-6), "x")
    gate(replace(_FINE, flips=7), Limits(flips=0.5), "x")
    gate(replace(_FINE, metric_file=0.375), Limits(loss=0.125), "x")
    gate(replace(_FINE, metric_file=1.0), Limits(loss=0.0), "x")


@pytest.mark.parametrize(
    ("beyond", "limits"),
    [
        ({"max_abs_error": math.nan}, Limits()),
        ({"max_abs_error": math.inf}, Limits()),
        ({"max_abs_error": 2.1e-6, "reference_max": 2.0}, Limits(tolerance=1e-6)),
        ({"flips": 8}, Limits(flips=0.5)),
        ({"metric_file": 0.374}, Limits(loss=0.125)),
    ],
)
def test_gate_refuses_what_is_just_beyond(beyond: dict[str, float], limits: Limits) -> None:
    """No limit has slack, and nan is beyond all of them."""
    with pytest.raises(ExportError):
        gate(replace(_FINE, **beyond), limits, "x")


def _of_one_length(task: str, examples: int) -> Exam:
    """Real examples, all cut to one length, as texts are that are longer than `max_length`."""
    encoded = tiny.encoded(task, examples)
    shortest = min(len(feature.input_ids) for feature in encoded.features)
    cut = [
        replace(
            feature,
            input_ids=feature.input_ids[:shortest],
            token_type_ids=feature.token_type_ids[:shortest],
            offsets=feature.offsets[:shortest],
            answerable=feature.answerable[:shortest],
        )
        for feature in encoded.features
    ]
    return exam_of(replace(encoded, features=tuple(cut)), tiny.SETTINGS)


@pytest.mark.parametrize("examples", [1, 2, 32])
@pytest.mark.parametrize("task", ["inference", "similarity", "span"])
def test_texts_of_one_length_are_compared_with_padding(
    task: str, examples: int, tmp_path: Path
) -> None:
    """A file passes, and so few or alike examples still find a mask that is not read."""
    model, exam = tiny.model(task=task), _of_one_length(task, examples)
    parity = checked(
        _writer(model), tmp_path / "m.onnx", model=forward_of(model), exam=exam, limits=_STRICT
    )
    assert len(parity.shapes) >= 5
    assert parity.compared == examples
    forward = forward_of(model)

    def blind(batch: Batch) -> Tensor:
        return forward(replace(batch, attention_mask=torch.ones_like(batch.attention_mask)))

    found = measure_parity(forward, blind, exam)
    assert found.flips == 0
    with pytest.raises(ExportError, match="logits differ from the model's"):
        gate(found, _STRICT, "x")
    assert measure_parity(forward, blind, replace(exam, probes=())).max_abs_error < 1e-5


def test_too_small_an_exam_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    """A comparison that could show little is none, though the file would have passed it."""
    model, exam = tiny.model(task="inference"), replace(_exam("inference", 4), probes=())
    with pytest.raises(ExportError, match="in only"):
        checked(
            _writer(model),
            tmp_path / "model.onnx",
            model=forward_of(model),
            exam=exam,
            limits=_STRICT,
        )
    assert list(tmp_path.iterdir()) == []


def test_an_undefined_metric_is_a_loss_only_where_the_model_has_one() -> None:
    """A constant file of a model with a correlation is refused; without one nothing is lost."""
    gate(replace(_FINE, metric_model=None), Limits(loss=0.0), "x")
    gate(replace(_FINE, metric_model=None, metric_file=None), Limits(loss=0.0), "x")
    with pytest.raises(ExportError, match=r"accuracy is undefined, the model's 0\.5"):
        gate(replace(_FINE, metric_file=None), Limits(loss=1.0), "x")
