"""A suite's own tasks, as `docs/adding.md` declares them, from the check of specs to the board."""

import json
import random
import re
from pathlib import Path

import pytest

from tests.pipeline.conftest import CHECKOUT, KD, SUITE, TEACHER, make_project
from zoo.cli.check import check
from zoo.cli.stage import stage
from zoo.models.identity import read_identity
from zoo.paths import Project
from zoo.pipeline.progress import stage_order
from zoo.records.score import ScoreRecord
from zoo.records.store import read_records

WORDS = ["cat", "dog", "bird", "sat", "ran", "good", "bad", "great"]


def documented() -> dict[str, str]:
    """The files of the section, by their names."""
    text = (CHECKOUT / "docs/adding.md").read_text()
    section = text.partition("## A task of your own")[2].partition("\n## ")[0]
    blocks = re.findall(r"```yaml\n# (\S+)\n(.*?)```", section, flags=re.DOTALL)
    return dict(blocks)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """The documented tasks with tables of some sentences, a teacher with a gate, and a student."""
    dice = random.Random(0)

    def sentence() -> str:
        return " ".join(dice.choices(WORDS, k=5))

    for split, count in (("train", 48), ("dev", 24)):
        tones = [f"{sentence()}\t{('angry', 'calm')[n % 2]}\n" for n in range(count)]
        pairs = [f"{sentence()}\t{sentence()}\t{n % 21 / 2}\n" for n in range(count)]
        for name, rows in (("tone", ["sentence\ttone\n", *tones]), ("closeness", pairs)):
            path = tmp_path / f"data/mine/{name}/{split}.tsv"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("".join(rows))
    written = documented()
    suite = SUITE.replace("twin: finetune\n", "")
    head, _, tail = suite.partition("tasks:\n")
    written["suite.yaml"] = head + written["suite.yaml"] + tail.partition("\n")[2]
    teacher = f"{TEACHER}gates: {{tone: 0.0}}\n"
    made = make_project(
        tmp_path / "project", {**written, "teachers/teacher.yaml": teacher, "kd.yaml": KD}
    )
    monkeypatch.setenv("ZOO_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("ZOO_DEVICE", "cpu")
    monkeypatch.chdir(made.root)
    return made


def test_own_tasks_are_built_like_any_other(project: Project) -> None:
    """Checked, synced, trained, scored, gated, exported, timed and shown."""
    assert check(as_json=False) == (
        "tiny: 1 teachers, 1 entries, 0 studies, 2 own tasks: all valid",
        0,
    )
    stage("tiny/inputs", "inputs")
    for each in stage_order(project, "tiny"):
        entry, _, name = each.partition("/")
        stage(f"tiny/{entry}", name)
    records = read_records(project.build / "tiny/kd")
    scores = {record.task: record for record in records if isinstance(record, ScoreRecord)}
    assert scores["tone"].primary == "f1"
    assert set(scores["tone"].metrics) == {"f1", "accuracy"}
    assert set(scores["closeness"].metrics) == {"spearman", "pearson"}
    assert scores["tone"].definition.labels == ("angry", "calm")
    assert {record.kind for record in records} >= {"score", "size", "training", "export", "latency"}
    gate = json.loads((project.build / "tiny/teacher/gate.json").read_text())
    assert gate == {"closeness": True, "tone": True}
    board = (project.build / "tiny/board/leaderboard.md").read_text()
    assert "closeness (spearman)" in board
    assert "tone (f1)" in board
    looked_at = (project.build / "tiny/inputs/tone/dev.txt").read_text()
    assert looked_at.endswith("mine/tone/dev.tsv\n")
    checkpoint = project.entry("tiny", "kd").checkpoint("tone", 1)
    assert read_identity(checkpoint).task == "tone"
