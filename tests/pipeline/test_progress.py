"""Which stage of how many, and the estimate: own times first, published ones at this pace."""

import json
from pathlib import Path

import pytest

from zoo.paths import Project
from zoo.pipeline.progress import BuildProgress, entry_stages, stage_order
from zoo.records.durations import durations_text, note_duration, own_durations

STAGES = ["t/pretrain", "t/train", "t/score", "kd/train", "kd/score", "board/board"]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Two entries and a board, as `zoo sync` writes their jobs."""
    jobs = {
        "params.json": {"board": {"kind": "board", "entries": ["t", "kd"]}},
        "t/params.json": {"pretrain": {}, "train": {}, "score": {}},
        "kd/params.json": {"train": {}, "score": {}},
    }
    for name, content in jobs.items():
        path = tmp_path / "pipelines/s" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"stages": content}))
    return Project(tmp_path)


def publish(project: Project, seconds: dict[str, float]) -> None:
    path = project.results / "s/durations.json"
    path.parent.mkdir(parents=True)
    path.write_text(durations_text(seconds))


def test_stages_come_in_the_order_they_can_run(project: Project) -> None:
    """Teachers first, within an entry by the work's own order, the board last."""
    assert stage_order(project, "s") == STAGES


def test_a_study_goes_variant_by_variant(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its tables come last; the suite's other stages are not counted."""
    path = project.pipelines / "s/heads/params.json"
    path.parent.mkdir()
    order = ["train-a", "score-a", "train-b", "score-b", "study"]
    path.write_text(json.dumps({"stages": {name: {} for name in order}}))
    assert entry_stages(project, "s", "heads") == [f"heads/{name}" for name in order]
    BuildProgress(project, "s", "heads").announce("heads", "train-b")
    assert capsys.readouterr().err == "[ 3/5] s/heads train-b\n"


def told(project: Project, stage: str, capsys: pytest.CaptureFixture[str]) -> str:
    entry, _, name = stage.partition("/")
    BuildProgress(project, "s").announce(entry, name)
    return capsys.readouterr().err.rstrip("\n")


def test_without_any_times_there_is_no_estimate(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    """Only the place is told."""
    assert told(project, "t/score", capsys) == "[ 3/6] s/t score"


def test_published_times_make_an_estimate(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    """The sum of what is left, this stage included."""
    publish(project, dict.fromkeys(STAGES, 10.0))
    assert told(project, "t/pretrain", capsys) == "[ 1/6] s/t pretrain, about 60 s left"
    assert told(project, "board/board", capsys) == "[ 6/6] s/board board, about 10 s left"


def test_a_slower_machine_is_told_so_by_its_first_stages(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    """Three times slower until now: what is left is expected to be too."""
    publish(project, dict.fromkeys(STAGES, 60.0))
    note_duration(project, "s", "t/pretrain", 180.0)
    assert told(project, "t/train", capsys) == "[ 2/6] s/t train, about 15 min left"


def test_only_what_both_have_timed_tells_the_pace(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    """A long stage that has not run here yet makes nobody faster."""
    publish(project, dict.fromkeys(STAGES, 60.0) | {"kd/train": 6000.0})
    note_duration(project, "s", "t/pretrain", 120.0)
    assert told(project, "kd/score", capsys) == "[ 5/6] s/kd score, about 4 min left"


def test_times_of_this_machine_go_first(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    """A stage that ran here is expected to take what it took."""
    publish(project, dict.fromkeys(STAGES, 60.0))
    for stage in STAGES:
        note_duration(project, "s", stage, 2.0)
    assert told(project, "kd/train", capsys) == "[ 4/6] s/kd train, about 6 s left"


def test_a_damaged_time_is_passed_over(project: Project) -> None:
    """An estimate is no reason to stop."""
    note_duration(project, "s", "t/train", 2.0)
    (project.scratch / "durations/s/t/score").write_text("soon")
    assert own_durations(project, "s") == {"t/train": 2.0}
