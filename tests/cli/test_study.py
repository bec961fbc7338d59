"""Studies as people meet them: listed, shown, synced, built from records, published."""

import json
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.made import keep_score, score_record
from zoo.cli.app import main
from zoo.paths import Project
from zoo.pipeline.params import board_job, study_jobs
from zoo.resolve.entry import read_suite

POCKET = Path(__file__).parents[2] / "specs/pocket"
STUDY = "note: How soft.\nentry: kd-2l\ntasks: [sentiment]\naxes:\n  method.temperature: [1, 2]\n"

Zoo = Callable[..., tuple[int, str, str]]


@pytest.fixture
def zoo(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Zoo:
    """Runs the command line in the working folder; gives exit code, output and errors."""

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["zoo", *arguments])
        with pytest.raises(SystemExit) as stopped:
            sys.exit(main())
        out, err = capfd.readouterr()
        return int(stopped.value.code or 0), out, err

    return run


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, zoo: Zoo) -> Project:
    """A synced project with one entry of the pocket suite and a study of it."""
    specs = tmp_path / "specs/pocket"
    (specs / "studies").mkdir(parents=True)
    shutil.copytree(POCKET / "teachers", specs / "teachers")
    suite = (POCKET / "suite.yaml").read_text().replace("seeds: [1]", "seeds: [1, 2, 3]")
    (specs / "suite.yaml").write_text(suite)
    for name in ("kd-2l.yaml", "finetune-2l.yaml"):
        shutil.copy(POCKET / name, specs / name)
    (specs / "studies/soft.yaml").write_text(STUDY)
    monkeypatch.chdir(tmp_path)
    code, _, err = zoo("sync")
    assert code == 0, err
    return Project(tmp_path)


def build(project: Project) -> None:
    """Leave the records that training and scoring would leave."""
    job = study_jobs(project, "pocket")[0]
    entries = read_suite(project, "pocket").entries
    runs = {
        name: tuple(run.declared for run in entries[name].runs if run.task == "sentiment")
        for name in ("teacher-4l", "finetune-2l", "kd-2l")
    }
    for variant in job.variants:
        runs |= variant.records
    for number, (entry, digests) in enumerate(runs.items()):
        folder = project.entry("pocket", entry).score
        for seed, digest in enumerate(digests, start=1):
            record = score_record(entry, 0.9 - number / 100, digest, declared=digest)
            keep_score(folder, record.model_copy(update={"seed": seed}))


def test_a_study_is_listed_counted_and_shown(zoo: Zoo, project: Project) -> None:
    """With its axes, its variants and what is built already."""
    assert project.specs.is_dir()
    assert zoo("check")[1] == "pocket: 1 teachers, 2 entries, 1 studies: all valid\n"
    line = zoo("list")[1].splitlines()[-1]
    assert line.split()[:2] == ["pocket/soft", "study"]
    assert line.endswith("How soft.")
    out = zoo("show", "pocket/soft")[1]
    assert out.splitlines() == [
        "pocket/soft  varies kd-2l on sentiment; seeds 1, 2, 3",
        "",
        "axes",
        "  method.temperature: 1, 2",
        "",
        "variants",
        "  base           method.temperature 2  (same as kd-2l)",
        "  temperature-1  method.temperature 1",
    ]
    shown = json.loads(zoo("show", "pocket/soft", "--json")[1])
    assert [variant["entry"] for variant in shown["variants"]] == ["kd-2l", "soft.temperature-1"]


def test_a_slip_is_told_where_it_stands(zoo: Zoo, project: Project) -> None:
    """`zoo check` covers studies, with exit code 2."""
    path = project.specs / "pocket/studies/soft.yaml"
    path.write_text(STUDY.replace("[1, 2]", "[1, -2]"))
    code, out, err = zoo("check")
    assert (code, out) == (2, "")
    assert err.startswith("specs/pocket/studies/soft.yaml:5: axes.method.temperature.1: given -2\n")


@pytest.mark.usefixtures("project")
def test_editors_get_the_schema(zoo: Zoo) -> None:
    assert "axes" in json.loads(zoo("check", "--schema", "study")[1])["required"]


def test_a_study_that_is_gone_leaves_no_pipeline(zoo: Zoo, project: Project) -> None:
    """`zoo sync` writes and removes its files like an entry's."""
    assert (project.pipelines / "pocket/soft/dvc.yaml").is_file()
    (project.specs / "pocket/studies/soft.yaml").unlink()
    code, _, err = zoo("sync", "--check")
    assert (code, "pipelines/pocket/soft/dvc.yaml: not declared by any spec" in err) == (1, True)
    assert "pipelines/pocket/soft/params.json" in zoo("sync")[1]
    assert not (project.pipelines / "pocket/soft").exists()


def test_a_study_is_built_and_published(zoo: Zoo, project: Project) -> None:
    """From the stage that DVC calls to the committed table; the table is held to its records."""
    build(project)
    assert board_job(project, "pocket").entries == ("teacher-4l", "finetune-2l", "kd-2l")
    code, _, err = zoo("stage", "pocket/soft", "study")
    assert (code, "[ 3/3] pocket/soft study" in err) == (0, True), err
    assert zoo("stage", "pocket/board", "board")[0] == 0
    built = zoo("board", "--study", "soft", "--built")[1]
    assert re.search(r"\ntemperature-1 +87.0 ± 0.0 \(-1.0\)", built)
    code, _, err = zoo("board", "--study", "soft")
    assert (code, "not published" in err) == (2, True)
    assert "results/pocket/studies/soft/study.md" in zoo("publish", "--dry-run")[1]
    assert zoo("publish")[0] == 0
    assert zoo("board", "--study", "soft")[1] == built
    assert json.loads(zoo("board", "--study", "soft", "--json")[1])[1]["to_base"] == -0.01
    assert zoo("board", "--study", "soft", "--format", "csv")[1].startswith("variant,method.temp")
    assert zoo("sync", "--check")[0] == 0
    table = project.results / "pocket/studies/soft/study.csv"
    table.write_text("edited")
    code, _, err = zoo("sync", "--check")
    assert code == 1
    assert err.startswith("results/pocket/studies/soft/study.csv: out of date with the records")
    assert zoo("sync")[0] == 0
    assert zoo("sync", "--check")[0] == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("show pocket/sof", "fix: did you mean 'soft'?"),
        ("run pocket/sof", "fix: did you mean 'soft'?"),
        (
            "board --study sof",
            "--study sof: there is no such study\n  allowed: soft\n  fix: did you",
        ),
        ("board --study soft --suite poket", "--suite poket: there is no such suite"),
        ("board --study soft --format xml", "allowed: table, csv, json, md"),
        ("stage pocket/soft train", "allowed: train-temperature-1, score-temperature-1, study"),
    ],
)
@pytest.mark.usefixtures("project")
def test_wrong_usage_is_told(zoo: Zoo, arguments: str, said: str) -> None:
    """On standard error, with exit code 2."""
    code, out, err = zoo(*arguments.split())
    assert (code, out) == (2, "")
    assert said in err
