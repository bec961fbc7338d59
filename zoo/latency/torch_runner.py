"""Models in PyTorch, eager and compiled."""

from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from transformers import (
    AutoConfig,
    AutoModelForQuestionAnswering,
    AutoModelForSequenceClassification,
    PreTrainedModel,
)

from zoo.errors import MeasurementError, Problem, at
from zoo.latency.inputs import Arrays, read_config
from zoo.latency.library import Library
from zoo.records.latency import Memory
from zoo.spec.bench import COMPILED, Device, Runtime

_HEADS = {
    "ForSequenceClassification": AutoModelForSequenceClassification,
    "ForQuestionAnswering": AutoModelForQuestionAnswering,
}
_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}
_LOCAL = {"local_files_only": True, "trust_remote_code": False}


class TorchRunner:
    """A PyTorch model on `device`; compiled for the single shape of `inputs`, or for any.

    It uses the threads of the process.

    Raises:
        MeasurementError: `device` is missing, or the model cannot be compiled.
    """

    def __init__(
        self,
        runtime: Runtime,
        folder: Path,
        inputs: Sequence[Arrays],
        device: Device,
        _threads: int,
    ) -> None:
        self._device = _device(runtime, device)
        model = load_torch(folder, _DTYPES[runtime.precision]).to(self._device).eval()
        self.attention = str(model.config._attn_implementation)  # noqa: SLF001  (no public name)
        names = _input_names(model)
        self._inputs = [
            {name: torch.from_numpy(call[name]).to(self._device) for name in names}
            for call in inputs
        ]
        self._model = model
        self._call: Callable[..., Any] = model
        if runtime.engine == COMPILED:
            self._call = _compiled(model, dynamic=len(inputs) > 1)
            self._first_call(runtime)

    @property
    def provider(self) -> str:
        """The device of the weights, with the card's name."""
        return f"cuda: {self.gpu}" if self.gpu else str(self._model.device)

    @property
    def gpu(self) -> str | None:
        """The card's name."""
        return torch.cuda.get_device_name(self._device) if self._device.type == "cuda" else None

    def __call__(self, turn: int) -> None:
        """Run one forward pass on the current input, and wait for the device."""
        with torch.inference_mode():
            self._synchronise()
            self._call(**self._inputs[turn % len(self._inputs)])
            self._synchronise()

    def logits(self, turn: int) -> tuple[NDArray[Any], ...]:
        """The output for the current input."""
        with torch.inference_mode():
            answer = self._call(**self._inputs[turn % len(self._inputs)])
        return tuple(logits.float().cpu().numpy() for logits in answer.to_tuple())

    def _synchronise(self) -> None:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)

    def _first_call(self, runtime: Runtime) -> None:
        try:
            self(0)
        except RuntimeError as error:
            lines = str(error).strip().splitlines() or [type(error).__name__]
            raise MeasurementError(
                Problem(
                    runtime.name,
                    f"torch.compile failed: {lines[0]}",
                    "a model that compiles, and a C++ compiler (on CUDA also Triton)",
                    "drop this runtime, or install what is missing",
                )
            ) from error


class CudaMeter:
    """Bytes of PyTorch's GPU allocator: weights, inputs and activations."""

    def start(self) -> None:
        """Read the memory before loading."""
        self._before = torch.cuda.memory_allocated()

    def loaded(self) -> None:
        """Read the memory after loading."""
        self._loaded = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()

    def memory(self) -> Memory:
        """The memory added by the model: after loading, and at its peak since."""
        return Memory(
            loaded_bytes=self._loaded - self._before,
            peak_bytes=torch.cuda.max_memory_allocated() - self._before,
        )


def load_torch(folder: Path, dtype: torch.dtype) -> PreTrainedModel:
    """The checkpoint in `folder` with the head named in its configuration, weights in `dtype`.

    Raises:
        MeasurementError: the configuration names no supported head.
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
            "measure a checkpoint fine-tuned on a task",
        )
    )


def preload(folders: Sequence[Path]) -> None:
    """Import the code of the checkpoints' families once, for all forked processes.

    Nothing is computed: a process that has started threads or a GPU cannot be forked.
    """
    for folder in folders:
        family = str(read_config(folder).get("model_type"))
        try:
            import_module(f"transformers.models.{family}.modeling_{family}")
        except ImportError:
            continue  # Loading will report the problem.


def _compiled(model: PreTrainedModel, *, dynamic: bool) -> Callable[..., Any]:
    # Otherwise it would continue in eager mode, partly or entirely.
    torch._dynamo.config.fail_on_recompile_limit_hit = True  # noqa: SLF001  (so documented)
    call: Callable[..., Any] = torch.compile(model, dynamic=dynamic, fullgraph=True)
    return call


def _input_names(model: PreTrainedModel) -> tuple[str, ...]:
    """The model's inputs: segments only if it has more than one segment type."""
    segments = int(getattr(model.config, "type_vocab_size", 0)) > 1
    return ("input_ids", "attention_mask", *(("token_type_ids",) if segments else ()))


def _device(runtime: Runtime, device: Device) -> torch.device:
    if device == "cuda" and not torch.cuda.is_available():
        raise MeasurementError(
            Problem(
                runtime.name,
                "device cuda requested, but PyTorch finds no CUDA device",
                "cpu",
                "measure on a machine with a GPU and a CUDA build of PyTorch",
            )
        )
    return torch.device(device)


LIBRARY = Library(load=TorchRunner, preload=preload, gpu_meter=CudaMeter)
