"""Predictions of a model on a split."""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import PreTrainedModel

from zoo.data.batches import Encoded, collate, in_length_order
from zoo.data.examples import SpanExample, TextExample
from zoo.evaluation.predictions import Predictions
from zoo.evaluation.spans import decode, withhold
from zoo.models.capture import logits_of, model_inputs
from zoo.spec.data import TaskSettings
from zoo.spec.task import TaskKind
from zoo.tensors.batch import Batch

BATCH_SIZE = 64
NULL_THRESHOLD = 0.0
"""Null odds above which no answer is given, for tasks with unanswerable questions."""


Forward = Callable[[Batch], Tensor]
"""Logits of a batch: (B, C) for classes and numbers, (B, S, 2) for span starts and ends."""


def forward_of(model: PreTrainedModel) -> Forward:
    """The model as a function: in evaluation mode, on its device, without gradients."""
    model.eval()

    @torch.inference_mode()
    def forward(batch: Batch) -> Tensor:
        output = model(**model_inputs(model, batch.to(model.device)))
        return logits_of(output, batch.layout)

    return forward


def feature_logits(forward: Forward, encoded: Encoded) -> list[NDArray[np.float32]]:
    """Logits of every feature, in the order of the features; span rows are (S, 2)."""
    found: dict[int, NDArray[np.float32]] = {}
    for rows in in_length_order(encoded, BATCH_SIZE):
        logits = forward(collate(encoded, rows)).float().cpu().numpy()
        found |= dict(zip(rows, logits, strict=True))
    return [found[row] for row in range(len(encoded.features))]


def predict(forward: Forward, encoded: Encoded, settings: TaskSettings) -> Predictions:
    """The predictions on a split of a model, or of any other source of logits."""
    logits = feature_logits(forward, encoded)
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
        null_threshold=None,
    )
    given, spans, paragraphs = decoded.predictions, None, None
    if encoded.task.unanswerable:
        given = withhold(decoded.predictions, decoded.null_odds, NULL_THRESHOLD)
        spans = tuple(decoded.predictions[example.id] for example in examples)
        numbers = {text: at for at, text in enumerate(dict.fromkeys(e.context for e in examples))}
        paragraphs = tuple(numbers[example.context] for example in examples)
    odds = [[decoded.null_odds[example.id]] for example in examples]
    return Predictions(
        tuple(example.id for example in examples),
        tuple(given[example.id] for example in examples),
        tuple(example.answers for example in examples),
        np.array(odds, dtype=np.float32),
        spans,
        paragraphs,
    )
