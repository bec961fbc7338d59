"""`zoo run SUITE --jobs 3`, the README's first command: from specs to a published board."""

import shutil
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.pipeline.building import Building, building
from tests.pipeline.conftest import FINETUNE, KD, TEACHER, git, make_project
from zoo.pipeline.progress import stage_order
from zoo.records.store import read_records

SUITE = """\
seeds: [1, 2]
twin: finetune
tasks:
  sentiment: {train: 48, dev: 32, max_length: 16}
  similarity: {train: 48, dev: 32, max_length: 32}
optimise: {steps: 4, learning_rate: 1.0e-3, batch_size: 16, dropout: 0.0}
bench:
  runtimes: [onnx-fp32]
  shapes: [1x8]
  replay: 12
  samples: 20
  seconds: 60
  tasks: [sentiment]
  export: {examples: 32, flips: 1.0, int8_flips: 1.0, int8_loss: 1.0}
train_stage_per: entry
"""
FILES = {
    "suite.yaml": SUITE,
    "teachers/teacher.yaml": TEACHER.replace("positions: 16", "positions: 32"),
    "finetune.yaml": FINETUNE,
    "kd.yaml": KD,
}
RUN = ("run", "tiny", "--jobs", "3")
TASKS, SEEDS = ("sentiment", "similarity"), (1, 2)


@pytest.fixture
def suite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Building]:
    """A teacher, an undistilled twin and a distilled student, each on two tasks with two seeds."""
    project = make_project(tmp_path_factory.mktemp("project"), FILES)
    with building(project, tmp_path_factory.mktemp("zoo")) as made:
        yield made


def measured(suite: Building, entry: str) -> Counter[tuple[str, str, int]]:
    """How many records there are of each kind, task and seed."""
    records = read_records(suite.project.build / "tiny" / entry)
    assert {(record.suite, record.entry) for record in records} == {("tiny", entry)}
    return Counter((record.kind, record.task, record.seed) for record in records)


def test_a_suite_is_built_shown_and_published(suite: Building) -> None:
    """All of it once; then nothing, a lost checkpoint from the cache; the same as published."""
    project, root = suite.project, suite.project.root
    done = suite.zoo(*RUN)
    assert done.returncode == 0, done.stderr
    events = suite.events()
    begun = [stage for event, stage in events if event == "begin"]
    assert sorted(begun) == sorted(stage_order(project, "tiny"))

    # Whatever is timed waits until nothing else is at work.
    timed = [place for place, (_, stage) in enumerate(events) if stage.endswith("/latency")]
    trained = [place for place, (_, stage) in enumerate(events) if stage.endswith("/train")]
    assert max(trained) < min(timed)
    assert [events[place][0] for place in timed] == ["begin", "end"] * 2

    each = Counter((k, t, s) for k in ("training", "score", "size") for t in TASKS for s in SEEDS)
    exported = Counter({("export", task, 1): 2 for task in TASKS})
    assert measured(suite, "teacher") == each + exported
    for student in ("finetune", "kd"):
        cells = Counter({("latency", "sentiment", 1): 2})
        assert measured(suite, student) == each + exported + cells

    shown = suite.zoo("board", "--suite", "tiny", "--built")
    assert shown.returncode == 0, shown.stderr
    names = [line.split()[0] for line in shown.stdout.splitlines() if line.strip()]
    assert {"teacher", "finetune", "kd"} <= set(names)
    assert "Seeds: 1, 2." in shown.stdout
    assert "mean: average score over sentiment, similarity." in shown.stdout
    assert git(root, "status", "--porcelain") == ""

    checkpoint = project.entry("tiny", "kd").checkpoint("sentiment", 2)
    weights = (checkpoint / "model.safetensors").read_bytes()
    shutil.rmtree(checkpoint)
    assert suite.zoo(*RUN).returncode == 0
    assert suite.ran() == []
    assert (checkpoint / "model.safetensors").read_bytes() == weights

    for verb in (("publish", "--suite", "tiny"), ("sync", "--check")):
        done = suite.zoo(*verb)
        assert done.returncode == 0, done.stderr
    compared = suite.zoo("regression", "--suite", "tiny")
    assert compared.returncode == 0, compared.stderr
    *facts, total = compared.stdout.splitlines()
    assert {line.split()[0] for line in facts} == {"same"}
    assert total == f"{len(facts)} same"
    assert {line.split("/")[0] for line in git(root, "status", "--porcelain").split()[1::2]} == {
        "results"
    }
