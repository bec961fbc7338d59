"""PyTorch's two ONNX exporters behind one interface, with workarounds for their quirks."""

import logging
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import onnx
import torch
from torch import Tensor, nn
from transformers import PretrainedConfig, PreTrainedModel

Route = Literal["torchscript", "dynamo"]
"""PyTorch's exporter: by tracing to TorchScript, or by torch.export."""
ROUTES: tuple[Route, ...] = get_args(Route)
DEFAULT_ROUTE: Route = "torchscript"
"""See docs/decisions/0005-onnx-route.md."""
OPSETS: dict[Route, int] = {"torchscript": 17, "dynamo": 20}
"""The newest operator set that each exporter writes without conversion."""

_SEQUENCE_AXES = {0: "batch", 1: "sequence"}
_EXPECTED_WARNINGS = (
    "You are using the legacy TorchScript-based ONNX export",
    "The feature will be removed",
    "Converting a tensor to a Python",
    "Exporting aten::index operator of advanced indexing",
    "# The axis name: ",
    "`isinstance\\(treespec, LeafSpec\\)` is deprecated",
)


@dataclass(frozen=True)
class Interface:
    """A file's input and output names in order, and the maximum sequence length in tokens."""

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    longest: int


def trace(model: PreTrainedModel, interface: Interface, route: Route) -> onnx.ModelProto:
    """The graph of `model` with dynamic batch and length and embedded weights.

    The model must be on the CPU in evaluation mode with eager attention: ONNX Runtime fuses less of
    other kernels.
    """
    # The TorchScript exporter restores the mode of its argument, so the wrapper needs its own.
    wrapper = _Positional(model, interface).eval()
    sample = _sample(model.config, interface)
    with tempfile.TemporaryDirectory() as folder, _quiet(), torch.no_grad():
        file = Path(folder) / "model.onnx"
        _EXPORTERS[route](wrapper, sample, file)
        graph = onnx.load(file)
    # Stored shapes become wrong when the quantiser transposes weights, but it relies on them.
    del graph.graph.value_info[:]
    _without_origins(graph)
    return graph


def _without_origins(graph: onnx.ModelProto) -> None:
    """Remove the source lines that dynamo attaches to every node, which contain local paths."""
    del graph.metadata_props[:]
    del graph.graph.metadata_props[:]
    for part in (*graph.graph.node, *graph.graph.initializer):
        del part.metadata_props[:]
        part.doc_string = ""
    for value in (*graph.graph.input, *graph.graph.output):
        del value.metadata_props[:]


class _Positional(nn.Module):
    """A model with positional tensor inputs, as the exporters require."""

    def __init__(self, model: PreTrainedModel, interface: Interface) -> None:
        super().__init__()
        self.model = model
        self.inputs = interface.inputs
        self.outputs = interface.outputs

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        answer = self.model(**dict(zip(self.inputs, tensors, strict=True)), return_dict=True)
        return tuple(answer[name] for name in self.outputs)


def _torchscript(wrapper: _Positional, sample: tuple[Tensor, ...], file: Path) -> None:
    _export(
        wrapper, sample, file, opset_version=OPSETS["torchscript"], dynamo=False, **_axes(wrapper)
    )


def _dynamo(wrapper: _Positional, sample: tuple[Tensor, ...], file: Path) -> None:
    axes = {0: torch.export.Dim("batch"), 1: torch.export.Dim("sequence")}
    _export(
        wrapper,
        sample,
        file,
        opset_version=OPSETS["dynamo"],
        dynamo=True,
        dynamic_shapes=(tuple(axes for _ in sample),),
        # Otherwise weights go to a second file.
        external_data=False,
        verbose=False,
    )


_EXPORTERS: Mapping[Route, Callable[[_Positional, tuple[Tensor, ...], Path], None]] = {
    "torchscript": _torchscript,
    "dynamo": _dynamo,
}


def _export(wrapper: _Positional, sample: tuple[Tensor, ...], file: Path, **settings: Any) -> None:
    torch.onnx.export(
        wrapper,
        sample,
        file,
        input_names=wrapper.inputs,
        output_names=wrapper.outputs,
        **settings,
    )


def _axes(wrapper: _Positional) -> dict[str, dict[str, dict[int, str]]]:
    axes = dict.fromkeys(wrapper.inputs, _SEQUENCE_AXES)
    answers = _SEQUENCE_AXES if len(wrapper.outputs) > 1 else {0: "batch"}
    return {"dynamic_axes": axes | dict.fromkeys(wrapper.outputs, answers)}


def _sample(config: PretrainedConfig, interface: Interface) -> tuple[Tensor, ...]:
    """Two padded sequences for tracing, with sizes unlikely to match a dimension of a model."""
    length = min(7, interface.longest)
    pieces = torch.arange(2 * length).reshape(2, length) % int(config.vocab_size)
    mask = torch.ones_like(pieces)
    mask[1, length - 1 :] = 0
    values = {
        "input_ids": pieces,
        "attention_mask": mask,
        "token_type_ids": torch.zeros_like(pieces),
    }
    return tuple(values[name] for name in interface.inputs)


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence exporter warnings in the block that parity shows to be irrelevant."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        with warnings.catch_warnings():
            for message in _EXPECTED_WARNINGS:
                warnings.filterwarnings("ignore", message=message)
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
