"""A tiny suite built away in slices: the same weights as built in one go."""

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks import gpu_suite
from benchmarks.parcel import Parcel
from tests.conftest import CHECKOUT
from tests.pipeline.conftest import KD, SUITE, TEACHER, make_project
from zoo.paths import Project
from zoo.records.store import read_records

STEPS = 1000
"""So many take a student longer than the slice that is interrupted."""
WEIGHTS = "model.safetensors"


@pytest.fixture
def projects(tmp_path: Path) -> tuple[Project, Project, Project]:
    """Three checkouts of one student's suite: here, away, and away in one go."""
    suite = SUITE.replace("twin: finetune\n", "").replace("seeds: [1]", "seeds: [1, 2]")
    kd = f"{KD}optimise: {{steps: {STEPS}, batch_size: 16}}\n"
    files = {"suite.yaml": suite, "teachers/teacher.yaml": TEACHER, "kd.yaml": kd}
    here = tmp_path / "here"
    here.mkdir()
    made = make_project(here, files)
    others = [Path(shutil.copytree(here, tmp_path / name)) for name in ("away", "once")]
    return made, *map(Project, others)


def started(project: Project, *arguments: object) -> subprocess.Popen[str]:
    """The command in a checkout."""
    fixed = {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "ZOO_DEVICE": "cpu"}
    path = os.pathsep.join([CHECKOUT, os.environ.get("PYTHONPATH", "")])
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "benchmarks.gpu_suite", *map(str, arguments)],
        cwd=project.root,
        env=os.environ | fixed | {"PYTHONPATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def script(project: Project, *arguments: object) -> str:
    """What the command prints; it succeeds."""
    process = started(project, *arguments)
    output = process.communicate()[0]
    assert process.returncode == 0, output
    return output


def weights(project: Project) -> dict[str, str]:
    """The sha256 of the weights of every run, by its place."""
    runs = sorted(project.build.glob(f"tiny/*/runs/*/*/{WEIGHTS}"))
    return {project.relative(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in runs}


@pytest.mark.slow
def test_a_suite_in_slices_ends_with_the_same_weights(
    tmp_path: Path, projects: tuple[Project, Project, Project]
) -> None:
    here, away, once = projects
    sent, first, later, last = (tmp_path / name for name in ("sent", "first", "later", "last"))
    cut = ("--minutes", 20, "--jobs", 2, "--part-mib", 0.2)
    script(here, "send", "tiny", "--to", sent)

    slice_one = started(away, "slice", "tiny", "--take", sent, "--to", first, *cut)
    journal = away.scratch / "journal/tiny/kd/sentiment-1.jsonl"
    while not (journal.exists() and '"step"' in journal.read_text()):
        assert slice_one.poll() is None, slice_one.communicate()[0]
        time.sleep(0.05)
    slice_one.send_signal(signal.SIGTERM)
    output = slice_one.communicate()[0]
    assert slice_one.returncode == 143, output
    assert any(name.endswith("state.safetensors") for name in Parcel.read([first]).files)

    # Another machine: nothing of the first is there but what travelled, carried at two times.
    forget(away)
    later.mkdir()
    (first / "part-001").rename(later / "part-001")
    told = script(
        *(away, "slice", "tiny", "--take", first, later, "--to", last),
        *(*cut, "--most-mib", 0.001),
    )
    assert "\n2 stages are left" in f"\n{told}"
    script(once, "train", "tiny", "--jobs", 2)
    assert len(weights(once)) == 4
    assert weights(away) == weights(once)

    # The student's weights did not fit, and nothing reads them: it is finished, with its records.
    script(here, "take", first, later, last)
    assert {name.split("/")[2] for name in weights(here)} == {"teacher"}
    assert len(read_records(here.entry("tiny", "kd").score)) == 4
    assert "0 stages are left" in script(here, "train", "tiny").splitlines()


def forget(project: Project) -> None:
    for folder in (project.build, project.scratch, project.root / ".dvc/cache"):
        shutil.rmtree(folder)
    for lock in project.pipelines.rglob("dvc.lock"):
        lock.unlink()


@pytest.mark.parametrize(("answers", "code"), [(True, 143), (False, 137)])
def test_who_trains_is_asked_to_end_and_then_made_to(
    monkeypatch: pytest.MonkeyPatch, answers: bool, code: int
) -> None:
    monkeypatch.setattr(gpu_suite, "GRACE_SECONDS", 0.2)
    deaf = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
    sleeps = "import time; print(flush=True); time.sleep(600)"
    command = [sys.executable, "-c", sleeps if answers else deaf + sleeps]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, process_group=0)
    assert process.stdout is not None
    process.stdout.readline()
    assert gpu_suite._until(time.monotonic() + gpu_suite.STOP_SECONDS, process) == code
