"""`zoo submit` on a project of its own: what is written, where, and what is left out."""

import json
from pathlib import Path

import numpy as np
import pytest

from tests import tiny
from tests.made import declare_again, identity, keep_job
from zoo.cli.score import score as score_command
from zoo.cli.submit import submit
from zoo.data.examples import Split
from zoo.errors import DataError, UsageError
from zoo.evaluation import official
from zoo.evaluation.predictions import Predictions
from zoo.models.checkpoint import save_checkpoint
from zoo.paths import Project
from zoo.pipeline.params import read_job
from zoo.spec.data import SuiteData
from zoo.spec.measuring import ScoreJob
from zoo.spec.task import TASKS

OFFICIAL = [name for name, task in TASKS.items() if task.submission]
WORDS = [word for word in tiny.tokenizer().get_vocab() if word.isalpha()][:40]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """An entry `small/e` with two seeds on SST-2, SQuAD v2.0 and a generated task, and its data."""
    made = Project(tmp_path / "project")
    runs = []
    for task, seed in [("sst2", 1), ("sst2", 2), ("squad-v2.0", 1), ("sentiment", 1)]:
        run = tiny.run(task, seed, data=SuiteData().of(TASKS[task]))
        about = {"task": task, "seed": seed, "declared": run.declared}
        made_of = identity("e", "trained", suite="small", **about)
        folder = made.entry("small", "e").checkpoint(run.task, run.seed)
        save_checkpoint(folder, tiny.model(task=task, seed=seed), tiny.tokenizer(), made_of)
        runs.append(run)
    job = ScoreJob(suite="small", entry="e", method="kd", teacher="t", twin=None, runs=tuple(runs))
    keep_job(made, "score", job)
    made.specs.mkdir(exist_ok=True)
    data = tmp_path / "data"
    (data / "glue/SST-2").mkdir(parents=True)
    rows = [f"{a} {b}" for a, b in zip(WORDS, reversed(WORDS), strict=True)]
    labelled = [f"{row}\t{number % 2}" for number, row in enumerate(rows)]
    (data / "glue/SST-2/dev.tsv").write_text("\n".join(["sentence\tlabel", *labelled]) + "\n")
    hidden = [f"{number}\t{row}" for number, row in enumerate(rows)]
    (data / "glue/SST-2/test.tsv").write_text("\n".join(["index\tsentence", *hidden]) + "\n")
    answers = [{"text": WORDS[0], "answer_start": 0}]
    questions = [
        {"id": "a", "question": WORDS[1], "answers": answers},
        {"id": "b", "question": WORDS[2], "answers": [], "is_impossible": True},
    ]
    paragraphs = [{"context": " ".join(WORDS[:12]), "qas": questions}]
    (data / "squad").mkdir()
    (data / "squad/dev-v2.0.json").write_text(json.dumps({"data": [{"paragraphs": paragraphs}]}))
    monkeypatch.setenv("ZOO_DATA", str(data))
    monkeypatch.chdir(made.root)
    return made


def test_test_sets_are_answered_and_squad_is_named_as_left_out(project: Project) -> None:
    """SQuAD's test set is not public, which does not stop the other tasks; pocket has no server."""
    told = submit("small/e", split="test", task=None, seed=None, out=None)
    assert told.splitlines() == [
        "written:",
        "  build/small/e/submission/SST-2.tsv",
        "skipped: squad-v2.0 has no public test set; try --split dev",
    ]
    folder = project.entry("small", "e").submission
    assert [path.name for path in folder.iterdir()] == ["SST-2.tsv"]
    assert len((folder / "SST-2.tsv").read_text().splitlines()) == 41


def test_squad_alone_says_why_it_cannot_be_answered(project: Project) -> None:
    with pytest.raises(DataError) as told:
        submit("small/e", split="test", task="squad-v2.0", seed=None, out=None)
    assert str(told.value) == (
        "squad-v2.0: there is no public test set\n  fix: use the dev split: --split dev"
    )
    assert not project.entry("small", "e").submission.exists()


