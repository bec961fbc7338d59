from collections.abc import Callable
from pathlib import Path

import onnxruntime
import pytest
import torch
from transformers import (
    BertConfig,
    BertForMaskedLM,
    DistilBertConfig,
    DistilBertForQuestionAnswering,
)

from zoo.errors import MeasurementError
from zoo.latency import onnx_runner
from zoo.latency.inputs import Arrays, drawn_inputs
from zoo.latency.memory import measure_memory
from zoo.latency.onnx_runner import OnnxRunner
from zoo.latency.report import InputShape, TimedModel
from zoo.latency.torch_runner import CudaMeter, TorchRunner, load_torch
from zoo.records.latency import Memory
from zoo.spec.bench import RUNTIMES

_CUDA = torch.cuda.is_available()
_PROVIDERS = onnxruntime.get_available_providers()


def _inputs(folder: Path, *lengths: int) -> list[Arrays]:
    return [drawn_inputs(folder, InputShape(batch=2, length=length), seed=3) for length in lengths]


def _logits(runner: OnnxRunner, turn: int) -> torch.Tensor:
    return torch.from_numpy(runner.logits(turn)[0])


def test_head_follows_the_configuration(tmp_path: Path, student: TimedModel) -> None:
    """A span checkpoint is opened as a span model, in DistilBERT's layout too."""
    config = DistilBertConfig(
        vocab_size=50, dim=32, n_layers=1, n_heads=4, hidden_dim=64, max_position_embeddings=64
    )
    DistilBertForQuestionAnswering(config).save_pretrained(tmp_path)
    model = load_torch(tmp_path, torch.float32)
    assert type(model).__name__ == "DistilBertForQuestionAnswering"
    TorchRunner(RUNTIMES["torch-fp32"], tmp_path, _inputs(tmp_path, 8), "cpu", 1)(0)
    found = load_torch(student.folder, torch.float32)
    assert type(found).__name__ == "BertForSequenceClassification"


def test_checkpoint_without_a_task_is_refused(tmp_path: Path) -> None:
    """A pretrained model has no head that a latency belongs to."""
    config = BertConfig(vocab_size=9, hidden_size=8, num_hidden_layers=1, num_attention_heads=2)
    BertForMaskedLM(config).save_pretrained(tmp_path)
    with pytest.raises(MeasurementError) as caught:
        load_torch(tmp_path, torch.float32)
    assert str(caught.value) == (
        f"{tmp_path / 'config.json'}: architectures: BertForMaskedLM\n"
        "  allowed: *ForSequenceClassification or *ForQuestionAnswering\n"
        "  fix: measure a checkpoint fine-tuned on a task"
    )


@pytest.mark.parametrize(
    ("runtime", "dtype"), [("torch-fp32", torch.float32), ("torch-bf16", torch.bfloat16)]
)
def test_torch_runs_the_whole_model_without_dropout_or_gradients(
    student: TimedModel, runtime: str, dtype: torch.dtype
) -> None:
    """One call is one forward pass on the input of its turn, in the precision asked for."""
    seen = []
    runner = TorchRunner(RUNTIMES[runtime], student.folder, _inputs(student.folder, 8, 9), "cpu", 1)
    model = runner._model

    def note(_model: object, _arguments: object, named: dict, _answer: object) -> None:
        inference = torch.is_inference_mode_enabled()
        seen.append((model.training, inference, model.dtype, *named["input_ids"].shape))

    model.register_forward_hook(note, with_kwargs=True)
    for turn in range(3):
        runner(turn)
    assert seen == [(False, True, dtype, 2, length) for length in (8, 9, 8)]
    assert (runner.provider, runner.attention) == ("cpu", "sdpa")


def test_onnx_answers_like_the_model(student: TimedModel) -> None:
    """What is timed is the model on the input of its turn: its output equals PyTorch's logits."""
    inputs = _inputs(student.folder, 16, 9)
    runner = OnnxRunner(RUNTIMES["onnx-fp32"], student.onnx["fp32"], inputs, "cpu", 1)
    model = load_torch(student.folder, torch.float32).eval()
    for turn, call in enumerate(inputs):
        with torch.no_grad():
            expected = model(**{name: torch.from_numpy(array) for name, array in call.items()})
        torch.testing.assert_close(_logits(runner, turn), expected.logits, rtol=0, atol=1e-4)
    assert (runner.provider, runner.attention) == ("CPUExecutionProvider", "graph")


