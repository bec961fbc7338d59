"""DistilBERT's tables, with the numbers of the released command."""

from functools import partial
from pathlib import Path

import torch

from tests import tiny
from zoo.distil.method import Setting
from zoo.distil.stage import Stage
from zoo.methods import stages_of
from zoo.methods.distilbert import DistilBert
from zoo.models.tap import LOGITS, Site, Tap
from zoo.spec.optimise import Optimise
from zoo.spec.student import copied_layers
from zoo.training.loop import train

SPAN = Setting(tiny.STUDENT, tiny.TEACHER, "span")


def weights(stage: Stage) -> dict[str, float]:
    return {term.name: term.weight_at(0.0) for term in stage.terms}


def test_the_corpus_stage_is_the_released_command() -> None:
    """5, 2, 1; T = 2 with T^2; the last layers; positions frozen; smoothing 0.7 of 15 %."""
    corpus, _ = stages_of(DistilBert(), SPAN)
    assert weights(corpus) == {"soft": 5.0, "mlm": 2.0, "cosine": 1.0}
    soft, _, cosine = corpus.terms
    assert isinstance(soft.loss, partial)
    assert soft.loss.keywords == {"temperature": 2.0, "scaled": True}
    assert (cosine.student, cosine.teacher) == (Tap(Site.HIDDEN, 1), Tap(Site.HIDDEN, 3))
    assert corpus.frozen == ("positions",)
    assert (corpus.masking.fraction, corpus.masking.smoothing) == (0.15, 0.7)


def test_the_published_layers() -> None:
    """Layers 0, 2, 4, 7, 9 and 11 of twelve (methods.md 1, Initialisation)."""
    assert copied_layers("spaced", 6, 12) == (0, 2, 4, 7, 9, 11)


def test_the_second_distillation_is_on_spans_alone(tmp_path: Path) -> None:
    """DistilBERT (D): half labels, half soft labels at T = 2 with T^2; other tasks have labels."""
    method = DistilBert(second_distillation=True)
    stage = stages_of(method, SPAN)[-1]
    assert weights(stage) == {"labels": 0.5, "soft": 0.5}
    soft = stage.terms[1]
    assert isinstance(soft.loss, partial)
    assert (soft.loss.keywords, soft.teacher) == (
        {"temperature": 2.0, "scaled": True, "over": "rows"},
        LOGITS,
    )
    assert weights(stages_of(method, SPAN._replace(kind="classification"))[-1]) == {"labels": 1.0}
    setup = tiny.Setup(tmp_path, (stage,), "span")
    setup.optimise = Optimise(steps=40, batch_size=8, learning_rate=4e-3, dropout=0.0)
    before = tiny.weights(setup.teacher)
    losses = train(setup.work()).phases[0].losses
    assert losses["labels"] < 3.0
    assert all(
        torch.equal(tensor, before[key]) for key, tensor in setup.teacher.state_dict().items()
    )
