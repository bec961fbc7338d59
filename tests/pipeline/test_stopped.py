"""Real stages under real DVC that are asked to end: all end, and the next build goes on."""

import hashlib
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.pipeline.conftest import KD, SUITE, TEACHER, make_project
from zoo.paths import Project
from zoo.signals import POLITE

pytestmark = pytest.mark.slow

TRAIN = "pipelines/tiny/kd/dvc.yaml:train"
STEPS = 2000


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """One student of two runs, each long enough to be stopped within."""
    suite = SUITE.replace("twin: finetune\n", "").replace("seeds: [1]", "seeds: [1, 2]")
    kd = f"{KD}optimise: {{steps: {STEPS}, batch_size: 16}}\n"
    files = {"suite.yaml": suite, "teachers/teacher.yaml": TEACHER, "kd.yaml": kd}
    return make_project(tmp_path, files)


def started(project: Project, *command: str) -> subprocess.Popen[str]:
    """A command in a group of its own, as a terminal starts one; two runs at a time."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    fixed = {"PATH": path, "OMP_NUM_THREADS": "2", "HF_HUB_OFFLINE": "1", "ZOO_DEVICE": "cpu"}
    return subprocess.Popen(
        [sys.executable, *command],
        cwd=project.root,
        env={**os.environ, **fixed},
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def weights(project: Project) -> list[str]:
    files = sorted(project.entry("tiny", "kd").runs.rglob("model.safetensors"))
    return [hashlib.sha256(file.read_bytes()).hexdigest() for file in files]


def stage(project: Project, name: str) -> subprocess.Popen[str]:
    return started(project, "-c", "from zoo.cli import main; main()", "stage", "tiny/kd", name)


def test_ctrl_c_ends_dvc_and_its_stage_which_goes_on_next_time(project: Project) -> None:
    """The signal reaches the whole group; DVC waits for the stage, which saves first."""
    built = started(project, "-m", "dvc", "repro", TRAIN)
    journals = [project.scratch / f"journal/tiny/kd/sentiment-{seed}.jsonl" for seed in (1, 2)]
    while not all(file.exists() and '"step"' in file.read_text() for file in journals):
        assert built.poll() is None
        time.sleep(0.01)
    os.killpg(built.pid, signal.SIGINT)
    output = built.communicate()[0]
    assert built.returncode == 255, output
    assert "tiny/kd train: stopped by SIGINT at stage 'soft labels', step " in output
    assert "Traceback" not in output
    with pytest.raises(ProcessLookupError):
        os.killpg(built.pid, 0)
    assert len(list((project.scratch / "training").glob("*/state.safetensors"))) == 2

    again = started(project, "-m", "dvc", "repro", TRAIN)
    output = again.communicate()[0]
    assert again.returncode == 0, output
    assert not list((project.scratch / "training").iterdir())
    resumed = weights(project)
    assert len(resumed) == 2

    whole = stage(project, "train")
    output = whole.communicate()[0]
    assert whole.returncode == 0, output
    assert weights(project) == resumed


def test_a_stage_can_be_stopped_at_any_point(project: Project) -> None:
    """While it imports, reads, trains, scores or exports: a line at most, and no traceback."""
    built = started(project, "-m", "dvc", "repro", TRAIN)
    output = built.communicate()[0]
    assert built.returncode == 0, output
    whole, draw = weights(project), random.Random(0)
    for name, seconds in (("train", 12.0), ("score", 8.0), ("export", 12.0)):
        ended = False
        for _attempt in range(7):
            process, by = stage(project, name), draw.choice(POLITE)
            try:
                process.wait(draw.uniform(3.0, seconds))
            except subprocess.TimeoutExpired:
                process.send_signal(by)
            output = process.communicate()[0]
            # Before it answers for itself, a signal ends it as it ends any process.
            assert process.returncode in {0, 128 + by, -by, 1 if by is signal.SIGINT else 0}, output
            if process.returncode == 128 + by:
                assert f"tiny/kd {name}: stopped by {by.name}" in output
                assert "Traceback" not in output
            ended = process.returncode == 0
        if not ended:
            last = stage(project, name)
            output = last.communicate()[0]
            assert last.returncode == 0, output
    assert weights(project) == whole
