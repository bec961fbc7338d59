"""From built to published."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from zoo.board.publish import (
    build_board,
    publish_suite,
    published_rows,
    would_publish,
    write_tables,
)
from zoo.errors import ZooError
from zoo.evaluation.predict import Predictions
from zoo.evaluation.predictions import write_predictions
from zoo.paths import Project
from zoo.records.score import ScoreRecord
from zoo.records.text import write_record
from zoo.spec.measuring import BoardJob

JOB = BoardJob(suite="tiny", entry="board", entries=("teacher", "finetune", "kd"))
ANSWERS = Predictions(("a",), (1,), (1,), np.zeros((1, 2), np.float32))


@pytest.fixture
def project(tmp_path: Path, records: Any) -> Project:
    """A project in which the suite was built, its board too."""
    project = Project(tmp_path)
    for record in records:
        folder = project.entry("tiny", record.entry).score
        write_record(folder, record)
        if isinstance(record, ScoreRecord):
            write_predictions(folder / "predictions" / record.predictions, ANSWERS, record.digest)
    build_board(project, JOB)
    return project


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_publishing_takes_records_predictions_and_tables(project: Project) -> None:
    """What was announced is what is written, and its tables are those of its records."""
    announced = would_publish(project, JOB)
    assert not project.results.exists()
    assert publish_suite(project, JOB) == announced
    assert announced == sorted(
        f"results/tiny/{name}" for name in contents(project.results / "tiny")
    )
    assert {"results/tiny/records/kd/score-sentiment-dev-2.json", "results/tiny/index.html"} < set(
        announced
    )
    assert "results/tiny/predictions/kd/sentiment-dev-1.parquet" in announced
    assert write_tables(project, "tiny") == []
    assert len(published_rows(project, "tiny")) == 3


def test_publishing_touches_nothing_else(project: Project) -> None:
    """Other suites and the build stay as they are; what the suite no longer has goes."""
    for name in ("results/other/leaderboard.md", "results/tiny/records/gone/score-x-dev-1.json"):
        path = project.root / name
        path.parent.mkdir(parents=True)
        path.write_text("old")
    built = contents(project.build)
    publish_suite(project, JOB)
    assert contents(project.build) == built
    assert contents(project.results / "other") == {"leaderboard.md": b"old"}
    assert not (project.results / "tiny/records/gone").exists()
    assert sorted(path.name for path in project.results.iterdir()) == ["other", "tiny"]


def test_publishing_that_fails_leaves_what_was_published(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of it or none: a full disk half-way changes nothing."""
    publish_suite(project, JOB)
    before, calls = contents(project.results), []

    def full(path: Path, content: object) -> None:
        calls.append(path)
        if len(calls) > 3:
            raise ZooError
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(str(content))

    monkeypatch.setattr("zoo.board.publish.write_file", full)
    with pytest.raises(ZooError):
        publish_suite(project, JOB)
    assert len(calls) > 3
    assert contents(project.results) == before


def test_what_is_no_longer_declared_is_neither_shown_nor_published(project: Project) -> None:
    """An entry that was built before it was removed from the specs still lies in the build."""
    job = JOB.model_copy(update={"entries": ("teacher", "finetune")})
    assert not [name for name in would_publish(project, job) if "/kd/" in name]


def test_a_board_with_a_hole_is_not_built(project: Project) -> None:
    """Every declared entry must have scores."""
    job = JOB.model_copy(update={"entries": (*JOB.entries, "late")})
    with pytest.raises(
        ZooError, match=r"the board of tiny: there are no scores of late\n  do: build them"
    ):
        build_board(project, job)


def test_what_was_not_built_is_not_published(tmp_path: Path) -> None:
    """The error says how to build it."""
    with pytest.raises(
        ZooError, match="its board was not built on this machine\n  do: run `zoo run tiny` first"
    ):
        publish_suite(Project(tmp_path), JOB)
