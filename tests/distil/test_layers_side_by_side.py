"""A term on several layers goes through the language like any other; the method is of this file."""

from pathlib import Path
from typing import Literal, final

import pytest
import torch
from torch import Tensor

from tests import tiny
from zoo.distil.method import Method, MisfitError, Setting
from zoo.distil.stage import Stage
from zoo.distil.term import Term
from zoo.losses.logits import hard_labels
from zoo.methods import stages_of
from zoo.models.anatomy import layers_of
from zoo.models.capture import Capture
from zoo.models.tap import LOGITS, Site, Tap
from zoo.tensors.batch import Batch
from zoo.training.loop import train
from zoo.training.trainee import make_projections

NARROW = tiny.STUDENT.model_copy(update={"hidden": 16})


def real_mse(student: Tensor, teacher: Tensor, batch: Batch) -> Tensor:
    """Of (B, K, S, H) states, the mean over real tokens."""
    assert student.shape == teacher.shape == (len(batch.real), 2, batch.real.shape[1], 32)
    differences = (student.float() - teacher.detach().float()).transpose(1, 2)
    return differences[batch.real].square().mean()


@final
class SideBySide(Method):
    """Hidden states of both student layers, after two of the teacher's."""

    name: Literal["side_by_side"] = "side_by_side"
    student_layers: tuple[int, ...] = (0, 1)
    teacher_layers: tuple[int, ...] = (1, 3)

    def stages(self, setting: Setting) -> tuple[Stage, ...]:  # noqa: ARG002
        """One stage on the task."""
        ours, theirs = Tap(Site.HIDDEN, self.student_layers), Tap(Site.HIDDEN, self.teacher_layers)
        states = Term("states", real_mse, ours, theirs, project="states")
        return (Stage("side by side", "task", (Term("labels", hard_labels, LOGITS), states)),)


def setting(**teacher: int) -> Setting:
    return Setting(NARROW, tiny.TEACHER.model_copy(update=teacher), "classification")


def test_it_trains_through_a_projection(tmp_path: Path) -> None:
    """The map is applied to every layer, learns, and stays out of the student."""
    table = stages_of(SideBySide(), setting())
    work = tiny.Setup(tmp_path, table, "sentiment", student_shape=NARROW).work()
    torch.manual_seed(work.seed)
    start = make_projections(table, NARROW.hidden, lambda _data: tiny.TEACHER.hidden)
    outcome = train(work)
    learnt = outcome.projections["states.weight"]
    assert learnt.shape == (tiny.TEACHER.hidden, NARROW.hidden)
    assert not torch.equal(learnt, start.state_dict()["states.weight"])
    assert not any("states" in name for name in outcome.model.state_dict())


def test_families_are_left_out_as_ever() -> None:
    """The layers stand in the tap, not in the term's name."""
    (stage,) = stages_of(SideBySide(leave_out=("states",)), setting())
    assert [term.name for term in stage.terms] == ["labels"]


def test_only_the_layers_that_are_named_are_watched() -> None:
    """Each once, however many taps name it."""
    teacher = tiny.frozen(tiny.model(tiny.TEACHER, "sentiment"))
    taps = [Tap(Site.HIDDEN, (1, 3)), Tap(Site.HIDDEN, (3, 1)), Tap(Site.HIDDEN, 3)]
    with Capture(teacher, taps):
        hooks = [len(layer._forward_hooks) for layer in layers_of(teacher)]
    assert hooks == [0, 1, 0, 1]


def test_gradients_reach_every_layer_that_is_named() -> None:
    """As if each stood in a term of its own."""
    model = tiny.model(tiny.STUDENT, "sentiment").eval()
    tap = Tap(Site.HIDDEN, (0, 1))
    with Capture(model, [tap]) as capture:
        capture(tiny.batch())[tap][:, 1].square().sum().backward()
    assert all(p.grad is not None for layer in layers_of(model) for p in layer.parameters())
    model.zero_grad()
    with Capture(model, [tap]) as capture:
        capture(tiny.batch())[tap][:, 0].square().sum().backward()
    first, second = layers_of(model)
    assert all(p.grad is not None and p.grad.any() for p in first.parameters() if p.ndim > 1)
    assert not any(p.grad is not None and p.grad.any() for p in second.parameters())


@pytest.mark.parametrize(
    ("fields", "given", "allowed"),
    [
        (
            {"teacher_layers": (1, 4)},
            "term states reads hidden[1, 4] of a teacher of 4 layers",
            "layers from 0 to 3",
        ),
        (
            {"student_layers": (0, 1, 2)},
            "term states reads hidden[0..2] of a student of 2 layers",
            "layers from 0 to 1",
        ),
        (
            {"teacher_layers": (-1, 0)},
            "term states reads hidden[-1, 0] of a teacher of 4 layers",
            "layers from 0 to 3",
        ),
    ],
)
def test_layers_that_a_model_does_not_have_are_refused(
    fields: dict[str, tuple[int, ...]], given: str, allowed: str
) -> None:
    """On shapes alone: an index from the end would silently be another layer."""
    with pytest.raises(MisfitError) as caught:
        stages_of(SideBySide(**fields), setting())
    assert (caught.value.key, caught.value.given, caught.value.allowed) == ("name", given, allowed)


def test_the_layers_of_another_teacher_are_other_layers() -> None:
    """What fits one depth need not fit another."""
    assert stages_of(SideBySide(), setting())
    with pytest.raises(MisfitError):
        stages_of(SideBySide(), setting(layers=3))
