"""What real DVC does with the pipelines of a tiny suite."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from zoo.paths import Project
from zoo.pipeline.progress import stage_order
from zoo.records.store import read_records

PRELOADED = Path(__file__).with_name("preloaded.py")
ZOO = (sys.executable, "-c", "from zoo.cli import main; main()")

CALLER = """\
#!{python}
import json, os, socket, sys
server = socket.socket(socket.AF_UNIX)
server.connect({socket!r})
call = {{"arguments": sys.argv[1:], "folder": os.getcwd(), "environment": dict(os.environ)}}
socket.send_fds(server, [json.dumps(call).encode()], [1, 2])
sys.exit(int(server.recv(16) or 1))
"""
"""The `zoo` that stands on the path."""


@dataclass
class Dvc:
    """DVC in one project, with every stage it runs on record."""

    project: Project
    scripts: Path
    log: Path

    def repro(self, target: str = "pipelines/tiny/dvc.yaml", **extra: str) -> int:
        return self.run(sys.executable, "-m", "dvc", "repro", "--quiet", target, **extra).returncode

    def run(self, *command: str, **extra: str) -> subprocess.CompletedProcess[str]:
        path = os.pathsep.join([str(self.scripts), os.environ["PATH"]])
        fixed = {"PATH": path, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "ZOO_DEVICE": "cpu"}
        everything = {**os.environ, **fixed, **extra}
        return subprocess.run(
            command,
            cwd=self.project.root,
            env=everything,
            capture_output=True,
            text=True,
            check=False,
        )

    def ran(self) -> list[str]:
        """The stages that ran since this was last asked, as `<entry>/<stage>`."""
        calls = self.log.read_text().splitlines() if self.log.exists() else []
        self.log.unlink(missing_ok=True)
        return [call.removeprefix("stage tiny/").replace(" ", "/") for call in calls]


@pytest.fixture
def dvc(one_student: Project, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dvc]:
    aside = tmp_path_factory.mktemp("zoo")
    address, log, caller = aside / "socket", aside / "log", aside / "zoo"
    caller.write_text(CALLER.format(python=sys.executable, socket=str(address)))
    caller.chmod(0o755)
    command = [sys.executable, str(PRELOADED), str(address), str(log)]
    quiet = {**os.environ, "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=quiet) as server:
        assert server.stdout is not None
        assert server.stdout.readline() == "ready\n"
        yield Dvc(one_student, aside, log)
        server.kill()


def test_a_suite_is_built_once_and_then_only_what_changed(dvc: Dvc) -> None:
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
    assert dvc.run(*ZOO, "sync").returncode == 0
    assert dvc.repro(ZOO_TEST_KILL="1") != 0
    assert dvc.ran() == ["kd/train"]
    run = root / "build/tiny/kd/runs/sentiment-1"
    assert not [path for path in run.rglob("*") if path.is_file()]

    assert dvc.repro() == 0
    mine = ["kd/train", "kd/score", "kd/export", "kd/latency", "board/board"]
    assert sorted(dvc.ran()) == sorted(mine)
    assert read_records(project.build / "tiny/teacher") == before

    journal = project.scratch / "journal/tiny/kd/sentiment-1.jsonl"
    events = journal.read_bytes()
    weights = (run / "checkpoint/model.safetensors").read_bytes()
    shutil.rmtree(run / "checkpoint")
    assert dvc.repro() == 0
    assert dvc.ran() == []
    assert (run / "checkpoint/model.safetensors").read_bytes() == weights
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
    assert "pipelines/tiny/kd/params.json: differs from specs\n  do: run `zoo sync`" in done.stderr
