"""What an export takes where there are several: limits, checkpoints, lengths."""

import json
import math
from pathlib import Path
from typing import Any

import pytest

from tests import tiny
from tests.made import identity
from zoo.export.export_runs import _Source, export_runs
from zoo.export.parity import Limits, checked
from zoo.models.checkpoint import save_checkpoint
from zoo.models.cost import parameter_counts
from zoo.paths import Project, onnx_name
from zoo.spec.bench import Export
from zoo.spec.measuring import ExportJob

TASKS = ("inference", "span")
EXPORT = Export(precisions=("fp32",), examples=32)


def job(export: Export, *tasks: str) -> ExportJob:
    return ExportJob(suite="s", entry="e", runs=tuple(map(tiny.run, tasks)), export=export)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """An entry whose runs are built for two tasks."""
    project = Project(tmp_path)
    for task in TASKS:
        made = identity("e", "trained", task=task, declared=tiny.run(task).declared)
        folder = project.entry("s", "e").checkpoint(task, 1)
        save_checkpoint(folder, tiny.model(task=task), tiny.tokenizer(), made)
    return project


@pytest.mark.parametrize(
    ("precision", "own"),
    [
        ("fp32", {"tolerance": 0.5, "flips": 0.25}),
        ("fp16", {"tolerance": 0.125, "flips": 0.375}),
        ("int8", {"tolerance": math.inf, "flips": 0.75, "loss": 0.625}),
        ("int8-static", {"tolerance": math.inf, "flips": 0.75, "loss": 0.625}),
    ],
)
def test_every_precision_has_its_own_limits(
    precision: str, own: dict[str, float], project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that the suite declares for it, not another's."""
    stated = Export(
        precisions=(precision,),
        examples=32,
        tolerance=0.5,
        flips=0.25,
        fp16_tolerance=0.125,
        fp16_flips=0.375,
        int8_flips=0.75,
        int8_loss=0.625,
    )
    limits: dict[str, Limits] = {}

    def note(write: object, file: Path, **given: Any) -> Any:
        limits[file.stem] = given["limits"]
        return checked(write, file, **given)

    monkeypatch.setattr("zoo.export.export_runs.checked", note)
    export_runs(project, job(stated, "inference"))
    found = vars(limits[Path(onnx_name("inference", precision)).stem])
    assert found | own == found


def test_every_run_is_exported_from_its_own_checkpoint(project: Project) -> None:
    """Its head has as many outputs as its task has classes; records name its own file's figures."""
    export_runs(project, job(EXPORT, *TASKS))
    folder = project.entry("s", "e").export
    for task in TASKS:
        record = json.loads((folder / f"export-{task}-fp32-1.json").read_text())
        assert record["parameters"] == parameter_counts(tiny.model(task=task)).total
        assert record["bytes"] == (folder / onnx_name(task, "fp32")).stat().st_size


@pytest.mark.parametrize(("stated", "written"), [(24, 24), (64, 64), (500, 64)])
def test_the_longest_input_fits_both_task_and_model(
    stated: int, written: int, project: Project
) -> None:
    """The task's length, or the model's positions where these are fewer."""
    settings = tiny.SETTINGS.model_copy(update={"max_length": stated})
    asked = tiny.run("inference").model_copy(update={"settings": settings})
    model, tokenizer = tiny.model(task="inference"), tiny.tokenizer()
    made = identity("e", "trained", task="inference")
    source = _Source(model, tokenizer, project.root, job(EXPORT, *TASKS), asked, made)
    assert source.max_length == written
