"""YAML with the line of every key: parsed by libyaml, scalars read by the YAML 1.2 core schema.

YAML 1.1, which PyYAML implements, reads `no` as false and `5e-5` as text; both would be traps in a
spec, so only the parser is used from there (docs/decisions/0003-yaml.md).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from zoo.errors import Problem, SpecError, at
from zoo.files import read_file
from zoo.spec.finding import Finding, KeyPath

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_INT = re.compile(r"[-+]?[0-9]+|0x[0-9a-fA-F]+|0o[0-7]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_CONSTANTS = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), float("inf")),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), float("-inf")),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
}
_DEEPEST = 20
"""Levels of nesting; specs have five at most."""
MOST_SPEC_BYTES = 1 << 20
"""A thousand times a usual spec."""
_LONGEST = 30
"""Characters of a whole number; a longer one is no valid setting, and slow to read."""


class Inherited(NamedTuple):
    """Where a file is taken over from another suite."""

    by: str
    """The place of the key that takes it over."""
    remedy: str
    """How the other suite's file can be left as it is."""


@dataclass
class Document:
    """The content of one YAML file, and the line (from 1) of each path of keys."""

    file: str
    content: Any
    lines: dict[KeyPath, int] = field(default_factory=dict)
    extended: "Document | None" = None
    """Holds the keys of `content` that this file does not state."""
    inherited: Inherited | None = None

    def over(self, other: "Document") -> "Document":
        """This file, with the keys of another that it does not state itself."""
        return replace(self, content={**other.content, **self.content}, extended=other)

    def inherited_by(self, place: str, remedy: str) -> "Document":
        """This file as it counts for a suite that extends its own."""
        below = self.extended and self.extended.inherited_by(place, remedy)
        return replace(self, extended=below, inherited=Inherited(place, remedy))

    def line(self, path: KeyPath) -> int:
        """The line of `path`, or of its nearest parent in the file."""
        while path not in self.lines and path:
            path = path[:-1]
        return self.lines.get(path, 1)

    def order(self, path: KeyPath) -> tuple[int, int]:
        """Sorts places by line, those in this file before those in the one that it extends."""
        holder = self._holder(path)
        return holder is not self, holder.line(path)

    def problem(self, finding: Finding) -> Problem:
        """What was found, with its place in the file that states it."""
        holder, (path, given, allowed, remedy) = self._holder(finding.path), finding
        if holder.inherited is not None:
            given = f"{given} (inherited by {holder.inherited.by})"
            remedy = ", or ".join(filter(None, (remedy, holder.inherited.remedy)))
        place = at(holder.file, holder.line(path), ".".join(map(str, path)))
        return Problem(place, given, allowed, remedy)

    def _holder(self, path: KeyPath) -> "Document":
        """The file that states the outermost key of a path; this one where none does."""
        missing = path[:1] not in self.lines
        if self.extended is not None and missing and path[0] in self.content:
            return self.extended._holder(path)  # noqa: SLF001  (of the same class)
        return self


def read_yaml(path: Path, shown: str) -> Document:
    """Read one file; `shown` is its name in messages.

    Raises:
        SpecError: it cannot be read, is not UTF-8, is not YAML, or holds what a spec may not:
            repeated keys, anchors, aliases, tags, keys that are not text, several documents.
    """
    text = _read_text(path, shown)
    builder = _Builder(Document(shown, None))
    try:
        builder.read(yaml.parse(text, Loader=_LOADER))
    except yaml.reader.ReaderError as error:
        line = text.encode()[: error.position].count(b"\n") + 1  # libyaml counts bytes
        given = f"unprintable character U+{error.character:04X}"
        problem = Problem(at(shown, line), given, "printable text", "remove it")
        raise SpecError(problem) from error
    except yaml.YAMLError as error:
        raise SpecError(*builder.problems, _syntax_problem(shown, text, error)) from error
    if builder.problems:
        raise SpecError(*builder.problems)
    return builder.document


def _read_text(path: Path, shown: str) -> str:
    content = read_file(path, shown=shown, error=SpecError, most_bytes=MOST_SPEC_BYTES)
    try:
        return content.decode("utf-8").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise SpecError(
            Problem(at(shown, line), "this is not UTF-8 text", remedy="save the file as UTF-8")
        ) from error


