"""Strict JSON: the one reader of every JSON file, the users' and the zoo's.

A file must be a regular one of bounded size in UTF-8 and hold one value of the expected type,
without repeated keys, NaN, numbers out of range, unpaired surrogates or excessive nesting.
Anything else is reported with its place and how to fix it.
"""

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from zoo.errors import Problem, ZooError, at
from zoo.files import MOST_BYTES, read_file

MOST_LEVELS = 64
MOST_JSON_DIGITS = 300
"""Longer whole numbers may be beyond every float, and Python refuses those beyond 4,300 digits."""
LISTED = 20
"""How many problems of one file are reported at once."""

_Model = TypeVar("_Model", bound=BaseModel)
_TYPES = {dict: "an object", list: "a list", str: "a text", bool: "true or false"}
_CONFLICT = re.compile(r"^(<{7}|={7}|>{7}|\|{7})( |$)", re.MULTILINE)
_HALF = re.compile("[\ud800-\udfff]")
_HALF_ESCAPED = re.compile(r"\\u[dD][89a-fA-F]")


def read_json(  # noqa: PLR0913  (what a caller may expect of a file)
    path: Path,
    expected: type[dict[str, Any]] | type[list[Any]] = dict,
    *,
    shown: str = "",
    remedy: str = "",
    error: type[ZooError] = ZooError,
    endless: bool = False,
    most_bytes: int = MOST_BYTES,
) -> Any:
    """The value of a JSON file; a byte order mark is skipped.

    Args:
        path: the file.
        expected: the type of the whole: `dict` or `list`.
        shown: its name in messages; `path` itself if empty.
        remedy: what to do about a file that is damaged.
        error: the class of what is raised.
        endless: whether Infinity is allowed.
        most_bytes: how large a file may be.

    Raises:
        ZooError: of the class `error`; the file is missing, not a regular file, too large, not
            UTF-8, not JSON (a merge conflict is named), or holds what the head of this module
            excludes.
    """
    where = shown or str(path)
    raw = read_file(path, shown=where, remedy=remedy, error=error, most_bytes=most_bytes)
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as found:
        given = f"byte 0x{raw[found.start]:02x} is not UTF-8"
        place = at(where, raw.count(b"\n", 0, found.start) + 1)
        raise error(Problem(place, given, "UTF-8", remedy)) from found
    return parse_json(text, where, expected, remedy=remedy, error=error, endless=endless)


def parse_json(
    text: str,
    where: str,
    expected: type[dict[str, Any]] | type[list[Any]] = dict,
    *,
    remedy: str = "",
    error: type[ZooError] = ZooError,
    endless: bool = False,
) -> Any:
    """The value of a JSON text; `where` names the text in messages.

    Raises:
        ZooError: as `read_json`.
    """
    odd: list[Problem] = []
    hooks = _Hooks(where, remedy, odd, endless=endless)
    try:
        value = json.loads(
            text,
            object_pairs_hook=hooks.unique,
            parse_int=hooks.whole,
            parse_float=hooks.number,
            parse_constant=hooks.constant,
        )
    except json.JSONDecodeError as found:
        raise error(_not_json(text, where, found, remedy)) from found
    except RecursionError as found:
        raise error(_too_deep(where, remedy)) from found
    if not isinstance(value, expected):
        given = f"the file holds {type_of(value)}"
        odd.append(Problem(where, given, _TYPES[expected], remedy))
    odd += _strange(value, where, remedy, halves=bool(_HALF_ESCAPED.search(text)))
    if odd:
        rest = len(odd) - LISTED
        more = [Problem(where, f"and {rest} more problems like these")] if rest > 0 else []
        raise error(*odd[:LISTED], *more)
    return value


def fitting(
    model: type[_Model],
    value: object,
    where: str,
    *,
    remedy: str = "",
    error: type[ZooError] = ZooError,
    context: Mapping[str, Any] | None = None,
) -> _Model:
    """`value`, as JSON holds it, as a `model`.

    Raises:
        ZooError: of the class `error`; fields are missing, unknown or of another type or range, all
            of them at once.
    """
    try:
        return model.model_validate(value, context=dict(context or {}))
    except ValidationError as found:
        problems = misfits(found, where, remedy)
        raise error(*problems) from found


def misfits(found: ValidationError, where: str, remedy: str) -> list[Problem]:
    """Validation errors as problems, field by field: the first twenty, and how many more."""
    told = []
    for each in found.errors(include_url=False):
        context = each.get("ctx", {})
        key = context.get("key") or key_of(each["loc"])
        expected = "Input should be an object" if each["type"] == "model_type" else each["msg"]
        given = context.get("given") or f"{expected}, not {shortened(each['input'])}"
        if each["type"] == "missing":
            given = "the key is missing"
        elif each["type"] == "extra_forbidden":
            given = "unknown key"
        told.append(Problem(_place(where, key), given, context.get("allowed", ""), remedy))
    rest = len(told) - LISTED
    more = [Problem(where, f"and {rest} more problems like these")] if rest > 0 else []
    return [*told[:LISTED], *more]


