"""The ways a model is run: one runner per runtime, each with fixed inputs and a known provider."""

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import onnxruntime
import torch
from torch import Tensor
from transformers import (
    AutoConfig,
    AutoModelForQuestionAnswering,
    AutoModelForSequenceClassification,
    PretrainedConfig,
    PreTrainedModel,
)

from zoo.errors import MeasurementError, Problem, at
from zoo.export.onnx import input_names, longest_input
from zoo.latency.measure import Runner as Timed
from zoo.latency.report import Request, Runtime, Shape, Who

_PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
_HEADS = {
    "ForSequenceClassification": AutoModelForSequenceClassification,
    "ForQuestionAnswering": AutoModelForQuestionAnswering,
}
_DTYPES: dict[Runtime, torch.dtype] = {"torch-fp32": torch.float32, "torch-bf16": torch.bfloat16}
_LOCAL = {"local_files_only": True, "trust_remote_code": False}


class Runner(Timed, Protocol):
    """A model that can be timed and says what really runs it."""

    @property
    def provider(self) -> str:
        """The device or execution provider that the calls run on."""


def build(request: Request, shape: Shape, runtime: Runtime, who: Who) -> Runner:
    """The runner for one cell of `request`, with its model loaded and its inputs drawn.

    Raises:
        MeasurementError: the model, its file or the device does not allow it.
    """
    subject = request.student if who == "student" else request.teacher
    name = f"{runtime} {who} {shape.batch}x{shape.length}"
    inputs = random_inputs(subject.folder, shape.batch, shape.length, request.seed)
    if runtime in _DTYPES:
        model = load_torch(subject.folder, _DTYPES[runtime])
        return TorchRunner(name, model, inputs, request.device)
    return OnnxRunner(name, subject.onnx[runtime], inputs, request.device, request.threads)


class TorchRunner:
    """An eager PyTorch model on `device`, in the precision its weights have.

    Raises:
        MeasurementError: `device` is not there.
    """

    def __init__(
        self, name: str, model: PreTrainedModel, inputs: Mapping[str, Tensor], device: str = "cpu"
    ) -> None:
        self.name = name
        self._device = _device(name, device)
        self._model = model.to(self._device).eval()
        self._inputs = {key: inputs[key].to(self._device) for key in input_names(model)}

    @property
    def provider(self) -> str:
        """Where the weights lie, with the card's name."""
        if self._device.type == "cuda":
            return f"cuda: {torch.cuda.get_device_name(self._device)}"
        return str(self._model.device)

    def __call__(self) -> None:
        """One forward pass, finished on the device too."""
        with torch.inference_mode():
            self._synchronise()
            self._model(**self._inputs)
            self._synchronise()

    def _synchronise(self) -> None:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)


class OnnxRunner:
    """An ONNX file in ONNX Runtime, inputs and outputs bound to `device`.

    Raises:
        MeasurementError: ONNX Runtime would run it on something else.
    """

    def __init__(
        self,
        name: str,
        file: Path,
        inputs: Mapping[str, Tensor],
        device: str = "cpu",
        threads: int = 1,
    ) -> None:
        self.name = name
        self._session = _session(file, _PROVIDERS[device], threads)
        self._binding = self._session.io_binding()
        for entry in self._session.get_inputs():
            value = onnxruntime.OrtValue.ortvalue_from_numpy(inputs[entry.name].numpy(), device, 0)
            self._binding.bind_ortvalue_input(entry.name, value)
        for entry in self._session.get_outputs():
            self._binding.bind_output(entry.name, device, 0)

    @property
    def provider(self) -> str:
        """The session's first execution provider."""
        return str(self._session.get_providers()[0])

    def __call__(self) -> None:
        """One run, finished on the device too."""
        self._session.run_with_iobinding(self._binding)
        self._binding.synchronize_outputs()


def load_torch(folder: Path, dtype: torch.dtype) -> PreTrainedModel:
    """The checkpoint in `folder` with the head its configuration names, weights in `dtype`.

    Raises:
        MeasurementError: the configuration names no head that can be measured.
    """
    config = AutoConfig.from_pretrained(folder, **_LOCAL)
    architecture = (config.architectures or ["none"])[0]
    for head, auto in _HEADS.items():
        if architecture.endswith(head):
            return auto.from_pretrained(folder, dtype=dtype, use_safetensors=True, **_LOCAL)
    raise MeasurementError(
        Problem(
            at(folder / "config.json", key="architectures"),
            architecture,
            " or ".join(f"*{head}" for head in _HEADS),
            "measure a checkpoint that was trained on a task",
        )
    )


def random_inputs(folder: Path, batch: int, length: int, seed: int) -> dict[str, Tensor]:
    """Pieces drawn from the vocabulary of the checkpoint in `folder`, all real: (batch, length).

    The padding piece is left out, since RoBERTa counts positions by it.

    Raises:
        MeasurementError: `length` is beyond the checkpoint's positions.
    """
    config: PretrainedConfig = AutoConfig.from_pretrained(folder, **_LOCAL)
    longest = longest_input(config)
    if not 1 <= length <= longest:
        raise MeasurementError(
            Problem(
                at(folder, key="length"),
                f"{length} pieces",
                f"1 to {longest}, the positions of this checkpoint",
                "measure shorter inputs",
            )
        )
    generator = torch.Generator().manual_seed(seed)
    pieces = torch.randint(config.vocab_size - 1, (batch, length), generator=generator)
    return {
        "input_ids": pieces + (pieces >= (config.pad_token_id or 0)),
        "attention_mask": torch.ones_like(pieces),
        "token_type_ids": torch.zeros_like(pieces),
    }


def _device(name: str, device: str) -> torch.device:
    if device == "cuda" and not torch.cuda.is_available():
        raise MeasurementError(
            Problem(
                name,
                "device cuda was asked for, PyTorch finds no CUDA device here",
                "cpu",
                "measure on a machine with a GPU and a CUDA build of PyTorch",
            )
        )
    return torch.device(device)


def _session(file: Path, provider: str, threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Threads that spin after a call would slow the runner whose turn is next.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Specified provider")
        session = onnxruntime.InferenceSession(file, options, providers=[provider])
    running = session.get_providers()
    if running[0] != provider:
        raise MeasurementError(
            Problem(
                at(file),
                f"{provider} was asked for, ONNX Runtime runs {running[0]}",
                ", ".join(onnxruntime.get_available_providers()),
                "install an ONNX Runtime with this provider, or measure on another device",
            )
        )
    return session
