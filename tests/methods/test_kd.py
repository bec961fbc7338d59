"""Soft labels: what is left of them at the ends of their weight, and on numbers."""

from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import pytest
import torch

from tests import tiny
from zoo.distil.method import Kind, Setting
from zoo.distil.term import Term
from zoo.methods import METHODS, stages_of
from zoo.methods.finetune import Finetune
from zoo.methods.kd import Kd
from zoo.methods.pkd import Pkd
from zoo.paths import Project
from zoo.spec.load import load_suite
from zoo.spec.optimise import Optimise
from zoo.tensors.batch import Layout
from zoo.training.loop import train


def test_without_weight_it_is_fine_tuning(tmp_path: Path) -> None:
    """Invariant 1 of methods.md 5.2: a = 0 trains the same bits as the undistilled twin."""
    setting = Setting(tiny.STUDENT, tiny.TEACHER, "classification")
    models = []
    for method in (Kd(soft_weight=0.0), Finetune()):
        setup = tiny.Setup(tmp_path, stages_of(method, setting))
        setup.optimise = Optimise(steps=5, batch_size=8, max_length=32)
        models.append(train(setup.work()).model)
    assert tiny.same_weights(*models)


@pytest.mark.parametrize("kind", ["classification", "regression", "span"])
@pytest.mark.parametrize("over", ["rows", "elements"])
def test_without_patience_pkd_is_this(kind: Kind, over: Literal["rows", "elements"]) -> None:
    """The same terms, weights and scale, so that the papers' rows can stand beside each other."""
    setting = Setting(tiny.STUDENT, tiny.TEACHER, kind)
    settings = {"temperature": 10.0, "soft_weight": 0.7, "soft_over": over}
    (ours,) = stages_of(Kd(**settings), setting)
    (theirs,) = stages_of(Pkd(patience_weight=0.0, **settings), setting)
    assert repr(ours.terms) == repr(theirs.terms)


def test_over_elements_soft_labels_weigh_less_by_the_classes() -> None:
    """PKD's released `mean` divides by B and C: for three classes a third of the batch mean."""
    batch = replace(tiny.batch(rows=4), labels=torch.tensor([0, 1, 2, 0]))
    student, teacher = torch.randn(2, 4, 3, generator=tiny.generator(1)).double()
    rows, elements = (
        float(soft_term(soft_over=over).loss(student, teacher, batch))
        for over in ("rows", "elements")
    )
    logs = [torch.log_softmax(side / 10.0, -1) for side in (student, teacher)]
    released = 100.0 * torch.nn.KLDivLoss(reduction="sum", log_target=True)(*logs) / 12
    assert elements == pytest.approx(float(released))
    assert rows == pytest.approx(3.0 * elements)


def test_the_published_entries_take_pkds_scale() -> None:
    """`glue`'s KD rows name PKD's settings, whose a belongs to the mean over elements."""
    loaded = load_suite(Project(Path(__file__).parents[2]), "glue", METHODS)
    for name in ("kd-6l", "kd-roberta-6l"):
        ours, theirs = loaded.entries[name].method, loaded.entries["pkd-6l"].method
        for key in ("temperature", "soft_weight", "soft_over"):
            assert getattr(ours, key) == getattr(theirs, key)


def soft_term(**settings: Any) -> Term:
    """The soft labels at PKD's temperature."""
    setting = Setting(tiny.STUDENT, tiny.TEACHER, "classification")
    (stage,) = stages_of(Kd(temperature=10.0, **settings), setting)
    return next(term for term in stage.terms if term.name == "soft")


@pytest.mark.parametrize("weight", [0.0, 0.3, 1.0])
def test_numbers_are_drawn_to_both_targets(weight: float) -> None:
    """methods.md 5.2: (1 - a) (y - z_S)^2 + a (z_T - z_S)^2, mean over examples."""
    (stage,) = stages_of(Kd(soft_weight=weight), Setting(tiny.STUDENT, tiny.TEACHER, "regression"))
    batch = tiny.batch(Layout.VALUE, rows=3)
    student, teacher = torch.tensor([[1.0], [2.0], [4.0]]), torch.tensor([[2.0], [2.0], [1.0]])
    labels = torch.tensor([0.0, 3.0, 5.0])
    total = sum(
        float(term.weight_at(0.0) * term.loss(student, teacher if term.teacher else labels, batch))
        for term in stage.terms
    )
    by_label, by_teacher = (1.0 + 1.0 + 1.0) / 3, (1.0 + 0.0 + 9.0) / 3
    assert total == pytest.approx((1 - weight) * by_label + weight * by_teacher)
