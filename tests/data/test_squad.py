"""SQuAD splits: the same examples from files and hub, and every damage told with its place."""

import copy
import json
import os
import re
from pathlib import Path

import datasets
import pytest

from zoo.data import squad
from zoo.data.examples import SpanExample
from zoo.errors import DataError
from zoo.spec.task import TASKS

V1, V2 = TASKS["squad-v1.1"], TASKS["squad-v2.0"]
CONTEXT = ' The cat sat. A cat ran; the "cat" slept. Caf\u00e9.'


def asked(name: str, *answers: tuple[str, int], **more: object) -> dict:
    found = [{"text": text, "answer_start": start} for text, start in answers]
    return {"id": name, "question": f" who {name}? ", "answers": found, **more}


def official() -> dict:
    first = {
        "context": CONTEXT,
        "qas": [asked("a", ("cat", 5), ("A cat", 14)), asked("b", ("Caf\u00e9", 42))],
    }
    second = {"context": "Nothing more.", "qas": [asked("c", ("more", 8))]}
    return {"version": "x", "data": [{"title": "t", "paragraphs": [first, second]}]}


def write(folder: Path, content: object, version: str = "v1.1") -> Path:
    file = folder / "squad" / f"dev-{version}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, bytes):
        file.write_bytes(content)
    else:
        file.write_text(json.dumps(content), encoding="utf-8")
    return file


def on_hub(monkeypatch: pytest.MonkeyPatch, folder: Path, content: dict) -> list:
    """Put the questions where `datasets.load_dataset` finds them, as the hub stores them."""
    rows = [
        {
            "id": each["id"],
            "title": "t",
            "context": paragraph["context"],
            "question": each["question"],
            "answers": {
                "text": [answer["text"] for answer in each["answers"]],
                "answer_start": [answer["answer_start"] for answer in each["answers"]],
            },
        }
        for article in content["data"]
        for paragraph in article["paragraphs"]
        for each in paragraph["qas"]
    ]
    file = folder / "hub.parquet"
    datasets.Dataset.from_list(rows).to_parquet(file)
    calls: list[tuple[object, ...]] = []

    def load(path: str, config: str | None, *, split: str, revision: str) -> datasets.Dataset:
        calls.append((path, config, split, revision))
        return datasets.Dataset.from_parquet(str(file), cache_dir=str(folder / "cache"))

    monkeypatch.setattr(datasets, "load_dataset", load)
    return calls


def qas(content: dict) -> list:
    return content["data"][0]["paragraphs"][0]["qas"]