def test_int8_runs_on_the_cpu(student: TimedModel) -> None:
    """The quantised file is run, and answers something else than the fp32 one."""
    inputs = _inputs(student.folder, 16)
    int8 = OnnxRunner(RUNTIMES["onnx-int8"], student.onnx["int8"], inputs, "cpu", 1)
    fp32 = OnnxRunner(RUNTIMES["onnx-fp32"], student.onnx["fp32"], inputs, "cpu", 1)
    difference = (_logits(int8, 0) - _logits(fp32, 0)).abs().max()
    assert 0 < difference < 1


def test_onnx_threads_are_pinned(student: TimedModel) -> None:
    """The session works with the threads it was given, none of which spin between calls."""
    runner = OnnxRunner(
        RUNTIMES["onnx-fp32"], student.onnx["fp32"], _inputs(student.folder, 8), "cpu", 2
    )
    options = runner._session.get_session_options()
    assert (options.intra_op_num_threads, options.inter_op_num_threads) == (2, 1)
    assert options.get_session_config_entry("session.intra_op.allow_spinning") == "0"


@pytest.mark.parametrize(
    ("runtime", "provider"),
    [
        ("onnx-fp32", "CUDAExecutionProvider"),
        ("tensorrt-fp32", "TensorrtExecutionProvider"),
        ("tensorrt-fp16", "TensorrtExecutionProvider"),
    ],
)
def test_another_provider_than_asked_for_is_an_error(
    student: TimedModel, recwarn: pytest.WarningsRecorder, runtime: str, provider: str
) -> None:
    """ONNX Runtime's own fallback to the CPU is refused, without a second warning beside it."""
    if provider in _PROVIDERS:
        pytest.skip("this ONNX Runtime has the provider that the test wants missing")
    providers = onnx_runner._providers(RUNTIMES[runtime], "cuda", _inputs(student.folder, 8))
    with pytest.raises(MeasurementError) as caught:
        onnx_runner._session(student.onnx["fp32"], providers, 1)
    assert str(caught.value) == (
        f"{student.onnx['fp32']}: requested {provider}, but"
        f" ONNX Runtime runs CPUExecutionProvider\n  allowed: {', '.join(_PROVIDERS)}\n"
        "  fix: install an ONNX Runtime build with this provider, or measure on another device"
    )
    assert not recwarn.list


def test_heavy_operators_on_another_provider_are_found(student: TimedModel) -> None:
    """The session itself tells where its operators run; a wanted provider that has none shows."""
    runner = OnnxRunner(
        RUNTIMES["onnx-fp32"], student.onnx["fp32"], _inputs(student.folder, 8), "cpu", 1
    )
    assert onnx_runner._elsewhere(runner._session, "CPUExecutionProvider") == set()
    found = onnx_runner._elsewhere(runner._session, "CUDAExecutionProvider")
    assert "MatMul" in found or "FusedMatMul" in found or "Gemm" in found


def test_tensorrt_is_told_the_range_of_lengths(student: TimedModel) -> None:
    """Its profile spans the replayed lengths, so that no engine is built in a timed call."""
    (name, options), second = onnx_runner._providers(
        RUNTIMES["tensorrt-fp16"], "cuda", _inputs(student.folder, 9, 4, 6)
    )
    assert (name, second) == ("TensorrtExecutionProvider", "CUDAExecutionProvider")
    assert options == {
        "trt_fp16_enable": True,
        **{
            f"trt_profile_{bound}_shapes": (
                f"input_ids:2x{length},attention_mask:2x{length},token_type_ids:2x{length}"
            )
            for bound, length in (("min", 4), ("opt", 6), ("max", 9))
        },
    }


