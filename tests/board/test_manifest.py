"""What is published is held by a manifest that only publishing writes."""

from pathlib import Path
from typing import Any

import pytest

from zoo.board.manifest import BOARD_MANIFEST
from zoo.board.publish import build_board, publish_suite, published_board, write_tables
from zoo.errors import ZooError
from zoo.paths import Project
from zoo.spec.measuring import BoardJob

JOB = BoardJob(suite="tiny", entry="board", entries=("teacher", "finetune", "kd"))
REMEDY = "\n  fix: restore it from git; only `zoo publish` may change numbers"


@pytest.fixture
def project(tmp_path: Path, records: Any, leave: Any) -> Project:
    project = Project(tmp_path)
    for record in records:
        leave(project, record)
    build_board(project, JOB)
    publish_suite(project, JOB)
    return project


@pytest.mark.parametrize(
    ("name", "change", "why"),
    [
        ("records/kd/size-sentiment-1.json", "edit", "modified after publication"),
        ("records/kd/latency-sentiment-cpu-torch-fp32-1x8-1.json", "edit", "modified"),
        ("records/environments.json", "edit", "modified after publication"),
        ("records/environments.json", "remove", "published, but missing"),
        ("samples/kd/sentiment-cpu-1.parquet", "edit", "modified after publication"),
        ("predictions/kd/sentiment-dev-1.parquet", "remove", "published, but missing"),
        ("records/kd/score-sentiment-dev-9.json", "add", "added by hand"),
    ],
)
def test_whatever_was_touched_is_told(project: Project, name: str, change: str, why: str) -> None:
    path = project.results / "tiny" / name
    if change == "remove":
        path.unlink()
    else:
        path.write_bytes((path.read_bytes() if change == "edit" else b"") + b"\n")
    with pytest.raises(ZooError) as told:
        published_board(project, "tiny")
    assert str(told.value).startswith(f"results/tiny/{name}: {why}")
    assert str(told.value).endswith(REMEDY)


def test_tables_are_no_part_of_it(project: Project) -> None:
    """They are made anew from the records."""
    (project.results / "tiny/leaderboard.csv").write_text("")
    assert write_tables(project, published_board(project, "tiny")) == [
        "results/tiny/leaderboard.csv"
    ]


def test_records_without_their_manifest_are_refused(project: Project) -> None:
    (project.results / "tiny" / BOARD_MANIFEST).unlink()
    with pytest.raises(ZooError) as told:
        published_board(project, "tiny")
    where = "results/tiny/records/finetune/export-sentiment-fp32-1.json"
    assert str(told.value).startswith(f"{where}: not covered by a manifest.json\n")


def test_a_broken_manifest_is_told(project: Project) -> None:
    (project.results / "tiny" / BOARD_MANIFEST).write_text("<<<<<<< HEAD\n")
    with pytest.raises(ZooError) as told:
        published_board(project, "tiny")
    assert str(told.value) == (
        "results/tiny/manifest.json: not a manifest\n  fix: restore it from git"
    )
