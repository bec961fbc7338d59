"""The gate stage: what a teacher reached, and whether its classes are the data's."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.made import keep_score, score_record
from zoo.errors import MeasurementError, TrainingError
from zoo.evaluation.gate import open_gate
from zoo.evaluation.predictions import Predictions
from zoo.paths import Project
from zoo.records.gate_file import refuse_ungated
from zoo.spec.measuring import GateJob


def scored(project: Project, answers: list[int], gold: list[int], **told: Any) -> GateJob:
    """A teacher whose answers on sentiment are stored; `told` is what its record says otherwise."""
    right = told.pop("value", float(np.mean(np.equal(answers, gold))))
    made, folder = score_record("t", 0.0, "d" * 64), project.entry("pocket", "t").score
    record = made.model_copy(update={"metrics": {"accuracy": right}, **told})
    ids = tuple(map(str, range(len(gold))))
    given = Predictions(ids, tuple(answers), tuple(gold), np.zeros((len(gold), 2), np.float32))
    keep_score(folder, record, given)
    return GateJob(
        suite="pocket", entry="t", gates={"sentiment": 0.7}, seed=1, tasks=("sentiment",)
    )


def test_a_good_teacher_opens_the_gate(tmp_path: Path) -> None:
    project = Project(tmp_path)
    open_gate(project, scored(project, [0, 1] * 40, [0, 1] * 40))
    refuse_ungated(project.entry("pocket", "t").gate, "t", "sentiment")


@pytest.mark.parametrize(
    ("values", "opens"),
    [
        ({("dev_matched", 1): 0.8, ("dev_mismatched", 1): 0.75}, True),
        ({("dev_matched", 1): 0.8, ("dev_mismatched", 1): 0.6}, False),
        ({("dev_matched", 1): 0.6, ("dev_mismatched", 1): 0.8}, False),
        ({("dev", 1): 0.7}, True),
        ({("dev", 1): 0.6, ("dev", 2): 0.9}, False),
        ({("dev", 1): 0.9, ("dev", 2): 0.1}, True),
        ({("dev", 1): None}, False),
    ],
)
def test_the_lowest_split_of_the_distilled_seed_counts(
    tmp_path: Path, values: dict[tuple[str, int], float | None], opens: bool
) -> None:
    """Other seeds are not distilled; an undefined score reaches nothing; span has no gate."""
    project = Project(tmp_path)
    for (split, seed), value in values.items():
        job = scored(project, [0, 1] * 40, [0, 1] * 40, split=split, seed=seed, value=value)
    two = job.model_copy(update={"tasks": ("sentiment", "span")})
    open_gate(project, two)
    gate = project.entry("pocket", "t").gate
    refuse_ungated(gate, "t", "span")
    if opens:
        refuse_ungated(gate, "t", "sentiment")
        return
    with pytest.raises(TrainingError):
        refuse_ungated(gate, "t", "sentiment")


def test_a_teacher_with_swapped_classes_stops_the_stage(tmp_path: Path) -> None:
    """It is told apart from one that learnt nothing, and no gate is written."""
    project = Project(tmp_path)
    job = scored(project, [1, 0] * 40, [0, 1] * 40)
    with pytest.raises(MeasurementError, match="its class order differs"):
        open_gate(project, job)
    assert not project.entry("pocket", "t").gate.exists()


def test_a_teacher_that_its_training_examples_cleared_is_judged_by_its_score(
    tmp_path: Path,
) -> None:
    """Far below chance on an adversarial split, it fails a declared gate and passes without."""
    project = Project(tmp_path)
    job = scored(project, [1, 0] * 40, [0, 1] * 40, unlike_training=True)
    gate = project.entry("pocket", "t").gate
    open_gate(project, job)
    with pytest.raises(TrainingError, match="below the one declared"):
        refuse_ungated(gate, "t", "sentiment")
    open_gate(project, job.model_copy(update={"gates": {}}))
    refuse_ungated(gate, "t", "sentiment")
