"""Writing pipelines, and telling what is out of step."""

from typing import Any

import pytest

from zoo.errors import UsageError
from zoo.paths import Project
from zoo.pipeline.params import board_job, read_job
from zoo.pipeline.sync import drift, pipeline_files, write_pipelines
from zoo.resolve.entry import read_suites
from zoo.spec.jobs import TrainJob

REMEDY = "\n  fix: run `zoo sync` and commit the result"


def fresh(project: Project) -> dict[str, str]:
    return pipeline_files(read_suites(project))


def told(project: Project) -> list[str]:
    return [str(problem) for problem in drift(project, fresh(project))]


def test_what_was_written_is_in_step(tiny_project: Project) -> None:
    """A second sync changes nothing, and nothing is out of step."""
    assert told(tiny_project) == []
    assert write_pipelines(tiny_project, fresh(tiny_project)) == []


@pytest.mark.parametrize(
    ("path", "content", "message"),
    [
        ("pipelines/tiny/kd/dvc.yaml", None, f"missing{REMEDY}"),
        ("pipelines/tiny/dvc.yaml", "stages: {}\n", f"out of date with the specs{REMEDY}"),
        ("pipelines/code/score.txt", "{}\n", f"out of date with the code{REMEDY}"),
        (
            "pipelines/tiny/old/params.json",
            "{}\n",
            "not declared by any spec\n  fix: run `zoo sync` and commit the result",
        ),
    ],
)
def test_every_kind_of_drift_is_told_and_mended(
    tiny_project: Project, path: str, content: Any, message: str
) -> None:
    """Missing, edited, code that moved on, left over: each by name, and `zoo sync` mends it."""
    file = tiny_project.root / path
    if content is None:
        file.unlink()
    else:
        file.parent.mkdir(exist_ok=True)
        file.write_text(content)
    assert told(tiny_project) == [f"{path}: {message}"]
    assert write_pipelines(tiny_project, fresh(tiny_project)) == [path]
    assert told(tiny_project) == []


def test_an_entry_that_is_gone_leaves_no_pipeline(tiny_project: Project) -> None:
    """Its folder goes, DVC's lock included; what a person put there stays."""
    for name in ("kd", "distilbert"):
        (tiny_project.specs / f"tiny/{name}.yaml").unlink()
        (tiny_project.pipelines / f"tiny/{name}/dvc.lock").write_text("")
    (tiny_project.pipelines / "tiny/kd/notes.txt").write_text("mine")
    changed = write_pipelines(tiny_project, fresh(tiny_project))
    left = {
        f"pipelines/tiny/{n}/{f}" for n in ("kd", "distilbert") for f in ("dvc.yaml", "params.json")
    }
    assert set(changed) == left | {
        "pipelines/tiny/params.json",
        "pipelines/tiny/dvc.yaml",
        "pipelines/code/methods/distilbert.txt",
        "pipelines/code/methods/kd.txt",
    }
    assert not (tiny_project.pipelines / "tiny/distilbert").exists()
    assert (tiny_project.pipelines / "tiny/kd/notes.txt").read_text() == "mine"


def test_a_job_is_found_by_its_names(tiny_project: Project) -> None:
    """The board's job names every entry, teachers first."""
    assert read_job(tiny_project, "tiny", "kd", "train", TrainJob).entry == "kd"
    entries = board_job(tiny_project, "tiny").entries
    assert entries == ("teacher", "distilbert", "finetune", "kd")


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (
            ("tiny", "kd", "pretrain"),
            "tiny/kd: there is no stage 'pretrain'\n  allowed: train, score, export, latency",
        ),
        (
            ("tiny", "nobody", "train"),
            "tiny/nobody: no pipeline for this entry\n  fix: see `zoo list`; ",
        ),
        (
            ("..", "../..", "train"),
            "pipelines/../../../params.json: this path is outside the project\n",
        ),
    ],
)
def test_a_stage_that_is_not_there_is_told(
    tiny_project: Project, names: tuple[str, str, str], message: str
) -> None:
    """By the stages that are; and names cannot lead out of the project."""
    with pytest.raises(UsageError) as caught:
        read_job(tiny_project, *names, TrainJob)
    assert str(caught.value).startswith(message)
