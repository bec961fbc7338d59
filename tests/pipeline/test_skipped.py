"""A suite with seeds per task, and with a task that is skipped until its data are there."""

import json
import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.pipeline.building import Building, building
from tests.pipeline.conftest import KD, SUITE, TEACHER, make_project
from zoo.board.regression import compare_suite
from zoo.cli.board import publish
from zoo.cli.check import check
from zoo.cli.regression import regression
from zoo.cli.show import show
from zoo.cli.stage import stage
from zoo.cli.sync import write
from zoo.errors import DataError
from zoo.paths import Project
from zoo.pipeline.progress import stage_order
from zoo.pipeline.skipped import SKIPPED_NOTE
from zoo.records.store import read_records

TASKS = """\
tasks:
  sentiment: {train: 48, dev: 32, max_length: 16}
  tone: {max_length: 16, seeds: [1, 2], optional: true}
"""
TONE = """\
files: {train: mine/train.tsv, dev: mine/dev.tsv}
texts: [sentence]
labels: [angry, calm]
metrics: [accuracy]
"""
HEAD, TAIL = SUITE.replace("twin: finetune\n", "").split("tasks:\n", 1)
FILES = {
    "suite.yaml": HEAD + TASKS + TAIL.partition("\n")[2],
    "tasks/tone.yaml": TONE,
    "teachers/teacher.yaml": f"{TEACHER}gates: {{tone: 0.0}}\n",
    "kd.yaml": KD,
}
TOLD = (
    "tiny: skipped: tone (optional): none of their files is below ZOO_DATA; "
    "to build them, put mine/train.tsv and the other splits below ZOO_DATA\n"
)
LEFT_OUT = "Not built, as their data were absent: tone."


def write_tables(folder: Path) -> None:
    dice = random.Random(0)
    folder.mkdir()
    for split, count in (("train", 48), ("dev", 24)):
        words = (" ".join(dice.choices(["cat", "dog", "good", "bad"], k=4)) for _ in range(count))
        rows = [f"{text}\t{('angry', 'calm')[n % 2]}\n" for n, text in enumerate(words)]
        (folder / f"{split}.tsv").write_text("".join(["sentence\tlabel\n", *rows]))


