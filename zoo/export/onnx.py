"""A classification, regression or span model as one ONNX file with dynamic batch and length.

The TorchScript route is taken: of the two that torch offers it exports tiny models twenty times
faster and its graphs are not slower on a CPU. Only `_trace` knows which route it is.
"""

import copy
import inspect
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import onnx
import torch
from torch import Tensor, nn
from transformers import PretrainedConfig, PreTrainedModel

from zoo.errors import ExportError, Problem, at
from zoo.paths import write_file

OPSET = 17

_OUTPUTS = {
    "ForSequenceClassification": ("logits",),
    "ForQuestionAnswering": ("start_logits", "end_logits"),
}
_POSITIONS_AFTER_PADDING = ("roberta", "xlm-roberta", "camembert")
_SEQUENCE_AXES = {0: "batch", 1: "sequence"}
_EXPECTED_WARNINGS = (
    "You are using the legacy TorchScript-based ONNX export",
    "The feature will be removed",
    "Converting a tensor to a Python",
    "Exporting aten::index operator of advanced indexing",
)


def export_onnx(
    model: PreTrainedModel, path: Path, *, max_length: int, metadata: Mapping[str, str]
) -> None:
    """Write `model` to `path` as one fp32 ONNX file; the model itself is left as it was.

    Inputs are `input_names(model)`, outputs `output_names(model)`; batch and length are dynamic.
    The file carries `metadata` and, beside it, `max_length` (pieces) in its properties. Whether it
    agrees with the model is for `zoo.export.parity` to say.

    Raises:
        ExportError: the model has no head, precision or room for `max_length` that fits.
    """
    problems = _obstacles(model, max_length)
    if problems:
        raise ExportError(*problems)
    graph = _trace(_still_copy(model), input_names(model), output_names(model))
    onnx.helper.set_model_props(graph, {**metadata, "max_length": str(max_length)})
    write_file(path, graph.SerializeToString(deterministic=True))


def input_names(model: PreTrainedModel) -> tuple[str, ...]:
    """The inputs that `model` tells apart: segments only where it knows more than one."""
    taken = inspect.signature(model.forward).parameters
    segments = "token_type_ids" in taken and model.config.type_vocab_size > 1
    return ("input_ids", "attention_mask", *(("token_type_ids",) if segments else ()))


def output_names(model: PreTrainedModel) -> tuple[str, ...]:
    """The names of what `model` answers with, in order.

    Raises:
        ExportError: it has neither a classification nor a question answering head.
    """
    name = type(model).__name__
    for head, outputs in _OUTPUTS.items():
        if name.endswith(head):
            return outputs
    raise ExportError(_headless(name))


def longest_input(config: PretrainedConfig) -> int:
    """How many pieces a model of `config` has positions for."""
    positions = int(config.max_position_embeddings)
    if config.model_type in _POSITIONS_AFTER_PADDING:
        return positions - int(config.pad_token_id) - 1
    return positions


def _obstacles(model: PreTrainedModel, max_length: int) -> list[Problem]:
    name, longest = type(model).__name__, longest_input(model.config)
    problems = [] if name.endswith(tuple(_OUTPUTS)) else [_headless(name)]
    if model.dtype != torch.float32:
        problems.append(
            Problem(
                at(name, key="dtype"),
                f"weights in {model.dtype}",
                "torch.float32",
                "load the checkpoint with dtype=torch.float32",
            )
        )
    if not 1 <= max_length <= longest:
        problems.append(
            Problem(
                at(name, key="max_length"),
                f"{max_length} pieces",
                f"1 to {longest}, the positions of the model",
                "shorten the task's max_length or take a model with more positions",
            )
        )
    return problems


def _headless(name: str) -> Problem:
    return Problem(
        name,
        "this model has no head that can be exported",
        " or ".join(f"a class named *{head}" for head in _OUTPUTS),
        "load the checkpoint with the AutoModel class of its task",
    )


def _still_copy(model: PreTrainedModel) -> PreTrainedModel:
    """A copy that can be traced: on the CPU, without dropout, with attention spelt out."""
    still = copy.deepcopy(model).cpu().eval()
    still.set_attn_implementation("eager")
    return still


class _Positional(nn.Module):
    """A model called with tensors in a fixed order, as the tracer calls it."""

    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__()
        self.model = model
        self.inputs = input_names(model)
        self.outputs = output_names(model)

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        answer = self.model(**dict(zip(self.inputs, tensors, strict=True)), return_dict=True)
        return tuple(answer[name] for name in self.outputs)


def _trace(
    model: PreTrainedModel, inputs: tuple[str, ...], outputs: tuple[str, ...]
) -> onnx.ModelProto:
    axes = dict.fromkeys(inputs, _SEQUENCE_AXES)
    axes |= dict.fromkeys(outputs, _SEQUENCE_AXES if len(outputs) > 1 else {0: "batch"})
    wrapper = _Positional(model).eval()
    with tempfile.TemporaryDirectory() as folder, _quiet(), torch.no_grad():
        file = Path(folder) / "model.onnx"
        torch.onnx.export(
            wrapper,
            _sample(model.config, inputs),
            file,
            input_names=inputs,
            output_names=outputs,
            dynamic_axes=axes,
            opset_version=OPSET,
            dynamo=False,
        )
        return onnx.load(file)


def _sample(config: PretrainedConfig, inputs: tuple[str, ...]) -> tuple[Tensor, ...]:
    """Two padded sequences to trace with; sizes that no dimension of a model is likely to share."""
    length = min(7, longest_input(config))
    pieces = torch.arange(2 * length).reshape(2, length) % int(config.vocab_size)
    mask = torch.ones_like(pieces)
    mask[1, length - 1 :] = 0
    values = {
        "input_ids": pieces,
        "attention_mask": mask,
        "token_type_ids": torch.zeros_like(pieces),
    }
    return tuple(values[name] for name in inputs)


@contextmanager
def _quiet() -> Iterator[None]:
    """The block without the exporter's remarks on what was checked: parity shows they are moot."""
    with warnings.catch_warnings():
        for message in _EXPECTED_WARNINGS:
            warnings.filterwarnings("ignore", message=message)
        yield
