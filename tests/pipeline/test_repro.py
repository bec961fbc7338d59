"""What real DVC does with the pipelines of a tiny suite."""

import shutil
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.pipeline.building import Building, building
from zoo.paths import Project
from zoo.pipeline.progress import stage_order
from zoo.records.store import read_records

ZOO = (sys.executable, "-c", "from zoo.cli import main; main()")


@pytest.fixture
def dvc(one_student: Project, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Building]:
    with building(one_student, tmp_path_factory.mktemp("zoo")) as made:
        yield made


def test_a_suite_is_built_once_and_then_only_what_changed(dvc: Building) -> None:
    """From nothing to the board; again; an edit; a kill; a lost checkpoint; a clean work tree."""
    project, root = dvc.project, dvc.project.root
    assert dvc.repro() == 0
    assert sorted(dvc.ran()) == sorted(stage_order(project, "tiny"))
    assert (root / "build/tiny/board/leaderboard.md").is_file()
    before = read_records(project.build / "tiny/teacher")

    assert dvc.repro() == 0
    assert dvc.ran() == []

    entry = root / "specs/tiny/kd.yaml"
    entry.write_text(entry.read_text().replace("kd}", "kd, temperature: 2.0}"))
    assert dvc.zoo("sync").returncode == 0
    assert dvc.repro(ZOO_TEST_KILL="1") != 0
    assert dvc.ran() == ["kd/train"]
    kd = project.entry("tiny", "kd")
    run = kd.checkpoint("sentiment", 1)
    left = [*kd.runs.rglob("*"), *kd.training_records.rglob("*")]
    assert not [path for path in left if path.is_file()]

    assert dvc.repro() == 0
    mine = ["kd/train", "kd/score", "kd/export", "kd/latency", "board/board"]
    assert sorted(dvc.ran()) == sorted(mine)
    assert read_records(project.build / "tiny/teacher") == before

    journal = project.scratch / "journal/tiny/kd/sentiment-1.jsonl"
    events = journal.read_bytes()
    weights = (run / "model.safetensors").read_bytes()
    shutil.rmtree(run)
    assert dvc.repro() == 0
    assert dvc.ran() == []
    assert (run / "model.safetensors").read_bytes() == weights
    assert journal.read_bytes() == events

    changed = dvc.run("git", "status", "--porcelain").stdout.split()[1::2]
    assert changed == ["pipelines/tiny/kd/params.json", "specs/tiny/kd.yaml"]


def test_a_dry_run_says_what_would_be_built_and_builds_nothing(one_student: Project) -> None:
    """`zoo run --dry-run` names the stages of the target and leaves no file."""
    command = [*ZOO, "run", "tiny", "--dry-run"]
    done = subprocess.run(
        command, cwd=one_student.root, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    order = [f"tiny/{place.replace('/', ' ')}" for place in stage_order(one_student, "tiny")]
    assert done.stdout.splitlines() == ["would be built:", *order]
    assert not one_student.build.exists()


def test_pipelines_that_are_out_of_step_are_not_run(one_student: Project) -> None:
    """DVC would build what was declared before an edit, so `zoo run` asks for `zoo sync` first."""
    entry = one_student.specs / "tiny/kd.yaml"
    entry.write_text(entry.read_text().replace("kd}", "kd, temperature: 2.0}"))
    command = [*ZOO, "run", "tiny", "--dry-run"]
    done = subprocess.run(
        command, cwd=one_student.root, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert (
        "pipelines/tiny/kd/params.json: out of date with the specs\n  fix: run `zoo sync`"
        in done.stderr
    )