def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, per: str) -> Project:
    """The suite with a folder of data that holds nothing yet."""
    (tmp_path / "data").mkdir()
    monkeypatch.setenv("ZOO_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("ZOO_DEVICE", "cpu")
    suite = FILES["suite.yaml"].replace("stage_per: entry", f"stage_per: {per}")
    return make_project(tmp_path / "project", FILES | {"suite.yaml": suite})


def build(project: Project) -> str:
    """Run every stage, whether it must or not; the board."""
    stage("tiny/inputs", "inputs")
    for each in stage_order(project, "tiny"):
        entry, _, name = each.partition("/")
        shutil.rmtree(project.build / "tiny/board", ignore_errors=True)
        stage(f"tiny/{entry}", name)
    return (project.build / "tiny/board/leaderboard.md").read_text()


def scored(project: Project, entry: str) -> list[tuple[str, int]]:
    found = read_records(project.build / "tiny" / entry)
    return sorted((one.task, one.seed) for one in found if one.kind == "score")


@pytest.fixture
def dvc(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Building]:
    project = made(tmp_path, monkeypatch, "task")
    with building(project, tmp_path_factory.mktemp("zoo")) as found:
        yield found


def test_a_task_is_skipped_until_its_data_are_there(dvc: Building, tmp_path: Path) -> None:
    """With DVC: nothing that needs no data of the task is built again."""
    done = dvc.zoo("run", "tiny")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(TOLD)
    assert scored(dvc.project, "kd") == scored(dvc.project, "teacher") == [("sentiment", 1)]
    assert dvc.zoo("run", "tiny").stdout == f"{TOLD}up to date\n"

    write_tables(tmp_path / "data/mine")
    dvc.ran()
    done = dvc.zoo("run", "tiny")
    assert done.returncode == 0, done.stderr
    assert "skipped" not in done.stdout
    trained = [stage for stage in dvc.ran() if "/train-" in stage]
    assert trained == ["teacher/train-tone", "kd/train-tone"]
    assert scored(dvc.project, "kd") == [("sentiment", 1), ("tone", 1), ("tone", 2)]


@pytest.mark.parametrize("per", ["entry", "run"])
def test_stages_of_other_sizes_skip_it_too(
    per: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = made(tmp_path, monkeypatch, per)
    monkeypatch.chdir(project.root)
    stage("tiny/inputs", "inputs")
    for each in stage_order(project, "tiny"):
        entry, _, name = each.partition("/")
        if entry == "teacher" and name != "export":
            stage(f"tiny/{entry}", name)
    teacher = project.entry("tiny", "teacher")
    assert scored(project, "teacher") == [("sentiment", 1)]
    assert json.loads(teacher.gate.read_text()) == {"sentiment": True, "tone": True}
    for seed in (1, 2):
        assert (teacher.checkpoint("tone", seed) / SKIPPED_NOTE).is_file()


def test_boards_and_publishing_leave_it_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = made(tmp_path, monkeypatch, "task")
    monkeypatch.chdir(project.root)
    without = build(project)
    assert LEFT_OUT in without
    assert "tone (" not in without
    kd = project.entry("tiny", "kd")
    told = "kd was not trained on tone: its data were absent\n"
    assert (kd.checkpoint("tone", 2) / SKIPPED_NOTE).read_text() == told
    assert not kd.training_record("tone", 2).exists()

    write_tables(tmp_path / "data/mine")
    for folder in (kd.runs, project.entry("tiny", "teacher").runs):
        shutil.rmtree(folder)  # as DVC does before a stage
    whole = build(project)
    assert scored(project, "kd") == [("sentiment", 1), ("tone", 1), ("tone", 2)]
    assert LEFT_OUT not in whole
    assert "Seeds: 1 on sentiment; 1, 2 on tone. The spread" in whole
    publish("tiny", dry_run=False)

    shutil.rmtree(tmp_path / "data/mine")
    without = build(project)
    assert LEFT_OUT in without
    assert "tone (" not in without
    verdicts = {one.fact: one.verdict for one in compare_suite(project, "tiny")}
    assert verdicts["kd score-tone-dev-2"] == "skipped"
    assert verdicts["kd score-sentiment-dev-1"] == "same"
    assert regression("tiny", as_json=False)[1] == 0
    publish("tiny", dry_run=False)
    assert LEFT_OUT in (project.results / "tiny/leaderboard.md").read_text()
    assert "results/tiny" not in write()


def test_check_and_show_tell_what_is_skipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = made(tmp_path, monkeypatch, "task")
    monkeypatch.chdir(project.root)
    assert check(as_json=False)[0].splitlines()[1] == TOLD.rstrip()
    assert show("tiny/kd", as_json=False).splitlines()[-1] == TOLD.rstrip()
    monkeypatch.delenv("ZOO_DATA")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert "skipped: tone (optional): ZOO_DATA is not set" in check(as_json=False)[0]
    write_tables(tmp_path / "data/mine")
    monkeypatch.setenv("ZOO_DATA", str(tmp_path / "data"))
    assert len(check(as_json=False)[0].splitlines()) == 1


def test_half_of_its_files_are_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = made(tmp_path, monkeypatch, "task")
    monkeypatch.chdir(project.root)
    write_tables(tmp_path / "data/mine")
    (tmp_path / "data/mine/train.tsv").unlink()
    stage("tiny/inputs", "inputs")
    stage("tiny/teacher", "pretrain")
    with pytest.raises(DataError, match=r"mine/train.tsv: there is no such file"):
        stage("tiny/teacher", "train-tone")
