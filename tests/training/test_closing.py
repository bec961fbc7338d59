"""A stage is held against its budget before its first step, and its seam after the last."""

from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
from transformers import PreTrainedModel

from tests import tiny
from tests.training.tables import COSINE, LABELS, plain, task_stage
from zoo.distil.budget import Budget
from zoo.distil.method import MisfitError
from zoo.distil.stage import Stage
from zoo.distil.surgery import Continue, Seam
from zoo.distil.term import Term
from zoo.errors import TrainingError
from zoo.losses.logits import hard_labels
from zoo.models.tap import LOGITS
from zoo.records.training import ClosingRecord
from zoo.spec.optimise import Optimise
from zoo.training.loop import train


@dataclass(frozen=True)
class Silenced(Continue):
    """Sets the head's output map to 0 when it closes, and says that it is half of everything."""

    allowed: bool = True
    least: int = 1

    def within(self, budget: Budget) -> "Silenced":
        if budget.steps < self.least:
            given = f"{budget.steps} steps"
            raise MisfitError("name", given, f"at least {self.least}", "give it more")
        return self

    def seam(self, trainee: PreTrainedModel) -> Seam:
        assert trainee.training
        if not self.allowed:
            raise MisfitError("name", "half would go", "nothing", "allow it")
        return Seam(0.5, 0.01)

    def close(self, trainee: PreTrainedModel) -> PreTrainedModel:
        with torch.no_grad():
            trainee.classifier.weight.zero_()
            trainee.classifier.bias.zero_()
        return trainee


def made(folder: Path, surgery: Continue, **change: int) -> tiny.Setup:
    stage = Stage("silence", "task", (Term("labels", hard_labels, LOGITS),), surgery)
    setup = tiny.Setup(folder, (stage,))
    setup.optimise = Optimise(
        batch_size=8, learning_rate=1e-3, dropout=0.5, max_length=32, **(change or {"steps": 4})
    )
    return setup


def test_closing_is_measured_on_the_same_batches(tmp_path: Path) -> None:
    """A head of zeros answers log 2; before, it answers something else, and twice the same."""
    closings = [train(made(tmp_path, Silenced()).work()).phases[0].closing for _ in range(2)]
    first, second = closings
    assert first is not None
    assert first == second
    assert (first.cut, first.near_zero) == (0.5, 0.01)
    assert first.after == {"labels": pytest.approx(0.693147, abs=1e-5)}
    assert abs(first.before["labels"] - first.after["labels"]) > 1e-3


def test_closing_is_measured_part_by_part(tmp_path: Path) -> None:
    """Where a step is computed so; a mean over tokens stays one over the tokens of a batch."""
    found = []
    for parts in (1, 4):
        stage = task_stage(LABELS, COSINE, surgery=Silenced())
        setup = tiny.Setup(tmp_path, (stage,), optimise=plain(accumulate=parts))
        closing = train(setup.work()).phases[0].closing
        assert closing is not None
        found.append(closing)
    whole, in_parts = found
    assert in_parts.before == pytest.approx(whole.before, rel=1e-5)
    assert in_parts.after == pytest.approx(whole.after, rel=1e-5)


def test_where_nothing_changes_nothing_is_measured(tmp_path: Path) -> None:
    """The record of an ordinary stage says None."""
    assert train(made(tmp_path, Continue()).work()).phases[0].closing is None


def test_a_refused_seam_is_an_error_of_the_training(tmp_path: Path) -> None:
    """After the last step, with the stage's name and all that the surgery says."""
    with pytest.raises(TrainingError) as caught:
        train(made(tmp_path, Silenced(allowed=False)).work())
    assert str(caught.value) == (
        "stage 'silence': half would go\n  allowed: nothing\n  fix: allow it"
    )


@pytest.mark.parametrize("budget", [{"steps": 7}, {"epochs": 2}], ids=str)
def test_a_budget_is_held_before_the_first_step(tmp_path: Path, budget: dict[str, int]) -> None:
    """Steps, and epochs of data whose length is known only now: 2 of 32 / 8 are 8 steps."""
    given = made(tmp_path, Silenced(least=9), **budget)
    steps = 8 if "epochs" in budget else 7
    with pytest.raises(TrainingError) as caught:
        train(given.work(stop_after=1))
    assert str(caught.value) == (
        f"stage 'silence': {steps} steps\n  allowed: at least 9\n  fix: give it more"
    )
    enough = replace(given.stages[0], surgery=Silenced(least=steps))
    given.stages = (enough,)
    assert train(given.work()).phases[0].steps == steps


def test_the_mark_is_there_when_something_was_cut() -> None:
    """Near 0 is nothing; what is more says how much, and what it did to every term."""
    record = ClosingRecord(cut=0.01, near_zero=0.01, before={"mlm": 5.27}, after={"mlm": 5.864})
    assert record.mark == "cut where 0.01 of the kept norm was left: mlm 5.27 to 5.86"
    assert record.model_copy(update={"cut": 0.0099}).mark == ""
