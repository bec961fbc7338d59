"""Soft labels: what is left of them at the ends of their weight, and on numbers."""

from pathlib import Path

import pytest
import torch

from tests import tiny
from zoo.distil.method import Setting
from zoo.losses.batch import Layout
from zoo.methods import stages_of
from zoo.methods.finetune import Finetune
from zoo.methods.kd import Kd
from zoo.spec.optimise import Optimise
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
