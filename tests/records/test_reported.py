"""Published numbers: each a valid row with its source, none against another without a word."""

import json
import re
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from zoo.errors import ZooError
from zoo.methods import names
from zoo.paths import Project
from zoo.records.reported import COST, UNSTATED, Reported, read_reported, reported_text

CHECKOUT = Project(Path(__file__).parents[2])
ROWS = read_reported(CHECKOUT)
GOOD: dict[str, Any] = {
    "method": "kd",
    "model": "BERT6",
    "task": "sst2",
    "split": "dev",
    "metric": "accuracy",
    "value": 91.0,
    "arxiv": "1503.02531",
    "source": "Table 1",
}


GLUE = ("cola", "mnli", "mrpc", "qnli", "qqp", "rte", "sst2", "stsb", "wnli")


def written(folder: Path, *rows: dict[str, Any]) -> Project:
    """A project that reports these rows."""
    project = Project(folder)
    project.results.mkdir()
    text = reported_text([Reported.model_validate(row) for row in rows])
    (project.results / "reported.json").write_text(text)
    return project


def test_the_published_numbers_are_read() -> None:
    """All rows of the checkout validate, and there are hundreds."""
    assert len(ROWS) > 700


def test_every_row_belongs_to_a_method_of_the_zoo() -> None:
    """Every method but none else is there, and the teachers."""
    assert {row.method for row in ROWS} == {*names(), "teacher"}


@pytest.mark.parametrize("word", ["brief", "NOT FOUND", "http", "/work"])
def test_sources_are_sources(word: str) -> None:
    """A source names a paper, a repository or a summary, and where in it."""
    assert not [row for row in ROWS if word in row.source + row.note]
    assert all(row.source.strip() for row in ROWS)


def test_scores_are_percentages() -> None:
    """As papers print them: none on the natural scale."""
    differences = {"change of the mean", "points above soft labels"}
    scores = [row.value for row in ROWS if row.task != COST and row.metric not in differences]
    assert min(scores) > 8
    assert max(scores) <= 100


def test_averages_are_those_of_the_tasks_they_name() -> None:
    """Where a source states all members, they make its average; one does not, and is flagged."""
    stated: dict[tuple[str, ...], dict[str, float]] = defaultdict(dict)
    for row in ROWS:
        split, _, half = row.split.partition("_")
        member = f"{row.task}-{half}" if half else row.task
        stated[row.arxiv, row.model, split].setdefault(member, row.value)
    off, checked = [], 0
    for row in ROWS:
        members = stated[row.arxiv, row.model, row.split]
        if row.metric == "mean" and row.members and set(row.members) <= set(members):
            mean = sum(members[name] for name in row.members) / len(row.members)
            off += [row.model] if abs(mean - row.value) > 0.051 else []
            checked += 1
    assert checked > 40
    assert off == ["BERT-base"]
    members = stated["1910.01108", "BERT-base", "dev"] | {"mnli": 84.7}
    assert sum(members[name] for name in GLUE) / len(GLUE) == pytest.approx(79.5, abs=0.051)


def test_what_the_sources_disagree_on_says_so() -> None:
    """DistilBERT's MNLI, its first release, and a slip in a table are flagged, not mended."""
    noted = {(row.model, row.task, row.value): row.note for row in ROWS if row.note}
    assert "the README has 84.7" in noted["BERT-base", "mnli", 86.7]
    assert "91.3" in noted["DistilBERT6", "sst2", 92.7]
    assert "first release" in noted["DistilBERT 6x768", "mnli", 79.0]
    assert "first release" in noted["DistilBERT (first release numbers)", "qqp", 84.9]
    assert "unverified" in noted["WID larger student", f"average of {UNSTATED} GLUE tasks", 98.9]


