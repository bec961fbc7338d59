"""What a model answers to every feature of a split."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import PreTrainedModel

from zoo.data.batches import LAYOUTS, Encoded, collate, in_length_order
from zoo.data.examples import SpanExample, TextExample
from zoo.evaluation.spans import decode
from zoo.models.capture import logits_of, model_inputs
from zoo.spec.data import TaskSettings
from zoo.spec.task import TaskKind

BATCH_SIZE = 64
NULL_THRESHOLD = 0.0
"""Null odds above which a question is left unanswered, where the task has such questions."""


@dataclass(frozen=True)
class Predictions:
    """One answer per example, in the order of the split.

    `answers` are class ids, numbers or texts; `logits` (N, C) for classes and numbers, and the
    null odds (N, 1) for spans.
    """

    ids: tuple[str, ...]
    answers: tuple[int | float | str, ...]
    gold: tuple[int | float | tuple[str, ...] | None, ...]
    logits: NDArray[np.float32]


@torch.inference_mode()
def feature_logits(model: PreTrainedModel, encoded: Encoded) -> list[NDArray[np.float32]]:
    """Logits of every feature, in the order of the features; span rows are (S, 2)."""
    model.eval()
    found: dict[int, NDArray[np.float32]] = {}
    for rows in in_length_order(encoded, BATCH_SIZE):
        batch = collate(encoded, rows).to(model.device)
        output = model(**model_inputs(model, batch))
        logits = logits_of(output, LAYOUTS[encoded.task.kind]).float().cpu().numpy()
        found |= dict(zip(rows, logits, strict=True))
    return [found[row] for row in range(len(encoded.features))]


def predict(model: PreTrainedModel, encoded: Encoded, settings: TaskSettings) -> Predictions:
    """The model's answers on a split."""
    logits = feature_logits(model, encoded)
    if encoded.task.kind is TaskKind.SPAN:
        return _span_predictions(encoded, logits, settings)
    examples = [e for e in encoded.split.examples if isinstance(e, TextExample)]
    stacked = np.stack(logits)
    if encoded.task.kind is TaskKind.REGRESSION:
        answers: tuple[int | float | str, ...] = tuple(float(row[0]) for row in stacked)
    else:
        answers = tuple(int(row.argmax()) for row in stacked)
    return Predictions(
        tuple(example.id for example in examples),
        answers,
        tuple(example.label for example in examples),
        stacked,
    )


def _span_predictions(
    encoded: Encoded, logits: list[NDArray[np.float32]], settings: TaskSettings
) -> Predictions:
    examples = [e for e in encoded.split.examples if isinstance(e, SpanExample)]
    decoded = decode(
        examples,
        encoded.features,
        [row[:, 0] for row in logits],
        [row[:, 1] for row in logits],
        max_answer_tokens=settings.max_answer,
        null_threshold=NULL_THRESHOLD if encoded.task.unanswerable else None,
    )
    odds = [[decoded.null_odds[example.id]] for example in examples]
    return Predictions(
        tuple(example.id for example in examples),
        tuple(decoded.predictions[example.id] for example in examples),
        tuple(example.answers for example in examples),
        np.array(odds, dtype=np.float32),
    )
