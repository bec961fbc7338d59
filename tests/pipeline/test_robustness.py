"""A suite whose runs are scored on altered examples too, from its specs to its published board."""

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.pipeline.conftest import KD, SUITE, TEACHER, make_project
from tests.pipeline.test_compile import changed, params
from zoo.board.publish import build_board, publish_suite, published_board, write_tables
from zoo.cli.check import check
from zoo.cli.stage import stage
from zoo.data.sources import content_sha256, load_evaluation
from zoo.data.typos import mistyped_split
from zoo.errors import DataError
from zoo.evaluation.predictions import read_predictions
from zoo.paths import Project, write_file
from zoo.pipeline.params import board_job
from zoo.pipeline.sync import pipeline_files
from zoo.records.robustness import RobustnessRecord
from zoo.records.score import ScoreRecord
from zoo.records.store import read_records
from zoo.spec.data import PocketData, TaskSettings
from zoo.spec.robustness import Typos
from zoo.spec.task import TASKS

ROBUSTNESS = "robustness: {typos: {share: 0.5, seed: 3}, adversarial: {path: advglue/dev.json}}\n"
TASK_LINES = """\
tasks:
  sentiment: {train: 48, dev: 32, max_length: 16, seeds: [1, 2]}
  sst2: {max_length: 16}
"""
HEAD, TAIL = SUITE.replace("twin: finetune\n", "").split("tasks:\n", 1)
FILES = {
    "suite.yaml": HEAD + TASK_LINES + TAIL.partition("\n")[2] + ROBUSTNESS,
    "teachers/teacher.yaml": TEACHER,
    "kd.yaml": KD,
}
STAGES = ("pretrain", "train", "score", "gate", "robustness")
TOLD = (
    "tiny: skipped: adversarial examples (optional): advglue/dev.json is not below ZOO_DATA; "
    "to score them, put advglue/dev.json below ZOO_DATA"
)
RECORDS = [
    ("adversarial", "sst2", 1),
    ("typos", "sentiment", 1),
    ("typos", "sentiment", 2),
    ("typos", "sst2", 1),
]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """The suite, with the data of its tasks and without adversarial examples."""
    for split, count in (("train", 24), ("dev", 12)):
        rows = (f"{('dull', 'great')[n % 2]} film number {n}\t{n % 2}\n" for n in range(count))
        write_file(tmp_path / f"data/glue/SST-2/{split}.tsv", "".join(["sentence\tlabel\n", *rows]))
    monkeypatch.setenv("ZOO_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("ZOO_DEVICE", "cpu")
    project = make_project(tmp_path / "project", FILES)
    monkeypatch.chdir(project.root)
    return project


def give_adversarial(project: Project, content: object) -> None:
    """Put a file where the suite says, and look at the inputs."""
    write_file(project.root.parent / "data/advglue/dev.json", json.dumps(content))
    stage("tiny/inputs", "inputs")


EXAMPLES = {
    "sst2": [{"label": n % 2, "idx": n, "sentence": f"a grreat flim {n}"} for n in range(6)],
    "rte": [{"label": 0, "idx": 0, "sentence1": "a", "sentence2": "b"}],
}


def build(project: Project) -> None:
    """Everything but exports and times."""
    stage("tiny/inputs", "inputs")
    for entry in ("teacher", "kd"):
        for name in STAGES:
            if (entry, name) not in {("kd", "pretrain"), ("kd", "gate")}:
                stage(f"tiny/{entry}", name)
    build_board(project, board_job(project, "tiny"))


def altered(project: Project, entry: str) -> dict[tuple[str, str, int], RobustnessRecord]:
    found = read_records(project.entry("tiny", entry).root / "robustness")
    assert all(isinstance(record, RobustnessRecord) for record in found)
    return {(r.perturbation, r.task, r.seed): r for r in found if isinstance(r, RobustnessRecord)}


def test_typos_are_scored_and_adversarial_examples_once_they_are_there(
    project: Project,
) -> None:
    """From the checkpoints alone, then on the board, then published and read again."""
    build(project)
    for entry in ("teacher", "kd"):
        assert sorted(altered(project, entry)) == RECORDS[1:]
    assert check(as_json=False)[0].splitlines()[1:] == [TOLD]

    board = project.build / "tiny/board/leaderboard.csv"
    assert "adversarial" not in board.read_text()
    give_adversarial(project, EXAMPLES)
    assert check(as_json=False)[0].splitlines()[1:] == []
    before = files_of(project.entry("tiny", "kd").root / "robustness")
    for entry in ("teacher", "kd"):
        stage(f"tiny/{entry}", "robustness")
        assert sorted(altered(project, entry)) == RECORDS
    after = files_of(project.entry("tiny", "kd").root / "robustness")
    assert before.items() <= after.items()  # the same bytes again
    check_records(project)

    publish(project)
    check_tables(project)
    text = board.read_text()
    shutil.rmtree(project.build)
    published = published_board(project, "tiny")
    assert write_tables(project, published) == []
    assert (project.results / "tiny/leaderboard.csv").read_text() == text


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def check_records(project: Project) -> None:
    """Each belongs to the checkpoint that is scored on the dev split, on examples of its own."""
    entry = project.entry("tiny", "kd")
    scores = {(r.task, r.seed): r for r in read_records(entry.score) if isinstance(r, ScoreRecord)}
    records = altered(project, "kd")
    for (_, task, seed), record in records.items():
        same = scores[task, seed]
        assert (record.digest, record.declared) == (same.digest, same.declared)
        assert record.data_sha256 != same.data_sha256
    settings = TaskSettings(train=48, dev=32, max_length=16)
    dev = load_evaluation(TASKS["sentiment"], settings, PocketData())["dev"]
    typos = Typos(share=0.5, seed=3)
    record = records["typos", "sentiment", 2]
    assert record.typos == typos
    assert record.data_sha256 == content_sha256(mistyped_split(dev, typos))
    stored = entry.root / "robustness" / "predictions" / record.predictions
    predictions = read_predictions(stored, record.digest)
    assert predictions.ids == tuple(example.id for example in dev.examples)
    right = sum(a == g for a, g in zip(predictions.answers, predictions.gold, strict=True))
    assert record.metrics["accuracy"] == pytest.approx(right / 32, abs=1e-6)
    assert records["adversarial", "sst2", 1].examples == 6


def publish(project: Project) -> None:
    build_board(project, board_job(project, "tiny"))
    publish_suite(project, board_job(project, "tiny"))


def check_tables(project: Project) -> None:
    """Columns, the small table, and statistics from which both come."""
    folder = project.results / "tiny"
    rows = list(csv.DictReader((folder / "leaderboard.csv").open()))
    found = {(row["entry"], row["task"]): row for row in rows}
    for row in rows:
        lost = float(row["score"]) - float(row["typos_score"])
        assert float(row["typos_drop"]) == pytest.approx(lost, abs=1e-4)
        assert float(row["typos_low"]) <= float(row["typos_drop"]) <= float(row["typos_high"])
        assert row["typos_paired"] == "True"
    assert found["kd", "sst2"]["adversarial_examples"] == "6"
    assert found["kd", "sst2"]["adversarial_paired"] == "False"
    assert found["kd", "sentiment"]["adversarial_drop"] == ""
    text = (folder / "comparison.md").read_text()
    _, _, section = text.partition("\n## Robustness\n")
    table = section.partition("\n## ")[0].strip().splitlines()[2:]
    assert table[0].startswith("| entry | task | score | adversarial score | adversarial drop | ty")
    assert len(table) == 2 + len(rows)
    assert (folder / "predictions/kd/sentiment-dev-2.typos.parquet").is_file()
    assert (folder / "records/kd/robustness-adversarial-sst2-dev-1.json").is_file()


def test_malformed_adversarial_examples_are_told(project: Project) -> None:
    """By the stage, before anything is loaded."""
    give_adversarial(project, {"sst3": []})
    with pytest.raises(DataError, match="sst3: unknown task"):
        stage("tiny/kd", "robustness")


def test_without_their_folder_they_are_told(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once seen they are not absent, so forgetting ZOO_DATA takes them off no board."""
    give_adversarial(project, {"sst2": EXAMPLES["sst2"]})
    monkeypatch.setattr(
        "zoo.evaluation.score_altered.load_evaluation", lambda *_: {}
    )  # of tasks that are read otherwise
    monkeypatch.delenv("ZOO_DATA")
    with pytest.raises(DataError) as caught:
        stage("tiny/kd", "robustness")
    assert str(caught.value) == (
        "advglue/dev.json: ZOO_DATA is not set\n"
        "  fix: set ZOO_DATA to the folder that contains the file"
    )


def test_declaring_it_adds_stages_and_changes_none(load: Any, files: dict[str, str]) -> None:
    """Nothing is trained or scored again, and boards read what the new stages leave."""
    more = files["suite.yaml"] + "robustness: {typos: {}}\n"
    assert changed(params(load), params(load, suite=more)) == {
        f"{entry}/robustness" for entry in ("teacher", "finetune", "kd", "distilbert")
    }
    before, after = pipeline_files({"tiny": load()}), pipeline_files({"tiny": load(suite=more)})
    for path in before:
        if path.endswith("/dvc.yaml"):
            stages, others = (yaml.safe_load(text[path])["stages"] for text in (before, after))
            added = others.pop("robustness", None)
            if path == "pipelines/tiny/dvc.yaml":
                lines = stages["board"]["deps"], others["board"]["deps"]
                assert len(set(lines[1]) - set(lines[0])) == 4
            else:
                assert others == stages
                assert f"build/tiny/{Path(path).parent.name}/runs" in added["deps"]


def test_studies_have_no_such_stages(load: Any, files: dict[str, str]) -> None:
    """Their variants are compared on the dev split."""
    study = "entry: kd\naxes:\n  method.temperature: [1]\n"
    more = files["suite.yaml"] + "robustness: {typos: {}}\n"
    path = "pipelines/tiny/s/dvc.yaml"
    with_it, without = (
        pipeline_files({"tiny": load(suite=suite, studies__s=study)})[path]
        for suite in (more, files["suite.yaml"])
    )
    assert with_it == without
