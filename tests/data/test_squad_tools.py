"""SQuAD as annotation tools write it: read as it is meant, or told; never a traceback."""

import json
from pathlib import Path
from typing import Any

import pytest

from zoo.data import sources, squad
from zoo.data.examples import SpanExample, Split
from zoo.errors import DataError
from zoo.evaluation.submissions import score_file
from zoo.spec.data import SuiteData, TaskSettings
from zoo.spec.task import TASKS

V1, V2 = TASKS["squad-v1.1"], TASKS["squad-v2.0"]
EMOJI = "\U0001f600"
CONTEXT = "The cat sat. A cat ran."


def written(folder: Path, *questions: dict[str, Any], context: str = CONTEXT) -> Path:
    """A file without title and version: one context, and its questions."""
    asked = [{"id": f"q{n}", "question": "who?"} | each for n, each in enumerate(questions)]
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "dev-v1.1.json"
    path.write_text(json.dumps({"data": [{"paragraphs": [{"context": context, "qas": asked}]}]}))
    return path


def one(text: str, start: object) -> dict[str, Any]:
    return {"answers": [{"text": text, "answer_start": start}]}


def first(split: Split) -> SpanExample:
    example = split.examples[0]
    assert isinstance(example, SpanExample)
    return example


@pytest.mark.parametrize(
    "question",
    [
        {"answers": [{"text": "", "answer_start": -1}], "is_impossible": True},
        {"answers": [{"text": " ", "answer_start": 0}], "is_impossible": True},
        {"answers": [{"text": ""}], "is_impossible": True},
        {"answers": [{"text": "", "answer_start": -1}]},
        {"answers": None, "is_impossible": True},
        {"is_impossible": True},
        {"answers": {"text": [], "answer_start": []}},
        {"answers": {}, "is_impossible": True},
        {"answers": {"text": [""], "answer_start": [-1]}, "is_impossible": True},
        {"answers": [], "is_impossible": True, "plausible_answers": one("cat", 4)["answers"]},
    ],
    ids=str,
)
def test_no_answer_in_all_its_forms(question: dict[str, Any], tmp_path: Path) -> None:
    """Empty, null, missing and empty mappings say the same of a question without an answer."""
    split = squad.read_file(V2, "dev", written(tmp_path, question))
    assert (first(split).answers, first(split).starts, split.moved) == ((), (), 0)


def test_empty_answers_score_as_no_answer(tmp_path: Path) -> None:
    """Leaving the question open is right, as the official script has it."""
    data = written(
        tmp_path,
        {"answers": [{"text": "", "answer_start": -1}], "is_impossible": True},
        one("cat", 4),
    )
    predictions = tmp_path / "predictions.json"
    predictions.write_text('{"q0": "", "q1": "cat"}')
    assert score_file(V2, data, predictions).metrics == {
        "exact_match": 1.0,
        "f1": 1.0,
        "has_answer_exact_match": 1.0,
        "has_answer_f1": 1.0,
        "no_answer_exact_match": 1.0,
        "no_answer_f1": 1.0,
    }


@pytest.mark.parametrize(
    "answers",
    [
        [{"text": "cat", "answer_start": "15"}],
        [{"text": "cat", "answer_start": 15.0}],
        [{"text": "cat", "answer_start": "15.0"}],
        {"text": ["cat"], "answer_start": [15]},
        {"text": "cat", "answer_start": 15},
        [{"text": "cat", "answer_start": 15}, {"text": "", "answer_start": -1}],
    ],
    ids=str,
)
def test_answers_in_all_their_forms(answers: object, tmp_path: Path) -> None:
    """Offsets as texts and floats, one object for a list, and the mapping of the hub."""
    split = squad.read_file(V2, "dev", written(tmp_path, {"answers": answers, "id": 7}))
    assert first(split) == SpanExample("7", "who?", CONTEXT, ("cat",), (15,))


@pytest.mark.parametrize(
    ("answers", "told"),
    [
        ("cat", "q: a text"),
        ([["cat", 4]], "q[0]: a list"),
        ([{"answer_start": 4}], "q[0].text: the key is missing"),
        ([{"text": None, "answer_start": 4}], "q[0].text: not a text: None"),
        ([{"text": "cat"}], "q[0].answer_start: the key is missing"),
        ([{"text": "cat", "answer_start": 4.5}], "q[0].answer_start: not a whole number: 4.5"),
        ([{"text": "cat", "answer_start": True}], "q[0].answer_start: not a whole number: True"),
        ([{"text": "cat", "answer_start": "1_5"}], "q[0].answer_start: not a whole number: '1_5'"),
        ([{"text": "cat", "answer_start": "\u0663"}], "q[0].answer_start: not a whole number: "),
        ({"text": ["cat"], "answer_start": []}, "q: text is a list of 1, answer_start a list of 0"),
        ({"text": ["cat"]}, "q: text is a list of 1, answer_start None"),
    ],
    ids=str,
)
def test_answers_in_no_form(answers: object, told: str, tmp_path: Path) -> None:
    """Anything else is told with its place."""
    file = written(tmp_path, {"answers": answers})
    with pytest.raises(DataError) as error:
        squad.read_file(V1, "dev", file)
    place = "data[0].paragraphs[0].qas[0].answers"
    assert str(error.value).startswith(f"{file}: {told.replace('q', place, 1)}")


