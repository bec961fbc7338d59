"""A classification, regression or span model as one ONNX file with dynamic batch and length."""

import copy
from collections.abc import Mapping
from pathlib import Path

import onnx
import torch
from transformers import PreTrainedModel

from zoo.errors import ExportError, Problem, at
from zoo.export.routes import DEFAULT_ROUTE, Interface, Route, trace
from zoo.models.configuration import input_names, longest_input
from zoo.paths import write_file

_OUTPUTS = {
    "ForSequenceClassification": ("logits",),
    "ForQuestionAnswering": ("start_logits", "end_logits"),
}


def export_onnx(
    model: PreTrainedModel,
    path: Path,
    *,
    max_length: int,
    metadata: Mapping[str, str],
    route: Route = DEFAULT_ROUTE,
) -> None:
    """Write `model` to `path` as one fp32 ONNX file; the model itself is unchanged.

    Inputs are `input_names(model)`, outputs `output_names(model)`; batch and length are dynamic.
    Its properties contain `metadata` plus `max_length` (tokens), `precision` and `route`.
    `zoo.export.parity` checks whether it agrees with the model.

    Raises:
        ExportError: the model's head or precision is unsupported, or it has too few positions.
    """
    problems = _obstacles(model, max_length)
    if problems:
        raise ExportError(*problems)
    interface = Interface(input_names(model), output_names(model), longest_input(model.config))
    graph = trace(_still_copy(model), interface, route)
    properties = {"max_length": str(max_length), "precision": "fp32", "route": route}
    onnx.helper.set_model_props(graph, {**metadata, **properties})
    write_file(path, graph.SerializeToString(deterministic=True))


def output_names(model: PreTrainedModel) -> tuple[str, ...]:
    """The names of the outputs of `model`, in order.

    Raises:
        ExportError: it has neither a classification nor a question answering head.
    """
    name = type(model).__name__
    for head, outputs in _OUTPUTS.items():
        if name.endswith(head):
            return outputs
    raise ExportError(_headless(name))


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
                f"{max_length} tokens",
                f"1 to {longest}, the number of positions of the model",
                "reduce the task's max_length or use a model with more positions",
            )
        )
    return problems


def _headless(name: str) -> Problem:
    return Problem(
        name,
        "unsupported model head",
        " or ".join(f"a class named *{head}" for head in _OUTPUTS),
        "load the checkpoint with the AutoModel class of its task",
    )


def _still_copy(model: PreTrainedModel) -> PreTrainedModel:
    """A traceable copy: on the CPU, without dropout, with eager attention."""
    still = copy.deepcopy(model).cpu().eval()
    still.set_attn_implementation("eager")
    return still
