"""SQuAD v1.1 and v2.0, from the official JSON files or from the hub: the same examples."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from zoo.data import hub
from zoo.data.examples import SpanExample, Split
from zoo.data.reading import not_utf8, refuse, required, required_split
from zoo.errors import DataError, Problem, at
from zoo.spec.task import Task

HUB_NAMES = {"squad-v1.1": "rajpurkar/squad", "squad-v2.0": "rajpurkar/squad_v2"}
_HUB_COLUMNS = ("id", "question", "context", "answers")


def read_split(task: Task, split: str, folder: Path) -> Split:
    """One split from `<folder>/squad/<split>-<version>.json`.

    Raises:
        DataError: as `read_file`.
    """
    return read_file(task, split, folder / "squad" / file_name(task, split))


def file_name(task: Task, split: str) -> str:
    """The file of a split, as it is published."""
    return f"{split}-{task.name.removeprefix('squad-')}.json"


def read_file(task: Task, split: str, file: Path) -> Split:
    """One split from a file in the official layout.

    Questions are stripped; contexts stand as they are. An answer that is not at its offset moves to
    its nearest occurrence in the context.

    Raises:
        DataError: the file is missing, not UTF-8, not JSON or lacks keys; an answer does not occur
            in its context; an id comes twice; all problems of the file at once.
    """
    required_split(task, split)
    return _split(task, split, _file_rows(_parsed(required(file))), str(file))


def load_split(task: Task, split: str, revision: str) -> Split:
    """One split from the hub: the examples that `read_split` gives, in the same order.

    Raises:
        DataError: the hub cannot be reached, or the rows are not what `read_split` would take.
    """
    required_split(task, split)
    name, hub_split = HUB_NAMES[task.name], split.replace("dev", "validation")
    source = hub.HubData(name, None, hub_split, revision)
    return _split(task, split, _hub_rows(hub.load(source, _HUB_COLUMNS)), str(source))


@dataclass(frozen=True)
class _Row:
    """A question as either source gives it; `key` is its place there."""

    key: str
    id: str
    question: str
    context: str
    answers: tuple[tuple[str, int], ...]
    impossible: bool = False


def _split(task: Task, split: str, rows: Iterable[_Row], where: str) -> Split:
    problems: list[Problem] = []
    examples: list[SpanExample] = []
    seen: dict[str, str] = {}
    for row in rows:
        if row.id in seen:
            given = f"the id {row.id!r} of {seen[row.id]} again"
            problems.append(Problem(at(where, key=row.key), given, "an id of its own"))
        seen[row.id] = row.key
        examples.append(_example(task, row, where, problems))
    refuse(problems, where)
    if not examples:
        raise DataError(Problem(where, "holds no questions", "at least one", "fetch it again"))
    return Split(split, tuple(examples))


def _example(task: Task, row: _Row, where: str, problems: list[Problem]) -> SpanExample:
    """The example of a row; what is wrong with its answers joins `problems`."""
    place = at(where, key=f"{row.key}.answers")
    if not row.answers and not task.unanswerable:
        problems.append(Problem(place, "no answer", f"{task.name} answers every question"))
    if row.answers and row.impossible:
        problems.append(Problem(place, "answers to a question with is_impossible", "none"))
    found: list[tuple[str, int]] = []
    for number, (text, start) in enumerate(row.answers):
        aligned = _aligned(text, start, row.context)
        if aligned is None:
            given = f"the answer {text!r} does not occur in the context"
            remedy = "fetch the data again: context and answers do not belong together"
            problems.append(Problem(f"{place}[{number}]", given, remedy=remedy))
        else:
            found.append(aligned)
    texts, starts = tuple(text for text, _ in found), tuple(start for _, start in found)
    return SpanExample(row.id, row.question.strip(), row.context, texts, starts)


def _aligned(text: str, start: int, context: str) -> tuple[str, int] | None:
    """The stripped answer and the start of its occurrence nearest to where it should be."""
    answer = text.strip()
    start = max(0, start + len(text) - len(text.lstrip()))
    before = context.rfind(answer, 0, start + len(answer))
    after = context.find(answer, start)
    near = [place for place in (before, after) if place >= 0]
    if not answer or not near:
        return None
    return answer, min(near, key=lambda place: abs(place - start))


class _Node(BaseModel):
    """A part of the official JSON; other keys (title, plausible_answers) are not read."""

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore")


class _Answer(_Node):
    text: str
    answer_start: int


class _Question(_Node):
    id: str
    question: str
    answers: list[_Answer]
    is_impossible: bool = False


class _Paragraph(_Node):
    context: str
    qas: list[_Question]


class _Article(_Node):
    paragraphs: list[_Paragraph]


class _Official(_Node):
    data: list[_Article]


def _parsed(file: Path) -> _Official:
    raw = file.read_bytes()
    try:
        return _Official.model_validate(json.loads(raw.decode("utf-8-sig")))
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise DataError(not_utf8(raw, error, at(file, line))) from error
    except json.JSONDecodeError as error:
        raise DataError(_not_json(file, error)) from error
    except ValidationError as error:
        refuse([_malformed(file, each) for each in error.errors(include_url=False)], str(file))
        raise


def _not_json(file: Path, error: json.JSONDecodeError) -> Problem:
    where = at(file, error.lineno, f"column {error.colno}")
    return Problem(where, f"not JSON: {error.msg}", remedy="fetch the file again: it is damaged")


def _malformed(file: Path, error: Any) -> Problem:
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in error["loc"])
    missing = error["type"] == "missing"
    given = "the key is missing" if missing else f"{error['msg']}, not {error['input']!r:.60}"
    return Problem(
        at(file, key="".join(parts).removeprefix(".")),
        given,
        "data[].paragraphs[].context, .qas[].{id, question, answers[].{text, answer_start}}",
        "fetch the official file again",
    )


def _file_rows(official: _Official) -> Iterator[_Row]:
    for a, article in enumerate(official.data):
        for p, paragraph in enumerate(article.paragraphs):
            for q, asked in enumerate(paragraph.qas):
                yield _Row(
                    f"data[{a}].paragraphs[{p}].qas[{q}]",
                    asked.id,
                    asked.question,
                    paragraph.context,
                    tuple((answer.text, answer.answer_start) for answer in asked.answers),
                    asked.is_impossible,
                )


def _hub_rows(data: Any) -> Iterator[_Row]:
    for number, row in enumerate(hub.rows(data)):
        answers = tuple(zip(row["answers"]["text"], row["answers"]["answer_start"], strict=True))
        yield _Row(f"row {number}", row["id"], row["question"], row["context"], answers)
