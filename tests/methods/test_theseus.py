"""BERT-of-Theseus: what its two stages train, and what they leave alone (methods.md 5.8)."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import PreTrainedModel

from tests import tiny
from zoo.distil.method import MisfitError, Setting
from zoo.distil.replaceable import Replaceable, with_modules, with_successors
from zoo.distil.replacement import Replacement
from zoo.distil.stage import Stage
from zoo.distil.surgery import Continue
from zoo.methods import stages_of
from zoo.methods.theseus import Theseus
from zoo.models.anatomy import layers_of, part_parameters
from zoo.spec.optimise import Optimise
from zoo.spec.shape import Shape
from zoo.training.loop import train
from zoo.training.resume import Scratch

BERT12 = Shape(layers=12, hidden=768, heads=12, intermediate=3072, vocabulary=30522)
BERT6 = BERT12.model_copy(update={"layers": 6})


def stages(**fields: Any) -> tuple[Stage, ...]:
    return stages_of(Theseus(**fields), Setting(tiny.STUDENT, tiny.TEACHER, "classification"))


def setup(folder: Path, steps: int = 8, **fields: Any) -> tiny.Setup:
    made = tiny.Setup(folder, stages(**fields))
    made.optimise = Optimise(
        steps=steps, batch_size=8, learning_rate=1e-3, dropout=0.0, max_length=32
    )
    return made


def part(model: PreTrainedModel, name: str) -> list[Tensor]:
    return [parameter.detach().clone() for parameter in part_parameters(model, name)]


def equal(first: list[Tensor], second: list[Tensor]) -> bool:
    return all(torch.equal(*pair) for pair in zip(first, second, strict=True))


def test_the_table_is_the_papers() -> None:
    """Task labels only, teacher asked for by the surgery alone, ends frozen in both stages."""
    replacing, successors = stages_of(Theseus(), Setting(BERT6, BERT12, "classification"))
    assert [term.name for term in (*replacing.terms, *successors.terms)] == ["labels", "labels"]
    assert all(term.teacher is None for term in (*replacing.terms, *successors.terms))
    assert replacing.surgery == Replacement("predecessor", 0.3, None, 1.0)
    assert isinstance(successors.surgery, Continue)
    assert (replacing.needs_teacher, successors.needs_teacher) == (True, False)
    assert replacing.frozen == successors.frozen == ("embeddings", "head")
    assert successors.optimiser == "carry"


def test_schedules_reach_the_surgery() -> None:
    """The script's k and b, the derived slope, and the constant rate."""
    assert stages(slope=0.0006)[0].surgery == Replacement("predecessor", 0.3, 0.0006)
    assert stages(full_after=0.5)[0].surgery == Replacement("predecessor", 0.3, None, 0.5)
    constant = stages(schedule="constant", base_rate=0.5, successors="student")[0].surgery
    assert constant == Replacement("student", 0.5, 0.0)


@pytest.mark.parametrize("successors", ["predecessor", "student"])
def test_only_successors_learn(tmp_path: Path, successors: str) -> None:
    """Invariant 6: all that is not a layer ends as the teacher's, every layer has moved."""
    made = setup(tmp_path, successors=successors)
    start = tiny.build_student(made) if successors == "student" else made.teacher
    model = train(made.work()).model
    assert equal(part(model, "embeddings"), part(made.teacher, "embeddings"))
    assert equal(part(model, "head"), part(made.teacher, "head"))
    for ours, theirs in zip(layers_of(model), layers_of(start), strict=False):
        pairs = zip(ours.state_dict().values(), theirs.state_dict().values(), strict=True)
        moved = [float((mine - before).abs().max()) for mine, before in pairs]
        # AdamW moves a weight by about its rate in a step: 8 steps of up to 1e-3.
        assert all(0 < distance < 1e-2 for distance in moved), moved