def test_an_empty_answer_to_a_question_that_has_one_is_told(tmp_path: Path) -> None:
    """is_impossible: false and an empty text contradict each other."""
    question = {"answers": [{"text": "", "answer_start": -1}], "is_impossible": False}
    with pytest.raises(DataError, match="the answer '' does not occur in the context"):
        squad.read_file(V2, "dev", written(tmp_path, question))


BEHIND = f"{EMOJI * 4} cat \u00e9 cat"
"""`cat` at the characters 5 and 11, the UTF-16 units 9 and 15, the bytes 17 and 24."""


@pytest.mark.parametrize(
    ("starts", "moved"),
    [((5, 11), 0), ((9, 15), 0), ((17, 24), 0), ((9, 11), 0), ((5, 24), 0), ((5, 12), 1)],
)
def test_offsets_in_characters_units_and_bytes(
    starts: tuple[int, int], moved: int, tmp_path: Path
) -> None:
    """Each unit leads to its occurrence; what fits none moves to the nearest, and is counted."""
    file = written(tmp_path, one("cat", starts[0]), one("cat", starts[1]), context=BEHIND)
    split = squad.read_file(V1, "dev", file)
    found = [example.starts for example in split.examples if isinstance(example, SpanExample)]
    assert (found, split.moved) == ([(5,), (11,)], moved)


def test_the_whole_file_tells_the_unit(tmp_path: Path) -> None:
    """An offset that fits two occurrences, in two units, is in the unit that all others are in."""
    context = f"{EMOJI * 2} aa aa aa b"
    questions = [one("aa", 8), one("b", 14)]
    split = squad.read_file(V1, "dev", written(tmp_path, *questions, context=context))
    found = [example.starts for example in split.examples if isinstance(example, SpanExample)]
    assert found == [(6,), (12,)]


def test_moved_answers_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A score counts them, and a stage says them once."""
    file = written(tmp_path / "squad", one("cat", 7), one("cat", 15))
    predictions = tmp_path / "predictions.json"
    predictions.write_text('{"q0": "cat", "q1": "cat"}')
    assert score_file(V1, file, predictions).moved == 1
    monkeypatch.setenv("ZOO_DATA", str(tmp_path))
    for _again in range(2):
        sources.load_evaluation(V1, TaskSettings(max_length=32), SuiteData().of(V1))
    assert capsys.readouterr().err == (
        "  squad-v1.1 dev: 1 answers were not at their offsets and were moved to the nearest "
        "occurrence\n"
    )


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            '{"data": [{"title": "\\ud83d", "paragraphs": []}]}',
            "FILE: data[0].title: an unpaired surrogate in '\\ud83d'\n  allowed: complete",
        ),
        ('{"data": 1' + "0" * 5000 + "}", "FILE: a number of 5,001 digits\n  allowed: at most 300"),
        ('{"data": ' + "[" * 90 + "]" * 90 + "}", "FILE: data[0][0][0]: nested too deeply\n"),
        ('{"data": ' + "[" * 90_000 + "]" * 90_000 + "}", "FILE: nested too deeply\n"),
        ('{"data": [NaN]}', "FILE: the value is NaN\n  allowed: a finite number"),
        ("[]", "FILE: the file holds a list\n  allowed: an object"),
        ('{"data": [], "data": []}', "FILE: data: this key appears twice\n  allowed: once"),
        ("", "FILE: the file is empty\n"),
    ],
    ids=["half", "digits", "deep", "deeper", "nan", "list", "twice", "empty"],
)
def test_what_is_no_data_is_told(text: str, told: str, tmp_path: Path) -> None:
    """Half characters, endless numbers and nesting that no walk would survive."""
    file = tmp_path / "dev.json"
    file.write_text(text)
    with pytest.raises(DataError) as error:
        squad.read_file(V1, "dev", file)
    assert str(error.value).replace(str(file), "FILE").startswith(told)
    assert str(error.value).encode()
