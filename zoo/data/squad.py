"""SQuAD v1.1 and v2.0, from the official JSON files or from the hub: the same examples."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from zoo.data import hub
from zoo.data.examples import SpanExample, Split
from zoo.data.reading import refuse, required, required_split
from zoo.data.squad_answers import AGAIN, LAYOUT, Aligner, written_answers
from zoo.errors import DataError, Problem, at
from zoo.json_files import key_of, read_json, shortened
from zoo.spec.task import Task

_HUB_COLUMNS = ("id", "question", "context", "answers")


def read_split(task: Task, split: str, folder: Path) -> Split:
    """One split from its place below `folder`.

    Raises:
        DataError: as `read_file`.
    """
    return read_file(task, split, folder / task.path(split))


def read_file(task: Task, split: str, file: Path) -> Split:
    """One split from a file in the official layout.

    Questions are stripped; contexts stand as they are. Offsets count characters, or else UTF-16
    units or bytes of UTF-8, where all answers of the file stand exactly there; an answer that
    stands at none of these moves to its nearest occurrence in the context, and is counted.
    What annotation tools write is read as it is meant: offsets as texts, answers as a mapping of
    lists, and empty answers, which are none, to questions that have no answer.

    Raises:
        DataError: the file is missing, not UTF-8, not JSON or lacks keys; an answer does not occur
            in its context; an id comes twice; all problems of the file at once.
    """
    required_split(task, split)
    return _split(task, split, _file_rows(_parsed(required(file)), str(file)), str(file))


def load_split(task: Task, split: str, revision: str) -> Split:
    """One split from the hub: the examples that `read_split` gives, in the same order.

    Raises:
        DataError: the hub cannot be reached, or the rows are not what `read_split` would take.
    """
    required_split(task, split)
    source = hub.split_of(task, split, revision)
    return _split(task, split, _hub_rows(hub.load_columns(source, _HUB_COLUMNS)), str(source))


@dataclass(frozen=True)
class _Row:
    """A question as either source gives it; `key` is its place there."""

    key: str
    id: str
    question: str
    context: str
    answers: tuple[tuple[str, int], ...]
    impossible: bool | None = None
    """None where the source does not say."""
    problems: tuple[Problem, ...] = field(default=(), repr=False)
    """What is wrong with its answers as they are written."""


def _split(task: Task, split: str, rows: Iterable[_Row], where: str) -> Split:
    problems: list[Problem] = []
    examples: list[SpanExample] = []
    seen: dict[str, str] = {}
    rows = [_without_empty(task, row) for row in rows]
    aligner = Aligner([(row.context, row.answers) for row in rows])
    for row in rows:
        if row.id in seen:
            given = f"the id {row.id!r} of {seen[row.id]} again"
            problems.append(Problem(at(where, key=row.key), given, "a unique id"))
        seen[row.id] = row.key
        examples.append(_example(task, row, where, (aligner, problems)))
    refuse(problems, where)
    if not examples:
        raise DataError(
            Problem(where, "contains no questions", "at least one", "download it again")
        )
    return Split(split, tuple(examples), moved=aligner.moved)


def _without_empty(task: Task, row: _Row) -> _Row:
    """The row without empty texts, which are no answers, as in the official script."""
    if not task.unanswerable or row.impossible is False:
        return row
    return replace(row, answers=tuple(each for each in row.answers if each[0].strip()))


def _example(
    task: Task, row: _Row, where: str, state: tuple[Aligner, list[Problem]]
) -> SpanExample:
    """The example of a row; what is wrong with its answers joins the problems."""
    aligner, problems = state
    place = at(where, key=f"{row.key}.answers")
    problems += row.problems
    if not row.answers and not task.unanswerable and not row.problems:
        problems.append(Problem(place, "no answer", f"{task.name} answers every question"))
    if row.answers and row.impossible:
        problems.append(Problem(place, "answers to a question with is_impossible", "none"))
    found: list[tuple[str, int]] = []
    for number, (text, start) in enumerate(row.answers):
        aligned = aligner.aligned(text, start, row.context)
        if aligned is None:
            given = f"the answer {shortened(text)} does not occur in the context"
            remedy = "download the data again: context and answers do not match"
            problems.append(Problem(f"{place}[{number}]", given, remedy=remedy))
        else:
            found.append(aligned)
    texts, starts = tuple(text for text, _ in found), tuple(start for _, start in found)
    return SpanExample(row.id, row.question.strip(), row.context, texts, starts)


class _Node(BaseModel):
    """A part of the official JSON; other keys (title, plausible_answers) are not read."""

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore")


class _Question(_Node):
    """`answers` are looked at by `written_answers`: tools write them in several forms."""

    id: str | int
    question: str
    answers: Any = None
    is_impossible: bool | None = None


class _Paragraph(_Node):
    context: str
    qas: list[_Question]


class _Article(_Node):
    paragraphs: list[_Paragraph]


class _Official(_Node):
    data: list[_Article]


def _parsed(file: Path) -> _Official:
    remedy = "download the file again: it is damaged"
    plain = read_json(file, dict, remedy=remedy, error=DataError)
    try:
        return _Official.model_validate(plain)
    except ValidationError as error:
        found = {each["loc"]: each for each in error.errors(include_url=False)}
        refuse([_malformed(file, each) for each in found.values()], str(file))
        raise


def _malformed(file: Path, error: Any) -> Problem:
    missing = error["type"] == "missing"
    given = f"{error['msg']}, not {shortened(error['input'])}"
    place = at(file, key=key_of(error["loc"]).removesuffix(".str").removesuffix(".int"))
    return Problem(place, "the key is missing" if missing else given, LAYOUT, AGAIN)


def _file_rows(official: _Official, where: str) -> Iterator[_Row]:
    for a, article in enumerate(official.data):
        for p, paragraph in enumerate(article.paragraphs):
            for q, asked in enumerate(paragraph.qas):
                key = f"data[{a}].paragraphs[{p}].qas[{q}]"
                problems: list[Problem] = []
                answers: tuple[tuple[str, int], ...] = ()
                if asked.answers is not None:
                    answers = written_answers(asked.answers, at(where, key=key), problems)
                elif not asked.is_impossible:
                    lacking = "the key is missing, and is_impossible is not true"
                    place = at(where, key=f"{key}.answers")
                    problems.append(Problem(place, lacking, LAYOUT, AGAIN))
                yield _Row(
                    key,
                    str(asked.id),
                    asked.question,
                    paragraph.context,
                    answers,
                    asked.is_impossible,
                    tuple(problems),
                )


def _hub_rows(data: Any) -> Iterator[_Row]:
    for number, row in enumerate(hub.iterate_rows(data)):
        answers = tuple(zip(row["answers"]["text"], row["answers"]["answer_start"], strict=True))
        yield _Row(f"row {number}", row["id"], row["question"], row["context"], answers)
