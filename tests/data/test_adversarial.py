"""Adversarial examples: AdvGLUE's layout is read, and anything else is told with its key."""

import json
from pathlib import Path
from typing import Any

import pytest

from zoo.data.adversarial import read_adversarial
from zoo.data.examples import TextExample
from zoo.errors import DataError

CONTENT: dict[str, Any] = {
    "sst2": [
        {"label": 1, "idx": 0, "sentence": "a fine film "},
        {"label": 0, "idx": 7, "sentence": "a dull one"},
    ],
    "qqp": [{"label": 1, "idx": 0, "question1": "a ?", "question2": "b ?"}],
    "mnli": [{"label": 2, "idx": 0, "premise": "p", "hypothesis": "h"}],
    "mnli-mm": [{"label": 0, "idx": 0, "premise": "p2", "hypothesis": "h2"}],
    "qnli": [{"label": 1, "idx": 0, "question": "q", "sentence": "s"}],
    "rte": [{"label": 0, "sentence1": "one", "sentence2": "two", "method": "by hand"}],
}
MEND = "\n  fix: download dev.json of AdvGLUE again, or write the file in its layout"
KEYS = "sst2, qqp, mnli, mnli-mm, qnli, rte"


def read(tmp_path: Path, content: object) -> Any:
    file = tmp_path / "dev.json"
    file.write_text(content if isinstance(content, str) else json.dumps(content))
    return read_adversarial(file)


def test_every_task_goes_to_its_split(tmp_path: Path) -> None:
    """With the names of texts as on the hub, and classes in the order of the task's labels."""
    found = read(tmp_path, CONTENT)
    assert {place: split.name for place, split in found.items()} == {
        ("sst2", "dev"): "dev",
        ("qqp", "dev"): "dev",
        ("mnli", "dev_matched"): "dev_matched",
        ("mnli", "dev_mismatched"): "dev_mismatched",
        ("qnli", "dev"): "dev",
        ("rte", "dev"): "dev",
    }
    assert found["sst2", "dev"].examples == (
        TextExample("sst2-adversarial-sst2-0", "a fine film", None, 1),
        TextExample("sst2-adversarial-sst2-1", "a dull one", None, 0),
    )
    texts = {
        task: (split.examples[0].first, split.examples[0].second, split.examples[0].label)
        for (task, name), split in found.items()
        if name != "dev_mismatched"
    }
    assert texts == {
        "sst2": ("a fine film", None, 1),
        "qqp": ("a ?", "b ?", 1),
        "mnli": ("p", "h", 2),
        "qnli": ("q", "s", 1),
        "rte": ("one", "two", 0),
    }
    assert found["mnli", "dev_mismatched"].examples[0].id == "mnli-adversarial-mnli-mm-0"


def test_some_tasks_are_enough(tmp_path: Path) -> None:
    assert list(read(tmp_path, {"rte": CONTENT["rte"]})) == [("rte", "dev")]


def row(task: str, **changes: Any) -> dict[str, Any]:
    """A file of one example, changed; what is changed to None is left out."""
    changed = CONTENT[task][0] | changes
    return {task: [{name: value for name, value in changed.items() if value is not None}]}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("[1]", ": the file holds a list\n  allowed: an object"),
        ({}, f": no task\n  allowed: {KEYS}"),
        ({"cola": []}, f": cola: unknown task\n  allowed: {KEYS}"),
        ({"sst2": {}}, ": sst2: an object\n  allowed: a non-empty list of examples"),
        (
            {"sst2": []},
            ": sst2: a list without examples\n  allowed: a non-empty list of examples",
        ),
        ({"sst2": ["x"]}, ": sst2[0]: a text\n  allowed: an object with sentence, label"),
        (
            row("sst2", sentence=None),
            ": sst2[0].sentence: the key is missing\n  allowed: sentence, label",
        ),
        (
            row("qnli", sentence=None, sentence1="x"),
            ": qnli[0].sentence: the key is missing\n  allowed: question, sentence, label",
        ),
        (
            row("mnli-mm", label=None),
            ": mnli-mm[0].label: the key is missing\n  allowed: premise, hypothesis, label",
        ),
        (row("rte", sentence2=3), ": rte[0].sentence2: the value 3\n  allowed: a text"),
        (row("rte", sentence2=" "), ": rte[0].sentence2: the value ' '\n  allowed: a text"),
        *(
            (
                row("rte", label=label),
                (
                    f": rte[0].label: the label {label!r}\n"
                    "  allowed: 0 (entailment), 1 (not_entailment)"
                ),
            )
            for label in (2, -1, True, 1.0, "1")
        ),
    ],
)
def test_another_layout_is_told(tmp_path: Path, content: object, said: str) -> None:
    """By file and key, with what is allowed."""
    with pytest.raises(DataError) as caught:
        read(tmp_path, content)
    assert str(caught.value) == f"{tmp_path / 'dev.json'}{said}{MEND}"


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    content = row("sst2", sentence=None, label=9) | {"cola": []} | row("qqp", label=5)
    with pytest.raises(DataError) as caught:
        read(tmp_path, content)
    told = [problem.where.partition(": ")[2] for problem in caught.value.problems]
    assert told == ["sst2[0].sentence", "sst2[0].label", "cola", "qqp[0].label"]


def test_a_missing_file_and_one_that_is_no_json_are_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="not JSON"):
        read(tmp_path, "sst2: []")
    with pytest.raises(DataError, match="there is no such file"):
        read_adversarial(tmp_path / "none.json")
