"""Builds of one suite: one at a time, whoever is killed; and what is told meanwhile."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from zoo.paths import Project
from zoo.pipeline.locks import building_alone, others_at_work, wait_for_others

BUILD = """\
import sys, time
from pathlib import Path
from zoo.paths import Project
from zoo.pipeline.locks import building_alone
project, seconds = Project(Path(sys.argv[1])), float(sys.argv[2])
with building_alone(project, "tiny", "tiny/kd") as build:
    build.say("[1/2] tiny/kd train")
    print("built", flush=True)
    time.sleep(seconds)
"""


def build(project: Project, seconds: float) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", BUILD, str(project.root), str(seconds)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_the_second_build_waits_and_says_for_whom(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In one line: the process, since when, what, and how far it is."""
    with build(Project(tmp_path), 1.0) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == "built\n"
        with building_alone(Project(tmp_path), "tiny", "tiny") as mine:
            assert first.wait(10) == 0
            mine.say("mine")
    line, own = capsys.readouterr().err.splitlines()
    assert line.startswith(f"tiny is being built by process {first.pid} since 20")
    assert line.endswith("(zoo run tiny/kd); waiting for it: [1/2] tiny/kd train")
    assert own == "mine"
    assert not list(tmp_path.rglob("*.status"))


def test_another_suite_does_not_wait(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with building_alone(Project(tmp_path), "a", "a"), building_alone(Project(tmp_path), "b", "b"):
        pass
    assert capsys.readouterr().err == ""


def test_the_lock_of_a_killed_build_does_not_stand(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with build(Project(tmp_path), 60.0) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == "built\n"
        first.kill()
        first.wait()
        with building_alone(Project(tmp_path), "tiny", "tiny"):
            pass
    assert capsys.readouterr().err == ""


def hold(project: Project, process: int) -> Path:
    path = project.root / ".dvc/tmp/rwlock"
    path.parent.mkdir(parents=True, exist_ok=True)
    info = {"pid": process, "cmd": "dvc repro"}
    path.write_text(json.dumps({"write": {"build/a": info}, "read": {"build/b": [info]}}))
    return path


def test_what_a_dvc_holds_is_told_while_it_lives(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Not what this process holds, what a dead one has left, or a damaged file."""
    project = Project(tmp_path)
    assert others_at_work(project) == {}
    path = hold(project, os.getpid())
    assert others_at_work(project) == {}
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1)"]) as other:
        hold(project, other.pid)
        assert others_at_work(project) == {other.pid: f"process {other.pid} (dvc repro)"}
        wait_for_others(project)
    assert capsys.readouterr().err == f"waiting for process {other.pid} (dvc repro)\n"
    hold(project, other.pid)
    assert others_at_work(project) == {}
    path.write_text("{")
    assert others_at_work(project) == {}
