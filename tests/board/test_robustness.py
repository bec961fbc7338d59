"""Scores on altered examples on boards: only where recorded, and only if they are sound."""

import csv
import io
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.board.conftest import common
from tests.made import HASH, keep_score
from zoo.board.leaderboard import leaderboard
from zoo.board.publish import build_board, built_board, publish_suite, published_board
from zoo.board.render import as_csv
from zoo.errors import ZooError
from zoo.paths import Project
from zoo.records.robustness import RobustnessRecord
from zoo.records.store import RECORD_KINDS, record_files
from zoo.spec.measuring import BoardJob
from zoo.spec.robustness import Typos

JOB = BoardJob(suite="tiny", entry="board", entries=("teacher", "finetune", "kd"))
RECORD = "records/kd/robustness-typos-sentiment-dev-1.json"
RESTORE = "\n  fix: restore both from git, or build and publish them again"


def altered(entry: str, value: float, seed: int = 1, **more: Any) -> RobustnessRecord:
    stated = {
        "perturbation": "typos",
        "typos": Typos(),
        "split": "dev",
        "examples": 100,
        "data_sha256": "typed",
        "primary": "accuracy",
        "metrics": {"accuracy": value},
        "weights_sha256": HASH,
        "predictions_sha256": HASH,
    }
    return RobustnessRecord(**(common(entry, "sentiment", seed) | stated | more))


@pytest.fixture
def project(tmp_path: Path, records: Any, leave: Any) -> Project:
    project = Project(tmp_path)
    for record in records:
        leave(project, record)
    return project


def keep(project: Project, *records: RobustnessRecord) -> None:
    for record in records:
        keep_score(project.entry("tiny", record.entry).root / "robustness", record)


def board_rows(project: Project) -> dict[str, dict[str, str]]:
    table = leaderboard(built_board(project, JOB).rows, "tiny")
    return {row["entry"]: row for row in csv.DictReader(io.StringIO(as_csv(table)))}


def names(rows: dict[str, dict[str, str]]) -> Sequence[str]:
    return [name for name in rows["kd"] if name.startswith(("typos", "adversarial"))]


def test_columns_are_there_where_something_is_recorded(project: Project) -> None:
    """Of the perturbations that are; entries without have a reason instead."""
    assert names(board_rows(project)) == []
    keep(project, altered("kd", 0.6), altered("kd", 0.74, seed=2), altered("teacher", 0.9))
    rows = board_rows(project)
    assert names(rows) == [
        f"typos_{name}" for name in ("score", "drop", "low", "high", "examples", "paired")
    ]
    assert (rows["kd"]["typos_score"], rows["kd"]["typos_drop"]) == ("0.67", "0.15")
    assert (rows["teacher"]["typos_drop"], rows["teacher"]["typos_paired"]) == ("0.0", "True")
    assert "not measured: typos_*" in rows["finetune"]["status"]


def test_the_comparison_has_a_table_where_something_is_recorded(project: Project) -> None:
    build_board(project, JOB)
    publish_suite(project, JOB)
    before = (project.results / "tiny/comparison.md").read_text()
    assert "Robustness" not in before
    assert "drops" not in json.loads((project.results / "tiny/statistics.json").read_text())

    keep(project, altered("kd", 0.6), altered("kd", 0.74, seed=2), altered("teacher", 0.9))
    build_board(project, JOB)
    publish_suite(project, JOB)
    after = (project.results / "tiny/comparison.md").read_text()
    start, _, rest = after.partition("## Robustness\n")
    section, mark, end = rest.partition("## What the papers claim\n")
    assert start + mark + end == before
    lines = section.strip().splitlines()[2:]
    assert lines[0] == "| entry | task | score | typos score | typos drop |"
    assert [line.split(" | ")[0] for line in lines[2:]] == ["| teacher", "| kd"]
    assert lines[3].split(" | ")[3:] == ["67.0", lines[3].split(" | ")[4]]
    assert lines[3].split(" | ")[4].startswith("+15.0 [")


def test_records_of_other_runs_are_ignored(project: Project) -> None:
    """As those of an earlier spec, or of a split that is not scored."""
    earlier = altered("kd", 0.6).model_copy(update={"digest": "earlier"})
    keep(project, earlier, altered("teacher", 0.6, split="dev_matched"))
    assert names(board_rows(project)) == []


def test_entries_are_compared_on_the_same_altered_examples(project: Project) -> None:
    keep(project, altered("kd", 0.6), altered("teacher", 0.6, data_sha256="otherwise"))
    with pytest.raises(ZooError) as caught:
        build_board(project, JOB)
    assert str(caught.value) == (
        "tiny on sentiment dev (typos): its entries were scored on different examples:"
        " kd on typed; teacher on otherwis\n  allowed: the same examples for all entries\n"
        "  fix: rebuild what has changed with `zoo run tiny`"
    )


def test_an_edited_record_is_refused(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """It must say what its predictions score."""
    keep(project, altered("kd", 0.6), altered("kd", 0.7, seed=2))
    build_board(project, JOB)
    publish_suite(project, JOB)
    shutil.rmtree(project.scratch)
    monkeypatch.setattr("zoo.board.publish.refuse_edited", lambda *_: None)
    assert len(published_board(project, "tiny").rows) == 3
    path = project.results / "tiny" / RECORD
    path.write_text(json.dumps(json.loads(path.read_text()) | {"metrics": {"accuracy": 0.8}}))
    with pytest.raises(ZooError) as caught:
        published_board(project, "tiny")
    assert f"accuracy 0.8\n  allowed: 0.6, the score of its predictions{RESTORE}" in str(
        caught.value
    )


def test_predictions_have_names_of_their_own(project: Project, records: Any) -> None:
    """Published in one folder with those of the dev split."""
    keep(project, altered("kd", 0.6))
    build_board(project, JOB)
    publish_suite(project, JOB)
    folder = project.results / "tiny"
    assert (folder / "predictions/kd/sentiment-dev-1.typos.parquet").is_file()
    assert (folder / "predictions/kd/sentiment-dev-1.parquet").is_file()
    found = {path.name.partition("-")[0] for path in record_files(folder / "records")}
    assert found == {record.kind for record in records} | {"robustness"} <= set(RECORD_KINDS)
