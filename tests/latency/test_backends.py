from pathlib import Path

import onnxruntime
import pytest
import torch
from transformers import (
    BertConfig,
    BertForMaskedLM,
    DistilBertConfig,
    DistilBertForQuestionAnswering,
    RobertaConfig,
    RobertaForSequenceClassification,
)

from zoo.errors import MeasurementError
from zoo.export.onnx import export_onnx
from zoo.latency.backends import (
    OnnxRunner,
    TorchRunner,
    build,
    load_torch,
    random_inputs,
)
from zoo.latency.report import Request, Shape, Subject

_FP32 = torch.float32


def test_inputs_are_drawn_once_and_for_all(student: Subject) -> None:
    """Same seed, same pieces, all real, none of them padding, the whole vocabulary in use."""
    inputs = random_inputs(student.folder, 32, 64, seed=5)
    again = random_inputs(student.folder, 32, 64, seed=5)
    assert all(torch.equal(inputs[name], again[name]) for name in inputs)
    assert not torch.equal(
        inputs["input_ids"], random_inputs(student.folder, 32, 64, 6)["input_ids"]
    )
    assert set(inputs["input_ids"].flatten().tolist()) == set(range(1, 100))
    assert inputs["attention_mask"].min() == 1
    assert inputs["token_type_ids"].max() == 0


def test_length_beyond_the_positions_is_refused(student: Subject) -> None:
    """A length that the model has no positions for is named before anything runs."""
    with pytest.raises(MeasurementError) as caught:
        random_inputs(student.folder, 1, 65, seed=0)
    assert str(caught.value) == (
        f"{student.folder}: length: 65 pieces\n"
        "  allowed: 1 to 64, the positions of this checkpoint\n"
        "  do: measure shorter inputs"
    )


def test_roberta_runs_at_its_full_length(tmp_path: Path) -> None:
    """No piece drawn is RoBERTa's padding, by which it counts positions."""
    config = RobertaConfig(
        vocab_size=40,
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=34,
        type_vocab_size=1,
    )
    RobertaForSequenceClassification(config).save_pretrained(tmp_path)
    inputs = random_inputs(tmp_path, 16, 32, seed=0)
    assert set(inputs["input_ids"].flatten().tolist()) == set(range(40)) - {1}
    TorchRunner("one", load_torch(tmp_path, _FP32), inputs)()


def test_head_follows_the_configuration(tmp_path: Path, student: Subject) -> None:
    """A span checkpoint is opened as a span model, in DistilBERT's layout too."""
    config = DistilBertConfig(
        vocab_size=50, dim=32, n_layers=1, n_heads=4, hidden_dim=64, max_position_embeddings=64
    )
    DistilBertForQuestionAnswering(config).save_pretrained(tmp_path)
    model = load_torch(tmp_path, _FP32)
    assert type(model).__name__ == "DistilBertForQuestionAnswering"
    TorchRunner("one", model, random_inputs(tmp_path, 2, 8, seed=0))()
    assert type(load_torch(student.folder, _FP32)).__name__ == "BertForSequenceClassification"


def test_checkpoint_without_a_task_is_refused(tmp_path: Path) -> None:
    """A pretrained model has no head that a latency belongs to."""
    config = BertConfig(vocab_size=9, hidden_size=8, num_hidden_layers=1, num_attention_heads=2)
    BertForMaskedLM(config).save_pretrained(tmp_path)
    with pytest.raises(MeasurementError) as caught:
        load_torch(tmp_path, _FP32)
    assert str(caught.value) == (
        f"{tmp_path / 'config.json'}: architectures: BertForMaskedLM\n"
        "  allowed: *ForSequenceClassification or *ForQuestionAnswering\n"
        "  do: measure a checkpoint that was trained on a task"
    )


def test_every_runtime_is_built_and_says_what_runs_it(student: Subject, teacher: Subject) -> None:
    """Each runtime of each model can be called, and names its provider."""
    runtimes = ("torch-fp32", "torch-bf16", "onnx-fp32", "onnx-int8")
    shape = Shape(batch=2, length=16)
    request = Request(student=student, teacher=teacher, runtimes=runtimes, shapes=(shape,))
    found = {}
    for runtime in runtimes:
        for who in ("student", "teacher"):
            runner = build(request, shape, runtime, who)
            runner()
            found[runner.name] = runner.provider
    assert found == {
        f"{runtime} {who} 2x16": "cpu" if runtime.startswith("torch") else "CPUExecutionProvider"
        for runtime in runtimes
        for who in ("student", "teacher")
    }