def test_dev_files_go_where_they_are_wanted_and_are_scored_there(project: Project) -> None:
    """Both tasks; the null odds serve `zoo score` as they stand."""
    out = project.root / "mine"
    told = submit("small/e", split="dev", task=None, seed=1, out=out)
    squad = out / "squad-v2.0"
    assert told.splitlines() == [
        "written:",
        "  mine/SST-2.tsv",
        "  mine/squad-v2.0/predictions.json",
        "  mine/squad-v2.0/null_odds.json",
    ]
    data = project.root.parent / "data/squad/dev-v2.0.json"
    text = score_command(
        "squad-v2.0", data, squad / "predictions.json", squad / "null_odds.json", as_json=True
    )
    found = json.loads(text)
    assert (found["examples"], found["missing"], found["extra"]) == (2, 0, 0)
    assert {"best_f1", "no_answer_f1"} <= set(found["metrics"])


def test_what_a_suite_cuts_its_dev_split_to_plays_no_part(project: Project) -> None:
    """A submission has a row for every example of the data."""
    job = read_job(project, "small", "e", "score", ScoreJob)
    settings = tiny.SETTINGS.model_copy(update={"dev": 3})
    cut = tuple(run.model_copy(update={"settings": settings}) for run in job.runs)
    keep_job(project, "score", job.model_copy(update={"runs": cut}))
    for run in cut:
        declare_again(project.entry("small", "e").checkpoint(run.task, run.seed), run.declared)
    submit("small/e", split="dev", task="sst2", seed=None, out=project.root / "mine")
    assert len((project.root / "mine/SST-2.tsv").read_text().splitlines()) == 41


def test_similarities_beyond_the_scale_are_written_as_its_ends(tmp_path: Path) -> None:
    given = (-0.25, 2.5, 5.125)
    logits = np.array(given, np.float32)[:, None]
    predictions = Predictions(("a", "b", "c"), given, (None,) * 3, logits)
    (path,) = official._write(TASKS["stsb"], Split("test", ()), predictions, tmp_path)
    assert path.read_text() == "index\tprediction\n0\t0.0\n1\t2.5\n2\t5.0\n"


def test_the_first_seed_answers_unless_another_is_asked_for(project: Project) -> None:
    """Two seeds answer differently, and the file of the first is that of seed 1."""
    written = {}
    for seed in (None, 1, 2):
        out = project.root / f"seed-{seed}"
        submit("small/e", split="dev", task="sst2", seed=seed, out=out)
        written[seed] = (out / "SST-2.tsv").read_text()
    assert written[None] == written[1] != written[2]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (
            {"split": "tset"},
            "--split tset: there is no such split\n  allowed: test, dev\n  fix: did",
        ),
        ({"task": "sentiment"}, "small/e: --task sentiment: not one of its official tasks\n"),
        (
            {"seed": 3, "task": "sst2"},
            "small/e: --seed 3: no run with this seed on sst2\n  allowed: 1, 2",
        ),
        (
            {"seed": 2},
            "small/e: --seed 2: no run with this seed on squad-v2.0\n  allowed: 1\n  fix: ",
        ),
        ({"out": Path("specs")}, "--out specs: already exists\n  allowed: a new folder"),
    ],
)
def test_wrong_wishes_are_told_before_any_model_is_loaded(
    project: Project, changed: dict, message: str
) -> None:
    asked = {"split": "dev", "task": None, "seed": None, "out": None} | changed
    with pytest.raises(UsageError) as told:
        submit("small/e", **asked)
    assert str(told.value).startswith(message)
    assert project.specs.is_dir()


def test_an_entry_on_generated_tasks_cannot_be_submitted(project: Project) -> None:
    path = project.pipelines / "small/e/params.json"
    jobs = json.loads(path.read_text())
    job = jobs["stages"]["score"]
    job["runs"] = [run for run in job["runs"] if run["task"] not in OFFICIAL]
    path.write_text(json.dumps(jobs))
    with pytest.raises(UsageError) as told:
        submit("small/e", split="dev", task=None, seed=None, out=None)
    assert str(told.value) == (
        "small/e: none of its tasks has an official evaluation server\n"
        "  allowed: entries on GLUE or SQuAD"
    )