def test_folder_and_hub_give_the_same_split(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ids, order, contexts and answers do not depend on where the data came from."""
    write(tmp_path, official())
    calls = on_hub(monkeypatch, tmp_path, official())
    here = squad.read_split(V1, "dev", tmp_path)
    assert here == squad.load_split(V1, "dev", "abc")
    assert calls == [("rajpurkar/squad", None, "validation", "abc")]
    assert here.examples[0] == SpanExample("a", "who a?", CONTEXT, ("cat", "A cat"), (5, 14))
    assert [example.id for example in here.examples] == ["a", "b", "c"]


def test_unanswerable_questions_have_no_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Plausible answers of v2.0 are not answers."""
    content = official()
    plausible = [{"text": "cat", "answer_start": 5}]
    qas(content)[1] = asked("b", is_impossible=True, plausible_answers=plausible)
    write(tmp_path, content, "v2.0")
    calls = on_hub(monkeypatch, tmp_path, content)
    here = squad.read_split(V2, "dev", tmp_path)
    assert here == squad.load_split(V2, "dev", "abc")
    assert calls == [("rajpurkar/squad_v2", None, "validation", "abc")]
    assert (here.examples[1].answers, here.examples[1].starts) == ((), ())


@pytest.mark.parametrize(
    ("answer", "start"),
    [
        (("cat", 5), 5), (("cat", 6), 5), (("cat", 13), 16), (("cat", 999), 30), (("cat", -4), 5),
        ((" cat ", 4), 5), (("cat ", 5), 5),
    ],
)  # fmt: skip
def test_answers_move_to_their_nearest_occurrence(
    answer: tuple[str, int], start: int, tmp_path: Path
) -> None:
    """An offset that does not fit is mended where the text leaves no doubt."""
    content = official()
    qas(content)[0] = asked("a", answer)
    write(tmp_path, content)
    example = squad.read_split(V1, "dev", tmp_path).examples[0]
    assert (example.answers, example.starts) == (("cat",), (start,))


def broken(change: str) -> dict:
    content = official()
    first = qas(content)
    if change == "absent answer":
        first[0]["answers"][1]["text"] = "dog"
    elif change == "blank answer":
        first[0]["answers"][1]["text"] = "  "
    elif change == "no answer":
        first[0]["answers"] = []
    elif change == "missing key":
        del first[1]["answers"]
    elif change == "wrong type":
        first[0]["answers"][0]["answer_start"] = "five"
    elif change == "impossible":
        first[0]["is_impossible"] = True
    elif change == "duplicate":
        content["data"][0]["paragraphs"][1]["qas"][0]["id"] = "a"
    elif change == "no questions":
        content["data"] = []
    return content


KEYS = (
    "\n  allowed: data[].paragraphs[].context, .qas[].{id, question, answers[].{text, "
    "answer_start}}\n  fix: download the official file again"
)
AWAY = "\n  fix: download the data again: context and answers do not match"
PLACE = "data[0].paragraphs[0].qas"
MESSAGES = {
    "absent answer": (
        f"FILE: {PLACE}[0].answers[1]: the answer 'dog' does not occur in the context{AWAY}"
    ),
    "blank answer": (
        f"FILE: {PLACE}[0].answers[1]: the answer '  ' does not occur in the context{AWAY}"
    ),
    "no answer": (
        f"FILE: {PLACE}[0].answers: no answer\n  allowed: squad-v1.1 answers every question"
    ),
    "missing key": (
        f"FILE: {PLACE}[1].answers: the key is missing, and is_impossible is not true{KEYS}"
    ),
    "wrong type": (f"FILE: {PLACE}[0].answers[0].answer_start: not a whole number: 'five'{KEYS}"),
    "impossible": (
        f"FILE: {PLACE}[0].answers: answers to a question with is_impossible\n  allowed: none"
    ),
    "duplicate": (
        f"FILE: data[0].paragraphs[1].qas[0]: the id 'a' of {PLACE}[0] again\n"
        "  allowed: a unique id"
    ),
    "no questions": (
        "FILE: contains no questions\n  allowed: at least one\n  fix: download it again"
    ),
}


@pytest.mark.parametrize("change", MESSAGES)
def test_broken_files_are_told_with_place_and_remedy(change: str, tmp_path: Path) -> None:
    """Each kind of damage has its whole message, with the path inside the JSON."""
    file = write(tmp_path, broken(change))
    with pytest.raises(DataError) as error:
        squad.read_split(V1, "dev", tmp_path)
    assert str(error.value).replace(str(file), "FILE") == MESSAGES[change]


def test_hub_rows_are_checked_like_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The place of a damaged hub row is its number."""
    on_hub(monkeypatch, tmp_path, broken("absent answer"))
    where = (
        "rajpurkar/squad (split 'validation', revision 'abc'): row 0.answers[1]: the answer 'dog'"
    )
    with pytest.raises(DataError, match=f"^{re.escape(where)}"):
        squad.load_split(V1, "dev", "abc")


def test_all_problems_come_at_once(tmp_path: Path) -> None:
    """Three damaged questions are three problems; more than twenty are counted."""
    content = broken("absent answer")
    for number in range(30):
        qas(content).append(copy.deepcopy(qas(content)[0]) | {"id": f"n{number}"})
    file = write(tmp_path, content)
    with pytest.raises(DataError) as error:
        squad.read_split(V1, "dev", tmp_path)
    assert len(error.value.problems) == 21
    assert str(error.value).endswith(f"{file}: and 11 more problems like these")


def test_text_that_is_not_json_or_utf8_is_told_by_line(tmp_path: Path) -> None:
    """A file that is cut off names line and column; foreign bytes name their line."""
    whole = json.dumps(official(), indent=1).encode()
    file = write(tmp_path, whole[: whole.index(b'"question"') - 1])
    with pytest.raises(DataError) as error:
        squad.read_split(V1, "dev", tmp_path)
    assert re.fullmatch(
        re.escape(str(file)) + r":\d+: column \d+: not JSON: [^\n]+\n"
        r"  fix: download the file again: it is damaged",
        str(error.value),
    )
    write(tmp_path, b'{"data":\n"caf\xe9"}')
    with pytest.raises(DataError, match=r"dev-v1\.1\.json:2: byte 0xe9 is not UTF-8\n"):
        squad.read_split(V1, "dev", tmp_path)


def test_missing_file_and_unknown_split_are_told(tmp_path: Path) -> None:
    """The path and the layout are in the message; so are the known splits."""
    expected = r"train-v2\.0\.json: there is no such file\n  allowed: ZOO_DATA set to .*squad/train"
    with pytest.raises(DataError, match=expected):
        squad.read_split(V2, "train", tmp_path)
    with pytest.raises(
        DataError, match=r"squad-v1\.1: there is no split 'test'\n  allowed: train, "
    ):
        squad.read_split(V1, "test", tmp_path)


@pytest.mark.parametrize(
    ("task", "questions", "unanswered", "answers"), [(V1, 10570, 0, 34726), (V2, 11873, 5945, None)]
)
def test_real_splits_have_the_published_counts(
    task: object, questions: int, unanswered: int, answers: int | None
) -> None:
    """Questions and answers are as many as published, and every answer stands at its start."""
    named = os.environ.get("ZOO_DATA")
    folder = Path(named) if named else Path(__file__).parents[3] / "shared" / "data"
    if not (folder / "squad").is_dir():
        pytest.skip("real data is absent: set ZOO_DATA")
    examples = squad.read_split(task, "dev", folder).examples
    assert len(examples) == questions
    assert sum(not example.answers for example in examples) == unanswered
    assert answers in (None, sum(len(example.answers) for example in examples))
    assert all(
        example.context.startswith(answer, start)
        for example in examples
        for answer, start in zip(example.answers, example.starts, strict=True)
    )