def key_of(path: Sequence[int | str]) -> str:
    """A place inside a value, as `data[0].text`."""
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return printable("".join(parts).removeprefix("."))


def shortened(value: object, most: int = 60) -> str:
    """A value as a message shows it: one line, of bounded length, that every stream can carry."""
    if isinstance(value, dict | list):
        return f"{type_of(value)} of {len(value)}"
    told = repr(value[: most + 1] if isinstance(value, str) else value)
    return printable(told if len(told) <= most else f"{told[:most]}...")


def type_of(value: object) -> str:
    """The JSON type of a value, in words."""
    if value is None:
        return "null"
    return next((words for kind, words in _TYPES.items() if isinstance(value, kind)), "a number")


def printable(text: str) -> str:
    """`text` with its half characters escaped, so that it can be encoded."""
    return _HALF.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _place(where: str, key: str) -> str:
    """`where` may name a key already; one below it is joined by a dot."""
    if not key:
        return where
    _file, colon, _outer = where.partition(": ")
    return f"{where}.{key}" if colon else at(where, key=key)


def _not_json(text: str, where: str, found: json.JSONDecodeError, remedy: str) -> Problem:
    conflict = _CONFLICT.search(text)
    if conflict:
        line = text.count("\n", 0, conflict.start()) + 1
        given = f"unresolved merge conflict: {conflict[1]}"
        return Problem(at(where, line), given, "JSON", remedy or "resolve the conflict")
    if not text.strip():
        return Problem(where, "the file is empty", "JSON", remedy)
    place = at(where, found.lineno, f"column {found.colno}")
    return Problem(place, f"not JSON: {found.msg}", "", remedy)


def _too_deep(where: str, remedy: str) -> Problem:
    return Problem(where, "nested too deeply", f"at most {MOST_LEVELS} levels", remedy)


class _Hooks:
    """What Python's reader asks about each value; what may not stand there joins `odd`."""

    def __init__(self, where: str, remedy: str, odd: list[Problem], *, endless: bool) -> None:
        self._where, self._remedy, self._odd, self._endless = where, remedy, odd, endless

    def unique(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        """The object of these pairs."""
        found = dict(pairs)
        if len(found) < len(pairs):
            seen: set[str] = set()
            for name, _value in pairs:
                if name in seen:
                    place = at(self._where, key=shortened(name)[1:-1])
                    self._odd.append(Problem(place, "this key appears twice", "once", self._remedy))
                seen.add(name)
        return found

    def whole(self, text: str) -> int:
        """A whole number."""
        if len(text) <= MOST_JSON_DIGITS:
            return int(text)
        self._refuse(f"a number of {len(text.lstrip('-')):,} digits", f"at most {MOST_JSON_DIGITS}")
        return 0

    def number(self, text: str) -> float:
        """A number with a fraction or an exponent."""
        value = float(text)
        if math.isinf(value):
            self._refuse(f"the number {text:.40}", "a number within the range of a float")
        return value

    def constant(self, text: str) -> float:
        """NaN, Infinity or -Infinity, which are not JSON."""
        if text == "NaN" or not self._endless:
            self._refuse(f"the value is {text}", "a finite number")
        return float(text)

    def _refuse(self, given: str, allowed: str) -> None:
        self._odd.append(Problem(self._where, given, allowed, self._remedy))


def _strange(value: object, where: str, remedy: str, *, halves: bool) -> Iterator[Problem]:
    """Half characters, and nesting beyond the limit, with their places; nothing here recurses."""
    waiting: list[tuple[object, tuple[int | str, ...]]] = [(value, ())]
    while waiting:
        each, path = waiting.pop()
        if isinstance(each, str):
            if halves and _HALF.search(each):
                given = f"an unpaired surrogate in {shortened(each)}"
                place = at(where, key=key_of(path))
                yield Problem(place, given, "complete characters", remedy or "write the text again")
        elif isinstance(each, dict | list) and len(path) >= MOST_LEVELS:
            yield _too_deep(at(where, key=key_of(path[:4])), remedy)
            return
        elif isinstance(each, dict):
            waiting += [(inner, (*path, name)) for name, inner in reversed(each.items())]
            if halves:
                waiting += [(name, path) for name in each]
        elif isinstance(each, list):
            waiting += [(each[place], (*path, place)) for place in reversed(range(len(each)))]
