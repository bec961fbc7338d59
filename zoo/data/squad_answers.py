"""Answers of SQuAD as they are written: in which form, and where in their context."""

from collections.abc import Iterable
from typing import Any

from zoo.errors import Problem
from zoo.json_files import shortened, type_of

Written = tuple[tuple[str, int], ...]
"""Texts with their offsets in whatever unit the file counts."""

LAYOUT = "data[].paragraphs[].context, .qas[].{id, question, answers[].{text, answer_start}}"
AGAIN = "download the official file again"

_ENCODINGS = {"UTF-16 units": ("utf-16-le", 2), "bytes": ("utf-8", 1)}
"""How a unit is reached from characters, and its bytes."""
_UNITS = ("characters", *_ENCODINGS)


def written_answers(answers: Any, where: str, problems: list[Problem]) -> Written:
    """The answers of one question: a list of objects, one object, or an object of two lists.

    Offsets may be numbers or texts of digits; what is wrong joins `problems`.
    """
    found: list[tuple[str, int]] = []
    for key, answer in _apart(answers, f"{where}.answers", problems):
        text = answer.get("text") if isinstance(answer, dict) else None
        if not isinstance(answer, dict):
            problems.append(Problem(key, f"{type_of(answer)}", LAYOUT, AGAIN))
        elif not isinstance(text, str):
            given = f"not a text: {shortened(text)}" if "text" in answer else "the key is missing"
            problems.append(Problem(f"{key}.text", given, LAYOUT, AGAIN))
        elif not text.strip() and answer.get("answer_start") is None:
            found.append((text, -1))
        else:
            start = _whole(answer.get("answer_start"))
            if start is None:
                given = "the key is missing"
                if "answer_start" in answer:
                    given = f"not a whole number: {shortened(answer['answer_start'])}"
                problems.append(Problem(f"{key}.answer_start", given, LAYOUT, AGAIN))
            else:
                found.append((text, start))
    return tuple(found)


def _apart(answers: Any, where: str, problems: list[Problem]) -> Iterable[tuple[str, Any]]:
    """One object an answer, with its place."""
    if isinstance(answers, list):
        return [(f"{where}[{number}]", answer) for number, answer in enumerate(answers)]
    if not isinstance(answers, dict):
        problems.append(Problem(where, f"{type_of(answers)}", LAYOUT, AGAIN))
        return []
    texts, starts = answers.get("text"), answers.get("answer_start")
    if not isinstance(texts, list) and not isinstance(starts, list):
        return [(where, answers)] if answers else []
    if isinstance(texts, list) and isinstance(starts, list) and len(texts) == len(starts):
        pairs = zip(texts, starts, strict=True)
        return [
            (f"{where}[{number}]", {"text": text, "answer_start": start})
            for number, (text, start) in enumerate(pairs)
        ]
    given = f"text is {shortened(texts)}, answer_start {shortened(starts)}"
    problems.append(Problem(where, given, "two lists of equal length", AGAIN))
    return []


def _whole(value: Any) -> int | None:
    """A whole number, also as `5.0` or as a text of digits."""
    if isinstance(value, bool):
        return None
    if isinstance(value, float):
        return int(value) if value.is_integer() else None
    if isinstance(value, str):
        digits = value.strip().removeprefix("-").removesuffix(".0")
        short = digits.isascii() and digits.isdecimal() and len(digits) < 16
        return int(float(value)) if short else None
    return value if isinstance(value, int) else None


class Aligner:
    """Locates answers; the unit of a file's offsets is inferred from all of them.

    Browsers and Java count UTF-16 units, C and Go bytes of UTF-8.
    """

    def __init__(self, rows: Iterable[tuple[str, Written]]) -> None:
        fits = dict.fromkeys(_UNITS, True)
        for context, answers in rows:
            for text, start in answers:
                for unit in [unit for unit, fit in fits.items() if fit]:
                    fits[unit] = _exact(unit, text, start, context) is not None
        self._first = next((unit for unit, fit in fits.items() if fit), None)
        self.moved = 0
        """Answers that stood at their offset in no unit."""

    def aligned(self, text: str, start: int, context: str) -> tuple[str, int] | None:
        """The stripped answer and its first character; None where the context lacks it."""
        answer = text.strip()
        for unit in (self._first,) if self._first else _UNITS:
            place = _exact(unit, text, start, context)
            if answer and place is not None:
                return answer, place
        nearest = _nearest(answer, start + _lead(text), context)
        if not answer or nearest is None:
            return None
        self.moved += 1
        return answer, nearest


def _lead(text: str) -> int:
    return len(text) - len(text.lstrip())


def _exact(unit: str, text: str, start: int, context: str) -> int | None:
    """The character at which `text` without its blanks stands, if it begins at `start`."""
    place: int | None = start
    if unit != "characters" and not context.isascii():
        place = _character(context, start, *_ENCODINGS[unit])
    if place is None or place < 0:
        return None
    place += _lead(text)
    return place if context.startswith(text.strip(), place) else None


def _character(context: str, start: int, encoding: str, size: int) -> int | None:
    """The character that begins `start` units into the context; None inside one."""
    whole, cut = context.encode(encoding), start * size
    if not 0 <= cut <= len(whole):
        return None
    try:
        return len(whole[:cut].decode(encoding))
    except UnicodeDecodeError:
        return None


def _nearest(answer: str, start: int, context: str) -> int | None:
    start = max(0, start)
    before = context.rfind(answer, 0, start + len(answer))
    after = context.find(answer, start)
    near = [place for place in (before, after) if place >= 0]
    return min(near, key=lambda place: abs(place - start)) if near else None
