"""BoolQ: the release's JSON lines and the hub give the same examples, and damage is told."""

import json
from pathlib import Path

import datasets
import pytest

from zoo.data.examples import TextExample
from zoo.data.sources import load_evaluation, load_test, load_train
from zoo.errors import DataError
from zoo.spec.data import ReleaseData, SuiteData, TaskSettings
from zoo.spec.task import TASKS

BOOLQ = TASKS["boolq"]
ROWS = [
    {"question": "is it wet", "passage": " Rain -- Rain is water.", "label": True, "idx": 0},
    {"question": "is it dry", "passage": 'Rain \u2028 is "wet".', "label": False, "idx": 1},
]


def released(folder: Path, *lines: str) -> Path:
    """`$ZOO_DATA` with the two splits that are read."""
    home = folder / "superglue/BoolQ"
    home.mkdir(parents=True)
    text = "\n".join(lines or map(json.dumps, ROWS)) + "\n"
    for split in ("train", "val"):
        (home / f"{split}.jsonl").write_text(text, encoding="utf-8")
    return home / "train.jsonl"


def test_release_and_hub_give_the_same_examples(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    released(tmp_path)
    source, settings = SuiteData().of(BOOLQ), TaskSettings()
    monkeypatch.setenv("ZOO_DATA", str(tmp_path))
    train = load_train(BOOLQ, settings, source)
    here = load_evaluation(BOOLQ, settings, source)
    assert train.examples[0] == TextExample(
        "boolq-train-0", "Rain -- Rain is water.", "is it wet", 1
    )
    monkeypatch.delenv("ZOO_DATA")
    label = datasets.ClassLabel(names=["False", "True"])
    text, number = datasets.Value("string"), datasets.Value("int32")
    features = {"question": text, "passage": text, "label": label, "idx": number}
    hub = datasets.Dataset.from_list(ROWS, features=datasets.Features(features))
    asked = []

    def load(*place: str, **stated: str) -> datasets.Dataset:
        asked.append((*place, *stated.values()))
        return hub

    monkeypatch.setattr(datasets, "load_dataset", load)
    assert load_evaluation(BOOLQ, settings, source) == here
    assert isinstance(source, ReleaseData)
    assert asked == [("aps/super_glue", "boolq", "validation", source.revision)]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            '{"question": "q", "passage": "p", "label": 2}',
            (
                "FILE:2: label: the label '2'\n  allowed: false, true\n"
                "  fix: use a split with public labels, or download superglue/BoolQ of the official"
                " release again"
            ),
        ),
        (
            '{"question": null, "label": true}',
            (
                "FILE:2: passage: this key is missing\n"
                "  allowed: a text; the keys are passage, question, label\n"
                "  fix: download superglue/BoolQ of the official release again\n"
                "FILE:2: question: given null\n"
                "  allowed: a text; the keys are passage, question, label\n"
                "  fix: download superglue/BoolQ of the official release again"
            ),
        ),
        (
            '{"question": "q", ',
            (
                "FILE:2:1: column 19: not JSON: Expecting property name enclosed in double quotes\n"
                "  fix: download superglue/BoolQ of the official release again"
            ),
        ),
    ],
)
def test_a_broken_line_is_told_with_its_place(
    line: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = released(tmp_path, json.dumps(ROWS[0]), line)
    monkeypatch.setenv("ZOO_DATA", str(tmp_path))
    with pytest.raises(DataError) as told:
        load_train(BOOLQ, TaskSettings(), SuiteData().of(BOOLQ))
    assert str(told.value).replace(str(file), "FILE") == message


def test_an_empty_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = released(tmp_path, "")
    monkeypatch.setenv("ZOO_DATA", str(tmp_path))
    with pytest.raises(DataError, match=f"{file}: contains no examples"):
        load_train(BOOLQ, TaskSettings(), SuiteData().of(BOOLQ))


def test_a_folder_of_its_own_keeps_the_names_of_the_release(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    released(tmp_path).parent.rename(tmp_path / "mine")
    monkeypatch.setenv("ZOO_DATA", str(tmp_path))
    source = SuiteData(folders={"boolq": "mine"}).of(BOOLQ)
    assert len(load_evaluation(BOOLQ, TaskSettings(), source)["dev"].examples) == 2


def test_a_suite_may_pin_another_commit() -> None:
    source = SuiteData(revisions={"aps/super_glue": "a" * 40}).of(BOOLQ)
    assert source == ReleaseData(revision="a" * 40)


def test_no_server_takes_submissions() -> None:
    with pytest.raises(DataError, match="boolq: there is no public test set"):
        load_test(BOOLQ, SuiteData().of(BOOLQ))
