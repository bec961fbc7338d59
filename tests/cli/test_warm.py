"""The warm process: what it answers, what it refuses, and that nothing outlives its caller."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from zoo.cli import warm
from zoo.cli.build import warm_process
from zoo.cli.call import COLD, WARM, WarmCall, call_warm, exit_code
from zoo.paths import Project

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="forks are safe on Linux only")

PROGRAM = """\
import os, sys, time
from zoo.cli import app, warm
def main():
    command, *arguments = sys.argv[1:]
    if command == "exit":
        print(os.getcwd(), os.environ["ASKED"], flush=True)
        raise SystemExit(int(arguments[0]))
    if command == "fail":
        raise ValueError(arguments[0])
    open(arguments[0], "w").write(str(os.getpid()))
    time.sleep(60)
app.main = main
warm.STAGE_KINDS, warm.READ_ON_USE = {}, ()
warm._VARYING |= {"PYTEST_CURRENT_TEST"}
warm.serve_calls()
"""
"""A warm process without libraries, whose commands are made for these tests."""

CALLER = """\
import sys
from zoo.cli.call import WarmCall
WarmCall(sys.argv[1], ("sleep", sys.argv[2])).answer(wait=True)
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    for name in ("specs", "pipelines/code"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "pipelines/code/training.txt").write_text("1  zoo.a\n")
    return Project(tmp_path)


@pytest.fixture
def address(
    project: Project, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    monkeypatch.setenv("ASKED", "1")
    program = tmp_path_factory.mktemp("warm") / "warm.py"
    program.write_text(PROGRAM)
    address = str(program.with_name("s"))
    command = [sys.executable, str(program), address, str(os.getpid())]
    with subprocess.Popen(command, cwd=project.root, stdin=subprocess.PIPE) as process:
        wait_for(lambda: Path(address).exists())
        yield address
    assert process.returncode == 0


def wait_for(happens: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not happens():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_a_call_stands_where_its_caller_stands(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Its folder, environment, streams and exit code."""
    monkeypatch.chdir(tmp_path / "specs")
    monkeypatch.setenv(WARM, address)
    assert call_warm(("exit", "3")) == 3
    assert capfd.readouterr().out == f"{tmp_path / 'specs'} 1\n"


def test_an_error_is_told_by_the_call(address: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert WarmCall(address, ("fail", "so what")).answer(wait=True) == "1"
    assert "ValueError: so what" in capfd.readouterr().err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_is_passed_on(address: str, tmp_path: Path, number: signal.Signals) -> None:
    started = tmp_path / "started"
    call = WarmCall(address, ("sleep", str(started)))
    wait_for(lambda: started.exists() and bool(started.read_text()))
    assert call.answer(wait=False) is None
    call.send_signal(number)
    assert exit_code(call.answer(wait=True) or "") == 128 + number


def test_a_call_ends_with_its_caller(address: str, tmp_path: Path) -> None:
    """Killed, it cannot pass a signal on."""
    started = tmp_path / "started"
    with subprocess.Popen([sys.executable, "-c", CALLER, address, str(started)]) as caller:
        wait_for(lambda: started.exists() and bool(started.read_text()))
        worker = int(started.read_text())
        assert psutil.pid_exists(worker)
        caller.kill()
    wait_for(lambda: not psutil.pid_exists(worker))


def test_other_code_or_another_environment_is_refused(
    address: str, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was imported may then not be what a new process would import."""
    assert WarmCall(address, ("exit", "0")).answer(wait=True) == "0"
    monkeypatch.setenv("DVC_STAGE", "kd")
    assert WarmCall(address, ("exit", "0")).answer(wait=True) == "0"
    with monkeypatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "7")
        assert WarmCall(address, ("exit", "0")).answer(wait=True) == COLD
    (project.pipelines / "code/training.txt").write_text("2  zoo.a\n")
    assert WarmCall(address, ("exit", "0")).answer(wait=True) == COLD


def test_without_a_warm_process_a_stage_runs_as_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """None was started, or its socket is left over."""
    monkeypatch.delenv(WARM, raising=False)
    assert call_warm(("exit", "0")) is None
    monkeypatch.setenv(WARM, str(tmp_path / "gone"))
    assert call_warm(("exit", "0")) is None
    assert WARM not in os.environ


def test_only_the_owner_can_reach_it_and_it_goes_with_the_build(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = project.root / "started"
    fake = project.root / "python"
    fake.write_text(
        f"#!/bin/sh\necho $$ > {started}.part; mv {started}.part {started}; cat; rm {started}\n"
    )
    fake.chmod(0o755)
    monkeypatch.setattr("sys.executable", str(fake))
    monkeypatch.setattr("zoo.cli.build.Path.exists", lambda _: started.is_file())
    with warm_process(project):
        folder = Path(os.environ[WARM]).parent
        assert folder.stat().st_mode & 0o777 == 0o700
    assert not folder.is_dir()
    assert not started.is_file()
    assert WARM not in os.environ


def test_the_hash_of_the_code_covers_every_part(project: Project) -> None:
    before = warm.code_sha256(project)
    shutil.copytree(project.pipelines / "code", project.pipelines / "code/methods")
    assert warm.code_sha256(project) != before