def test_predecessors_never_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Invariant 3: at the end of replacing their bits are the teacher's, and p has become 1."""
    made = setup(tmp_path)
    seen: list[PreTrainedModel] = []
    close = Replacement.close

    def look(surgery: Replacement, trainee: PreTrainedModel) -> PreTrainedModel:
        modules = [module for module in layers_of(trainee) if isinstance(module, Replaceable)]
        before = [layer for module in modules for layer in module.predecessors]
        for layer, theirs in zip(before, layers_of(made.teacher), strict=True):
            assert tiny.same_weights(layer, theirs)
        assert [module.rate for module in modules] == [1.0] * tiny.STUDENT.layers
        seen.append(trainee)
        return close(surgery, trainee)

    monkeypatch.setattr(Replacement, "close", look)
    train(made.work())
    assert len(seen) == 1


def test_rate_1_is_plain_fine_tuning(tmp_path: Path) -> None:
    """Invariant 2 over a whole training: p = 1 from the start trains the M-layer model as it is."""
    made = setup(tmp_path, schedule="constant", base_rate=1.0)
    theseus = train(made.work()).model
    plain = tuple(
        Stage(stage.name, "task", stage.terms, share=0.5, optimiser=stage.optimiser, frozen=kept)
        for stage in made.stages
        for kept in [stage.frozen]
    )
    twin = tiny.Setup(tmp_path, plain, optimise=made.optimise)
    work = twin.work()
    work.student = with_successors(with_modules(made.teacher, tiny.STUDENT.layers))
    work.student.requires_grad_(requires_grad=True)
    assert tiny.same_weights(theseus, train(work).model)


def test_rate_0_teaches_nothing(tmp_path: Path) -> None:
    """Without any use in replacing, its successors are still the teacher's first layers."""
    made = setup(tmp_path, schedule="constant")
    unused = Replacement("predecessor", base_rate=0.0, slope=0.0)
    made.stages = (replace(made.stages[0], surgery=unused),)
    model = train(made.work()).model
    for ours, theirs in zip(layers_of(model), layers_of(made.teacher), strict=False):
        assert tiny.same_weights(ours, theirs)


@pytest.mark.parametrize("killed_at", [1, 3, 4, 5, 7])
def test_resuming_is_exact_in_both_stages(tmp_path: Path, killed_at: int) -> None:
    """Killed after any step of 4 + 4: the same draws, the same rate, the same bits."""
    fields = {"successors": "student", "base_rate": 0.4}
    whole = train(setup(tmp_path, **fields).work())
    scratch = Scratch(tmp_path / "scratch", every_seconds=0.0)
    with pytest.raises(tiny.Stopped):
        train(setup(tmp_path, **fields).work(stop_after=killed_at, scratch=scratch))
    torch.manual_seed(99)
    resumed = train(setup(tmp_path, **fields).work(scratch=scratch))
    assert tiny.same_weights(whole.model, resumed.model)
    assert resumed.phases == whole.phases


@pytest.mark.parametrize(
    ("student", "given"),
    [
        ({"layers": 5}, "12 layers cannot be split into 5 equal modules"),
        ({"layers": 24}, "12 layers cannot be split into 24 equal modules"),
        (
            {"heads": 6},
            "successors replace the teacher's layers; heads 6 instead of 12",
        ),
        (
            {"family": "distilbert"},
            "successors replace the teacher's layers; family distilbert instead of bert",
        ),
    ],
)
def test_other_shapes_are_refused(student: dict[str, Any], given: str) -> None:
    """A successor stands where the teacher's layers stood: it differs in number only."""
    with pytest.raises(MisfitError) as caught:
        stages_of(Theseus(), Setting(BERT6.model_copy(update=student), BERT12, "span"))
    assert (caught.value.key, caught.value.given) == ("name", given)
    assert caught.value.allowed


@pytest.mark.parametrize(
    ("fields", "key", "given"),
    [
        ({"schedule": "constant", "slope": 0.1}, "slope", "a constant rate does not grow"),
        (
            {"schedule": "constant", "full_after": 0.5},
            "full_after",
            "a constant rate never reaches 1",
        ),
        ({"slope": 0.1, "full_after": 0.5}, "full_after", "slope decides when the rate is full"),
    ],
)
def test_contradicting_schedules_are_refused(fields: dict[str, Any], key: str, given: str) -> None:
    """No field is silently ignored."""
    with pytest.raises(MisfitError) as caught:
        stages(**fields)
    assert (caught.value.key, caught.value.given) == (key, given)
