"""A stage is kept only for the job and the code that it ran with."""

import json
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from zoo.cli import sync
from zoo.cli.stage import stage
from zoo.errors import ZooError
from zoo.paths import Project
from zoo.signals import POLITE

CHECKOUT = Path(__file__).parents[2]
Runs = Callable[[Callable[[], object]], None]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A synced project with the checkout's pocket suite, its working folder."""
    shutil.copytree(CHECKOUT / "specs/pocket", tmp_path / "specs/pocket")
    monkeypatch.chdir(tmp_path)
    sync.write()
    return Project(tmp_path)


@pytest.fixture
def training(monkeypatch: pytest.MonkeyPatch) -> Runs:
    """Puts something else that happens in the place of training."""

    def replace(what: Callable[[], object]) -> None:
        monkeypatch.setattr("zoo.training.run.train_runs", lambda *_: what())

    return replace


def edit(project: Project, name: str, old: str, new: str) -> None:
    path = project.specs / "pocket" / name
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    sync.write()


def test_a_stage_whose_job_stays_is_kept(project: Project, training: Runs) -> None:
    """A change of another entry, a note or a bench is none of its business."""
    training(lambda: edit(project, "pkd-2l.yaml", "temperature: 2.0", "temperature: 8.0"))
    stage("pocket/kd-2l", "train")


@pytest.mark.parametrize("by", POLITE)
def test_a_stage_that_is_asked_to_end_says_so(
    project: Project, training: Runs, by: signal.Signals, capsys: pytest.CaptureFixture[str]
) -> None:
    """In one line, with the exit code that shells give to signals; it does not count as done."""
    training(lambda: os.kill(os.getpid(), by))
    with pytest.raises(SystemExit) as stopped:
        stage("pocket/kd-2l", "train")
    assert stopped.value.code == 128 + by
    *_, told = capsys.readouterr().err.splitlines()
    assert told == (
        f"pocket/kd-2l train: stopped by {by.name}; run the same command again to go on"
    )
    assert not list(project.scratch.rglob("*durations*"))


def test_a_spec_that_changes_while_its_stage_runs_stops_it(
    project: Project, training: Runs
) -> None:
    """DVC would note the stage with the job that stands there at its end."""
    training(lambda: edit(project, "kd-2l.yaml", "temperature: 2.0", "temperature: 8.0"))
    with pytest.raises(ZooError) as told:
        stage("pocket/kd-2l", "train")
    assert str(told.value) == (
        "pocket/kd-2l train: its spec changed while it ran: the output is discarded"
        "\n  fix: run `zoo run pocket/kd-2l` again"
    )


def test_an_entry_that_is_removed_while_its_stage_runs_stops_it(
    project: Project, training: Runs
) -> None:
    def remove() -> None:
        for name in ("kd-2l.yaml", "studies/kd.yaml"):
            (project.specs / "pocket" / name).unlink(missing_ok=True)
        sync.write()

    training(remove)
    with pytest.raises(ZooError, match="its spec changed while it ran"):
        stage("pocket/kd-2l", "train")


@pytest.mark.parametrize(
    ("part", "stops"), [("training", True), ("methods/kd", True), ("board", False)]
)
def test_code_that_changes_while_its_stage_runs_stops_it(
    project: Project, training: Runs, part: str, stops: bool
) -> None:
    """Only the code that the stage runs."""
    path = project.pipelines / f"code/{part}.txt"
    training(lambda: path.write_text(path.read_text() + "1  zoo.other\n"))
    if not stops:
        stage("pocket/kd-2l", "train")
        return
    with pytest.raises(ZooError) as told:
        stage("pocket/kd-2l", "train")
    assert str(told.value) == (
        "pocket/kd-2l train: its code changed and was synced while it ran: the output is discarded"
        "\n  fix: run the same command again"
    )


def test_a_job_of_another_schema_is_refused(project: Project) -> None:
    path = project.pipelines / "pocket/kd-2l/params.json"
    params = json.loads(path.read_text())
    name = next(iter(params["recipes"]))
    params["recipes"][name]["schema_version"] = 99
    path.write_text(json.dumps(params))
    with pytest.raises(ZooError, match=rf"recipes\.{name}\.schema_version: Input should be 3"):
        stage("pocket/kd-2l", "train")