def _syntax_problem(shown: str, text: str, error: yaml.YAMLError) -> Problem:
    lines = text.splitlines() or [""]
    mark, said = _where_and_what(error)
    line = min(mark.line + 1, len(lines))  # the parser's end of file lies a line below
    if lines[line - 1].lstrip(" ").startswith("\t"):
        return Problem(
            at(shown, line), "this line is indented by a tab", "spaces", "replace the tab"
        )
    return Problem(
        at(shown, line),
        f"this is not YAML: {said}",
        remedy="correct the indentation, quotes or brackets at or above this line",
    )


def _where_and_what(error: Any) -> tuple[Any, str]:
    """Quotes and brackets that are never closed are reported where they open."""
    context = error.context or ""
    opens = "quoted" in context or "flow" in context
    mark = error.context_mark if opens else error.problem_mark
    return mark, f"{error.problem}, {context}" if opens else error.problem


class _Builder:
    """Turns the parser's events into plain values, noting lines and all that is not allowed."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.problems: list[Problem] = []
        self._events: Iterator[Any] = iter(())

    def read(self, events: Iterator[Any]) -> None:
        self._events = events
        for event in events:
            line = event.start_mark.line + 1
            if isinstance(event, yaml.DocumentStartEvent) and self.document.lines:
                self._refuse((), line, "a second YAML document", "move it to a separate file")
                return
            if isinstance(event, yaml.NodeEvent):
                self.document.content = self._build(event, ())

    def _build(self, event: Any, path: KeyPath) -> Any:
        line = event.start_mark.line + 1
        self.document.lines.setdefault(path, line)
        if isinstance(event, yaml.AliasEvent) or event.anchor is not None:
            kind = "alias" if isinstance(event, yaml.AliasEvent) else "anchor"
            self._refuse(path, line, f"a YAML {kind}", "write the values out in each place")
        elif event.tag is not None:
            tag = str(event.tag).replace("tag:yaml.org,2002:", "!!")
            self._refuse(path, line, f"the YAML tag {tag}", "remove it")
        if isinstance(event, yaml.ScalarEvent):
            return self._scalar(event, path)
        if isinstance(event, yaml.AliasEvent):
            return None
        if len(path) == _DEEPEST:
            place = at(self.document.file, line)
            raise SpecError(Problem(place, "nested too deeply", f"{_DEEPEST} levels at most"))
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(path)
        return self._sequence(path)

    def _sequence(self, path: KeyPath) -> tuple[Any, ...]:
        built: list[Any] = []
        for event in self._events:
            if isinstance(event, yaml.SequenceEndEvent):
                break
            built.append(self._build(event, (*path, len(built))))
        return tuple(built)  # as frozen specs hold them

    def _mapping(self, path: KeyPath) -> dict[str, Any]:
        built: dict[str, Any] = {}
        for event in self._events:
            if isinstance(event, yaml.MappingEndEvent):
                break
            line = event.start_mark.line + 1
            if not isinstance(event, yaml.ScalarEvent) or event.anchor or event.tag:
                self._refuse(path, line, "a key that is not plain text", "write a word")
                self._build(event, (*path, "?"))
                self._build(next(self._events), (*path, "?"))
                continue
            key = str(event.value)
            here = (*path, key)
            if key in built:
                first = self.document.lines[here]
                self._refuse(here, line, f"duplicate of the key at line {first}", "keep one")
            self.document.lines.setdefault(here, line)
            value = self._build(next(self._events), here)
            built.setdefault(key, value)
        return built

    def _scalar(self, event: Any, path: KeyPath) -> Any:
        text = str(event.value)
        if not event.implicit[0]:
            return text
        if text in _CONSTANTS:
            return _CONSTANTS[text]
        if _INT.fullmatch(text):
            if len(text) > _LONGEST:
                line = event.start_mark.line + 1
                self._refuse(path, line, f"a number of {len(text)} digits", "write a shorter one")
                return None
            return int(text, 0) if text[:2] in ("0x", "0o") else int(text)
        if _FLOAT.fullmatch(text):
            return float(text)
        return text

    def _refuse(self, path: KeyPath, line: int, given: str, remedy: str) -> None:
        place = at(self.document.file, line, ".".join(map(str, path)))
        self.problems.append(Problem(place, given, remedy=remedy))
