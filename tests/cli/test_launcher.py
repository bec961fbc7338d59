"""Processes that a launcher starts train together; whatever else is done, the first one does."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.training.stages import TEACHER, stage, write
from zoo.cli import run, sync
from zoo.cli.stage import stage as run_stage
from zoo.errors import UsageError
from zoo.paths import Project
from zoo.records.gate_file import write_gate

SUITE = """\
seeds: [1]
tasks: {sentiment: {train: 400, dev: 16, max_length: 16}}
corpus: {kind: pocket, documents: 200}
optimise: {epochs: 4, batch_size: 8, learning_rate: 1.0e-3}
corpus_optimise: {steps: 20, batch_size: 8, max_length: 16}
bench: {shapes: [1x8]}
"""
MINILM = "teacher: big\nstudent: {layers: 1, start: fresh}\nmethod: {name: minilm}\n"
KD = "teacher: big\nstudent: {layers: 1}\nmethod: {name: kd}\n"
FILES = {"suite.yaml": SUITE, "teachers/big.yaml": TEACHER, "kd.yaml": KD, "minilm.yaml": MINILM}
SCRIPTS = Path(sys.executable).parent
TRAIN = "small/kd", "train-sentiment-1"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A synced project of one suite, the working folder."""
    made = Project(tmp_path)
    write(made, FILES)
    monkeypatch.chdir(tmp_path)
    sync.write()
    return made


@pytest.mark.parametrize("rank", [0, 1])
def test_what_is_no_training_is_done_once(
    rank: int,
    project: Project,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """By the first process; a training is done by all. The first one tells of both."""
    done: list[str] = []
    monkeypatch.setattr("zoo.evaluation.score_runs.score_runs", lambda *_: done.append("score"))
    monkeypatch.setattr("zoo.training.run.train_runs", lambda *_: done.append("train"))
    monkeypatch.setenv("RANK", str(rank))
    run_stage("small/kd", "score")
    run_stage(*TRAIN)
    assert done == (["train"] if rank else ["score", "train"])
    told = capsys.readouterr().err.splitlines()
    timed = list(project.scratch.rglob("durations/*/*/*"))
    assert len(told) == len(timed) == (0 if rank else 2)


def test_a_launcher_starts_no_build(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its stages would wait for processes that nobody starts."""
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(UsageError) as raised:
        run.run("small", jobs=1, dry_run=False)
    assert str(raised.value) == (
        "zoo run: a launcher has started 2 processes of it\n"
        "  allowed: a launcher around `zoo stage`\n"
        "  fix: set ZOO_PROCESSES=2 instead of using a launcher"
    )
    assert not project.scratch.exists()


def launched(entry: str, name: str) -> subprocess.Popen[str]:
    """`torchrun` around a stage, in two processes on the CPU."""
    launcher = [SCRIPTS / "torchrun", "--standalone", "--nproc_per_node", "2"]
    return subprocess.Popen(
        [*launcher, "--no-python", SCRIPTS / "zoo", "stage", entry, name],
        env=os.environ | {"ZOO_DEVICE": "cpu", "OMP_NUM_THREADS": "1"},
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(entry: str, name: str) -> str:
    """What a launched stage said, which ends well."""
    process = launched(entry, name)
    _, said = process.communicate()
    assert process.returncode == 0, said
    return said


@pytest.mark.slow
@pytest.mark.parametrize("by", [signal.SIGTERM, signal.SIGINT])
def test_a_launched_path_ends_as_if_nothing_had_happened(
    by: signal.Signals, project: Project
) -> None:
    """Corpus, task with the teacher's stored outputs, a stop on the way, scores: all told once."""
    stage(project, "big/pretrain")
    stage(project, "big/train-sentiment-1")
    write_gate(project.entry("small", "big").gate, {"sentiment": True})
    for each in (("small/minilm", "transfer"), TRAIN):
        told = ended(*each).splitlines()
        assert [line[line.find("]") + 2 :] for line in told if line[0] == "["] == [" ".join(each)]
    checkpoint = project.entry("small", "kd").checkpoint("sentiment", 1) / "model.safetensors"
    whole = checkpoint.read_bytes()
    stored = sorted(path.stat().st_mtime_ns for path in project.scratch.rglob("*.bin"))
    assert stored
    checkpoint.unlink()

    journal = project.scratch / "journal/small/kd/sentiment-1.jsonl"
    journal.unlink()
    process = launched(*TRAIN)
    while process.poll() is None and not (journal.exists() and "step" in journal.read_text()):
        time.sleep(0.01)
    process.send_signal(by)
    _, said = process.communicate()
    if process.returncode:
        assert said.count("; run the same command again to go on") == 1
    ended(*TRAIN)
    assert checkpoint.read_bytes() == whole
    assert sorted(path.stat().st_mtime_ns for path in project.scratch.rglob("*.bin")) == stored
    assert not list((project.scratch / "training").iterdir())

    ended("small/kd", "score")
    scores = project.entry("small", "kd").score
    assert len(list(scores.glob("score-*.json"))) == 1
