"""From built to published."""

from pathlib import Path
from typing import Any

import pytest

from tests.made import keep_score
from zoo.board.publish import (
    build_board,
    publish_suite,
    published_board,
    would_publish,
    write_tables,
)
from zoo.errors import DataError, ZooError
from zoo.paths import Project, write_file
from zoo.records.latency import LatencyRecord
from zoo.records.text import write_record
from zoo.spec.measuring import BoardJob
from zoo.statistics import standing
from zoo.statistics.standing import suite_statistics

JOB = BoardJob(suite="tiny", entry="board", entries=("teacher", "finetune", "kd"))


@pytest.fixture
def project(tmp_path: Path, records: Any, leave: Any) -> Project:
    """A project in which the suite was built, its board too."""
    project = Project(tmp_path)
    for record in records:
        leave(project, record)
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
    assert {f"results/tiny/comparison.{form}" for form in ("csv", "json", "md")} < set(announced)
    assert not list(project.build.rglob("comparison.*"))
    assert "results/tiny/predictions/kd/sentiment-dev-1.parquet" in announced
    assert {"results/tiny/statistics.json", "results/tiny/latency.csv"} < set(announced)
    assert (project.results / "tiny/samples/kd/sentiment-cpu-1.parquet").read_bytes() == b"raw"
    assert write_tables(project, published_board(project, "tiny")) == []
    assert len(published_board(project, "tiny").rows) == 3


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
    with pytest.raises(ZooError, match=r"the board of tiny: no scores for late\n  fix: build them"):
        build_board(project, job)


def test_what_was_not_built_is_not_published(tmp_path: Path) -> None:
    """The error says how to build it."""
    with pytest.raises(
        ZooError, match="not built on this machine\n  fix: run `zoo run tiny` first"
    ):
        publish_suite(Project(tmp_path), JOB)


def test_a_measurement_that_was_asked_for_counts(project: Project, records: Any) -> None:
    """Of a record that the pipeline and `zoo bench` both made, the latter with its samples."""
    record = next(r for r in records if isinstance(r, LatencyRecord) and r.entry == "kd")
    folder = project.entry("tiny", "kd").bench("cpu")
    write_record(folder, record.model_copy(update={"ratio": 0.25}))
    write_file(folder / "samples" / record.samples, b"fresh")
    publish_suite(project, JOB)
    kd = next(row for row in published_board(project, "tiny").rows if row.entry == "kd")
    assert kd.runtimes["torch-fp32"].ratio == 0.25
    assert (project.results / "tiny/samples/kd/sentiment-cpu-1.parquet").read_bytes() == b"fresh"


def test_samples_that_are_gone_are_told(project: Project) -> None:
    """A record without what it sums up is not published."""
    path = project.entry("tiny", "kd").latency / "samples/sentiment-cpu-1.parquet"
    path.unlink()
    with pytest.raises(ZooError) as told:
        publish_suite(project, JOB)
    assert str(told.value) == (
        f"{path}: there is no such file\n  fix: measure again: `zoo bench tiny/kd`"
    )


def test_statistics_are_kept_while_their_predictions_stay(
    project: Project, monkeypatch: pytest.MonkeyPatch, make: Any
) -> None:
    """They are computed again when a stored answer changes, and only then."""
    publish_suite(project, JOB)
    computed: list[int] = []
    monkeypatch.setattr(
        standing,
        "suite_statistics",
        lambda *given, **more: computed.append(1) or compute(*given, **more),
    )
    compute = suite_statistics
    assert published_board(project, "tiny").statistics is not None
    assert computed == []
    (project.results / "tiny/manifest.json").unlink()
    monkeypatch.setattr("zoo.board.publish.refuse_edited", lambda *_: None)
    record = make("kd", 0.81)
    path = keep_score(project.results / "tiny/records/kd", record)
    path.rename(project.results / "tiny/predictions/kd" / path.name)
    assert published_board(project, "tiny").statistics is not None
    assert computed == [1]


def test_statistics_are_of_the_twin_that_the_records_name(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kept ones are of no use where the same answers are compared with another entry's."""
    publish_suite(project, JOB)
    for checked in ("refuse_edited", "refuse_unsound"):
        monkeypatch.setattr(f"zoo.board.publish.{checked}", lambda *_: None)
    for path in (project.results / "tiny/records/kd").glob("score-*.json"):
        path.write_text(path.read_text().replace('"twin": "finetune"', '"twin": "teacher"'))
    found = published_board(project, "tiny").statistics
    assert found is not None
    rivals = {one.entry: one.to_twin.rival for one in found.standings if one.to_twin}
    assert rivals == {"kd": "teacher"}


def test_answers_of_another_run_are_never_taken_for_known(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A record of another digest beside kept statistics: its answers are not there."""
    publish_suite(project, JOB)
    for checked in ("refuse_edited", "refuse_unsound"):
        monkeypatch.setattr(f"zoo.board.publish.{checked}", lambda *_: None)
    for path in (project.results / "tiny/records/kd").glob("*.json"):
        text = path.read_text()
        path.write_text(text.replace('"digest": "kd-', '"digest": "ke-'))
    with pytest.raises(DataError):
        _ = published_board(project, "tiny").statistics