def test_a_project_without_reported_numbers_has_none(tmp_path: Path) -> None:
    """Nothing is made up."""
    assert read_reported(Project(tmp_path)) == ()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"task": "sst3"}, r"task: unknown task sst3\n  allowed: acceptability, .*cost"),
        ({"task": "average of sst2, sst3"}, "task: unknown task sst3"),
        ({"metric": "f1"}, r"metric: sst2 has no f1\n  allowed: accuracy, unstated"),
        ({"split": "train"}, r"split: unknown split 'train'\n  allowed: dev, test"),
        ({"task": "cost"}, r"split: unknown split 'dev'\n  allowed: none for costs"),
        ({"source": " "}, "source: String should have at least 1 character, not ' '"),
        ({"value": "many"}, "value: Input should be a valid number"),
        ({"arxiv": "here"}, "arxiv: String should match pattern"),
        ({"colour": "red"}, "colour: Extra inputs are not permitted"),
    ],
)
def test_a_wrong_row_is_told_by_line_and_key(
    tmp_path: Path, change: dict[str, str], told: str
) -> None:
    """So that a hand-made edit is found at once."""
    project = written(tmp_path, GOOD, GOOD | {"model": "BERT7"})
    path = project.results / "reported.json"
    wrong = Reported.model_construct(**(GOOD | {"model": "BERT7"} | change))
    lines = path.read_text().splitlines()
    lines[2] = json.dumps(wrong.__dict__ | (wrong.__pydantic_extra__ or {}) | change)
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(ZooError, match=rf"^results/reported\.json:3: {told}"):
        read_reported(project)


def test_two_values_of_one_thing_need_notes(tmp_path: Path) -> None:
    """A note in each, and not the same."""
    for first, second in (("", ""), ("", "best run"), ("a run", "a run")):
        folder = tmp_path / f"{first}-{second}"
        folder.mkdir()
        project = written(folder, GOOD | {"note": first}, GOOD | {"value": 92.0, "note": second})
        told = r"reported\.json:3: note: BERT6 sst2 dev accuracy is also on line 2"
        with pytest.raises(ZooError, match=told):
            read_reported(project)
    folder = tmp_path / "good"
    folder.mkdir()
    notes = [GOOD | {"note": "best run"}, GOOD | {"note": "mean"}]
    assert len(read_reported(written(folder, *notes))) == 2


@pytest.mark.parametrize(
    ("edit", "told"),
    [
        (lambda text: text.replace('"dev",', '"dev"'), r"reported.json:2: column 67: not JSON: "),
        (lambda text: text.replace("\n", ""), "not a list with one row per line"),
        (
            lambda _: "{\n}\n",
            "the file holds an object\n  allowed: a list\n  fix: restore it from git",
        ),
        (lambda text: f"<<<<<<< HEAD\n{text}", "reported.json:1: unresolved merge conflict"),
        (lambda text: text.replace("91.0", "NaN"), "the value is NaN"),
        (
            lambda text: text.replace("91.0", "91.00"),
            "its rows are not in canonical order and form",
        ),
        (
            lambda text: "[\n" + ",\n".join(reversed(re.findall("{.*?}", text))) + "\n]\n",
            r"canonical order and form\n  allowed: sorted rows, one per line\n  fix: write it with",
        ),
    ],
)
def test_the_file_has_one_form(tmp_path: Path, edit: Any, told: str) -> None:
    """Sorted, one row a line: an edit is one line of a diff."""
    project = written(tmp_path, GOOD, GOOD | {"model": "BERT7"})
    path = project.results / "reported.json"
    path.write_text(edit(path.read_text()))
    with pytest.raises(ZooError, match=told):
        read_reported(project)


def test_many_problems_are_counted(tmp_path: Path) -> None:
    """Twenty are told."""
    project = written(tmp_path, *(GOOD | {"model": f"BERT{number}"} for number in range(25)))
    path = project.results / "reported.json"
    path.write_text(path.read_text().replace("sst2", "sst3"))
    with pytest.raises(ZooError) as caught:
        read_reported(project)
    assert len(caught.value.problems) == 21
    assert str(caught.value).endswith("and: 5 more problems")
