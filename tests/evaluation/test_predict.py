"""Predicting asks for logits, not for a model, and gives what is stored."""

from dataclasses import replace

import numpy as np
import torch

from tests import tiny
from zoo.data.batches import collate
from zoo.evaluation.predict import feature_logits, forward_of, predict
from zoo.spec.task import TASKS
from zoo.tensors.batch import Batch


def test_a_model_in_training_predicts_without_dropout_and_without_gradients() -> None:
    """Twice the same logits, however the model was left."""
    model, encoded = tiny.model(task="sentiment").train(), tiny.encoded("sentiment")
    forward = forward_of(model)
    assert not model.training
    first, second = (forward(collate(encoded, [0, 1])) for _ in range(2))
    assert torch.equal(first, second)
    assert not first.requires_grad


def test_logits_come_in_the_order_of_the_features() -> None:
    """Batches go by length; each row is what it would be alone."""
    encoded = tiny.encoded("inference", 100)
    forward = forward_of(tiny.model(task="inference"))
    rows = feature_logits(forward, encoded)
    assert len(rows) == 100
    for row in (0, 1, 50, 99):
        alone = forward(collate(encoded, [row]))[0].numpy()
        np.testing.assert_allclose(rows[row], alone, atol=1e-5)


def test_open_questions_are_withheld_above_the_fixed_threshold_and_keep_their_span() -> None:
    """By hand: the no-answer score is 1 everywhere, the spans' 3 for every other question."""
    encoded = tiny.encoded("span")

    def forward(batch: Batch) -> torch.Tensor:
        logits = torch.zeros(*batch.input_ids.shape, 2)
        assert batch.answerable is not None
        for place, row in enumerate(batch.rows):
            if encoded.features[row].example % 2 == 0:
                logits[place, batch.answerable[place]] = 1.5
        logits[:, 0] = 0.5
        return logits

    found = predict(forward, encoded, tiny.SETTINGS)
    assert found.spans is not None
    assert all(found.spans)
    even = [number % 2 == 0 for number in range(len(found.ids))]
    assert found.logits[:, 0].tolist() == [-2.0 if each else 1.0 for each in even]
    kept = zip(even, found.spans, strict=True)
    assert found.answers == tuple(span if each else "" for each, span in kept)


def test_where_every_question_has_an_answer_nothing_is_withheld() -> None:
    """SQuAD v1.1 stores no second column of spans."""
    encoded = tiny.encoded("span")
    closed = replace(encoded, task=TASKS["squad-v1.1"])

    def forward(batch: Batch) -> torch.Tensor:
        logits = torch.zeros(*batch.input_ids.shape, 2)
        logits[:, 0] = 9.0
        return logits

    found = predict(forward, closed, tiny.SETTINGS)
    assert found.spans is None
    assert all(found.answers)