def test_torch_runner_runs_the_whole_model_without_dropout_or_gradients(student: Subject) -> None:
    """One call is one forward pass in evaluation and inference mode, in the precision asked for."""
    seen = []
    model = load_torch(student.folder, torch.bfloat16).train()

    def note(*_: object) -> None:
        seen.append((model.training, torch.is_inference_mode_enabled(), model.dtype))

    runner = TorchRunner("one", model, random_inputs(student.folder, 1, 8, seed=0))
    model.register_forward_hook(note)
    runner()
    runner()
    assert seen == [(False, True, torch.bfloat16)] * 2


def test_onnx_runner_answers_like_the_model(student: Subject) -> None:
    """What the runner times is the model: its bound output equals PyTorch's logits."""
    inputs = random_inputs(student.folder, 2, 16, seed=3)
    runner = OnnxRunner("one", student.onnx["onnx-fp32"], inputs)
    runner()
    (logits,) = runner._binding.copy_outputs_to_cpu()
    model = load_torch(student.folder, _FP32).eval()
    with torch.no_grad():
        expected = model(**inputs).logits
    torch.testing.assert_close(torch.from_numpy(logits), expected, rtol=0, atol=1e-5)


def test_onnx_threads_are_pinned(student: Subject) -> None:
    """The session works with the threads it was given, none of which spin between calls."""
    inputs = random_inputs(student.folder, 1, 8, seed=0)
    runner = OnnxRunner("one", student.onnx["onnx-fp32"], inputs, threads=2)
    options = runner._session.get_session_options()
    assert (options.intra_op_num_threads, options.inter_op_num_threads) == (2, 1)
    assert options.get_session_config_entry("session.intra_op.allow_spinning") == "0"


@pytest.mark.skipif(
    "CUDAExecutionProvider" in onnxruntime.get_available_providers(),
    reason="this ONNX Runtime has the provider that the test wants missing",
)
def test_another_provider_than_asked_for_is_an_error(
    student: Subject, recwarn: pytest.WarningsRecorder
) -> None:
    """ONNX Runtime's own fallback to the CPU is refused, without a second warning beside it."""
    inputs = random_inputs(student.folder, 1, 8, seed=0)
    with pytest.raises(MeasurementError) as caught:
        OnnxRunner("one", student.onnx["onnx-fp32"], inputs, device="cuda")
    assert str(caught.value).startswith(
        f"{student.onnx['onnx-fp32']}: CUDAExecutionProvider was asked for,"
        " ONNX Runtime runs CPUExecutionProvider\n  allowed: "
    )
    assert not recwarn.list


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device here")
def test_missing_cuda_is_an_error(student: Subject) -> None:
    """PyTorch on a device that is not there is refused in words."""
    model = load_torch(student.folder, _FP32)
    with pytest.raises(MeasurementError) as caught:
        TorchRunner("torch-fp32 student 1x8", model, {}, device="cuda")
    assert str(caught.value) == (
        "torch-fp32 student 1x8: device cuda was asked for, PyTorch finds no CUDA device here\n"
        "  allowed: cpu\n  do: measure on a machine with a GPU and a CUDA build of PyTorch"
    )


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_torch_runs_on_cuda_and_waits(student: Subject) -> None:
    """After a call nothing is pending on the device, and the card is named."""
    inputs = random_inputs(student.folder, 2, 16, seed=0)
    runner = TorchRunner("one", load_torch(student.folder, _FP32), inputs, device="cuda")
    runner()
    assert torch.cuda.current_stream().query()
    assert runner.provider == f"cuda: {torch.cuda.get_device_name()}"


@pytest.mark.skipif(
    "CUDAExecutionProvider" not in onnxruntime.get_available_providers(),
    reason="needs ONNX Runtime with CUDAExecutionProvider",
)
def test_onnx_runs_on_cuda(student: Subject) -> None:
    """The CUDA provider runs the file and says so."""
    inputs = random_inputs(student.folder, 2, 16, seed=0)
    runner = OnnxRunner("one", student.onnx["onnx-fp32"], inputs, device="cuda")
    runner()
    assert runner.provider == "CUDAExecutionProvider"


def test_export_is_needed_only_once(student: Subject, tmp_path: Path) -> None:
    """A file exported at one length is timed at another."""
    file = tmp_path / "model.onnx"
    export_onnx(load_torch(student.folder, _FP32), file, max_length=16, metadata={})
    OnnxRunner("one", file, random_inputs(student.folder, 3, 48, seed=0))()
