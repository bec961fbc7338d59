"""When an optional task is absent: nowhere below `$ZOO_DATA`, and nowhere on the hub."""

from pathlib import Path

import pytest

from zoo.data.absent import absent_inputs, is_absent, known_input
from zoo.data.inputs import changed_inputs, current_inputs, look_at_inputs
from zoo.data.inputs_file import ABSENT, skipped_tasks
from zoo.errors import DataError
from zoo.paths import Project, write_file
from zoo.spec.data import FolderData, SuiteData
from zoo.spec.jobs import InputsJob, TaskInput
from zoo.spec.task import TASKS

RTE, DATA = TASKS["rte"], SuiteData().of(TASKS["rte"])
OFFLINE = "huggingface_hub.constants.HF_HUB_OFFLINE"
TRAIN, DEV = "glue/RTE/train.tsv", "glue/RTE/dev.tsv"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    (tmp_path / "data").mkdir()
    monkeypatch.setenv("ZOO_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(OFFLINE, True)
    return Project(tmp_path)


@pytest.fixture
def job() -> InputsJob:
    inputs = {
        f"{task}/{split}": TaskInput(task=task, split=split, data=DATA, optional=task == "rte")
        for task in ("rte", "mrpc")
        for split in ("train", "dev")
    }
    return InputsJob(suite="s", entry="inputs", inputs=inputs)


def write_data(project: Project, *names: str) -> None:
    for name in names:
        write_file(project.root / "data" / name, "a\tb\n")


def test_one_file_is_enough_to_be_there(project: Project) -> None:
    assert is_absent(project, "s", RTE, DATA)
    write_data(project, DEV)
    assert not is_absent(project, "s", RTE, DATA)


def test_a_folder_of_its_own_is_looked_at_instead(project: Project) -> None:
    write_data(project, TRAIN, DEV)
    assert is_absent(project, "s", RTE, FolderData(path="mine/RTE"))
    write_data(project, "mine/RTE/train.tsv")
    assert not is_absent(project, "s", RTE, FolderData(path="mine/RTE"))


def test_the_hub_stands_in_where_it_may_be_asked(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Online it is not asked: not to reach it would be no absence. Offline its cache decides."""
    monkeypatch.delenv("ZOO_DATA")

    def unreachable(*_: object) -> None:
        raise DataError

    monkeypatch.setattr("zoo.data.absent.load_train", unreachable)
    assert is_absent(project, "s", RTE, DATA)
    assert is_absent(project, "s", RTE, FolderData(path="mine/RTE"))
    monkeypatch.setattr("zoo.data.absent.load_train", lambda *_: None)
    assert not is_absent(project, "s", RTE, DATA)
    monkeypatch.setattr("zoo.data.absent.load_train", unreachable)
    monkeypatch.setattr(OFFLINE, False)
    assert not is_absent(project, "s", RTE, DATA)
    assert is_absent(project, "s", RTE, FolderData(path="mine/RTE"))


def test_to_forget_where_the_data_are_is_no_absence(
    project: Project, job: InputsJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_data(project, TRAIN, DEV)
    look_at_inputs(project, job)
    assert known_input(project, "s", "rte/train").is_file()
    monkeypatch.delenv("ZOO_DATA")
    assert not is_absent(project, "s", RTE, DATA)
    assert not [name for name in changed_inputs(project, job) if name.startswith("rte")]


def test_only_optional_tasks_are_written_down_as_absent(
    project: Project, job: InputsJob, capsys: pytest.CaptureFixture[str]
) -> None:
    assert absent_inputs(project, job) == ["rte/train", "rte/dev"]
    look_at_inputs(project, job)
    assert skipped_tasks(project, "s", ["rte", "mrpc", "sst2"]) == {"rte"}
    assert changed_inputs(project, job) == []
    write_data(project, TRAIN, DEV)
    assert changed_inputs(project, job) == ["rte/train", "rte/dev"]
    look_at_inputs(project, job)
    assert skipped_tasks(project, "s", ["rte", "mrpc"]) == set()
    for name in (TRAIN, DEV):
        (project.root / "data" / name).unlink()
    found = current_inputs(project, job)
    assert found["rte/train"] == found["rte/dev"] == ABSENT
    assert "rte" not in capsys.readouterr().err  # not `taken as unchanged`