def test_memory_in_pytorch_on_a_gpu_is_the_most_that_a_model_added(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Since it was loaded: neither what loading alone needed, nor what is left after the calls."""
    held, most = [100], [0]

    def hold(amount: int) -> None:
        held[0] = amount
        most[0] = max(most[0], amount)

    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda: held[0])
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda: most[0])
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda: most.__setitem__(0, held[0]))

    def load() -> Callable[[int], None]:
        hold(5000)
        hold(700)
        return lambda _: (hold(900), hold(750))[0]

    found = measure_memory(CudaMeter(), load, 0)
    assert found == Memory(loaded_bytes=600, peak_bytes=800)


@pytest.mark.skipif(_CUDA, reason="there is a CUDA device here")
def test_missing_cuda_is_an_error(student: TimedModel) -> None:
    """PyTorch on a device that is not there is refused in words."""
    with pytest.raises(MeasurementError) as caught:
        TorchRunner(RUNTIMES["torch-fp32"], student.folder, _inputs(student.folder, 8), "cuda", 1)
    assert str(caught.value) == (
        "torch-fp32: device cuda requested, but PyTorch finds no CUDA device\n"
        "  allowed: cpu\n  fix: measure on a machine with a GPU and a CUDA build of PyTorch"
    )


def test_a_model_that_does_not_compile_is_refused(
    student: TimedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The compiler's own words, in one line, and what it needs."""

    def compile_(*_: object, **__: object) -> object:
        def call(**_: object) -> None:
            raise RuntimeError("No working C++ compiler found\nSet TORCHDYNAMO_VERBOSE=1")

        return call

    monkeypatch.setattr(torch, "compile", compile_)
    with pytest.raises(MeasurementError) as caught:
        TorchRunner(RUNTIMES["compiled-fp32"], student.folder, _inputs(student.folder, 8), "cpu", 1)
    assert str(caught.value) == (
        "compiled-fp32: torch.compile failed: No working C++ compiler found\n"
        "  allowed: a model that compiles, and a C++ compiler (on CUDA also Triton)\n"
        "  fix: drop this runtime, or install what is missing"
    )


@pytest.mark.slow
def test_compiled_models_answer_all_lengths(student: TimedModel) -> None:
    """One shape, and a replay in which no call falls back to eager mode."""
    for lengths in ((8,), (8, 12, 9, 16, 11, 10, 15, 14, 13, 7)):
        inputs = _inputs(student.folder, *lengths)
        runner = TorchRunner(RUNTIMES["compiled-fp32"], student.folder, inputs, "cpu", 1)
        frames = torch._dynamo.utils.counters["frames"]
        before = frames["ok"]
        for turn in range(len(lengths)):
            runner(turn)
        assert frames["ok"] - before <= 2


@pytest.mark.gpu
@pytest.mark.skipif(not _CUDA, reason="needs a CUDA device")
def test_torch_runs_on_cuda_and_waits(student: TimedModel) -> None:
    """After a call nothing is pending on the device, the card is named, its memory counted."""
    torch.cuda.init()
    meter = CudaMeter()
    meter.start()
    runner = TorchRunner(
        RUNTIMES["torch-fp32"], student.folder, _inputs(student.folder, 16), "cuda", 1
    )
    meter.loaded()
    runner(0)
    assert torch.cuda.current_stream().query()
    assert runner.provider == f"cuda: {torch.cuda.get_device_name()}"
    assert meter.memory().peak_bytes >= meter.memory().loaded_bytes > 0


@pytest.mark.gpu
@pytest.mark.parametrize("runtime", ["onnx-fp32", "tensorrt-fp32", "tensorrt-fp16"])
def test_onnx_runs_on_cuda(student: TimedModel, runtime: str) -> None:
    """The provider that was asked for runs the file and says so."""
    name = "TensorrtExecutionProvider" if "tensorrt" in runtime else "CUDAExecutionProvider"
    if name not in _PROVIDERS or not _CUDA:
        pytest.skip(f"needs a CUDA device and ONNX Runtime with {name}")
    inputs = _inputs(student.folder, 16, 9)
    runner = OnnxRunner(RUNTIMES[runtime], student.onnx["fp32"], inputs, "cuda", 1)
    runner(0)
    runner(1)
    assert runner.provider == name
