"""The neighbour start: attention begins beside each token, and everything stays trainable."""

import torch
from transformers import PreTrainedModel

from tests import tiny
from zoo.losses.logits import hard_labels
from zoo.models.build import MASKED_LM, build
from zoo.models.capture import Capture
from zoo.models.neighbours import LOOKS, look_at_neighbours
from zoo.models.tap import LOGITS, Site, Tap
from zoo.spec.shape import Shape
from zoo.tensors.batch import Layout

SHAPE = Shape(layers=4, hidden=128, heads=4, intermediate=256, vocabulary=400, positions=64)


def started(seed: int = 0) -> PreTrainedModel:
    model = build(SHAPE, MASKED_LM, seed=seed).eval()
    look_at_neighbours(model, seed=seed)
    return model


def test_each_head_of_the_first_layer_peaks_at_its_offset() -> None:
    """On random pieces: at nine in ten places the offset is what the head looks at most."""
    batch = tiny.batch(rows=1, length=48)
    with torch.no_grad(), Capture(started(), [Tap(Site.SCORES, 0)]) as capture:
        scores = capture(batch)[Tap(Site.SCORES, 0)][0]
    places = torch.arange(4, 44)
    for head, offset in enumerate(LOOKS[0]):
        assert isinstance(offset, int)
        hits = scores[head].argmax(-1)[places] == places + offset
        assert float(hits.float().mean()) >= 0.9, offset


def test_echo_heads_prefer_the_same_piece_elsewhere() -> None:
    """In the second layer a repeated piece draws more attention than others, on average."""
    batch = tiny.batch(rows=1, length=48)
    batch.input_ids[0, 24:] = batch.input_ids[0, :24]
    with torch.no_grad(), Capture(started(), [Tap(Site.SCORES, 1)]) as capture:
        scores = capture(batch)[Tap(Site.SCORES, 1)][0]
    attention = scores.softmax(-1)
    echo = torch.stack([attention[:2, place, place + 24] for place in range(24)]).mean()
    assert float(echo) > 2.0 / 48


def test_it_is_an_ordinary_model_that_can_be_trained() -> None:
    """Finite everywhere; every parameter that the loss reaches gets a finite gradient."""
    model = started()
    assert all(torch.isfinite(p).all() and p.requires_grad for p in model.parameters())
    batch = tiny.batch(Layout.TOKENS)
    with Capture(model, [LOGITS]) as capture:
        hard_labels(capture(batch)[LOGITS], batch.input_ids, batch).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name


def test_it_follows_from_the_seed() -> None:
    """Same seed, same bits; another seed, others."""
    assert tiny.same_weights(started(1), started(1))
    assert not tiny.same_weights(started(1), started(2))
