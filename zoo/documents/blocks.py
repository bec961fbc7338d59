"""The generated parts of README.md and docs/: boards, tables and numbers between marks."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path

from zoo.board.dictionary import CSV_COLUMNS, described
from zoo.board.leaderboard import absence_remarks
from zoo.board.numbers import numbers_text
from zoo.board.overview import links, overview_text
from zoo.board.publish import Board
from zoo.board.table import Row
from zoo.documents.table_of_runtimes import runtimes_text
from zoo.documents.table_of_terms import entry_text
from zoo.errors import Problem, ZooError, at, suggestion
from zoo.methods import names
from zoo.paths import Project, write_file
from zoo.records.reported import Reported, read_reported
from zoo.resolve.entry import ResolvedSuite

Suites = Mapping[str, ResolvedSuite]
Boards = Mapping[str, Board]
END = "<!-- end -->"
MARK = re.compile(r"^<!-- (?:(?P<kind>\w+): (?P<name>.*?)|end) -->$", re.MULTILINE)
"""A line `<!-- board: mini -->`, `<!-- show: glue/kd-6l -->` (`... on mnli -->` for one task),
`<!-- numbers: kd -->`, `<!-- table: runtimes -->` or `<!-- columns: latency.csv -->`; the text up
to the next `<!-- end -->` is generated."""


def write_documents(project: Project, suites: Suites, boards: Boards) -> list[str]:
    """Bring the generated blocks up to date; return the files that changed.

    `boards` are the published ones.

    Raises:
        ZooError: invalid marks; all of them in all files.
    """
    changed = list(_outdated(_Sources(project, suites, boards)))
    for path, text in changed:
        write_file(path, text)
    return [project.relative(path) for path, _ in changed]


def document_drift(project: Project, suites: Suites, boards: Boards) -> Iterator[Problem]:
    """The documents whose generated blocks are out of date.

    `boards` are the published ones.

    Raises:
        ZooError: invalid marks; all of them in all files.
    """
    for path, _ in _outdated(_Sources(project, suites, boards)):
        yield Problem(
            project.relative(path),
            "generated blocks are out of date with specs and records",
            remedy="run `zoo sync` and commit the result",
        )


def _outdated(sources: "_Sources") -> Iterator[tuple[Path, str]]:
    project = sources.project
    problems: list[Problem] = []
    for path in (project.root / "README.md", *sorted((project.root / "docs").rglob("*.md"))):
        raw = path.read_bytes() if path.is_file() else b""
        try:
            text = raw.decode()
        except UnicodeDecodeError as error:
            place = at(project.relative(path), raw.count(b"\n", 0, error.start) + 1)
            problems.append(Problem(place, "not UTF-8", remedy="save the file as UTF-8"))
            continue
        page = _Page(project.relative(path), text)
        fresh = page.with_blocks(sources)
        problems += page.problems
        if fresh != text:
            yield path, fresh
    if problems:
        raise ZooError(*problems)


class _UnknownError(Exception):
    """A block refers to something unknown."""

    def __init__(self, given: str, name: str, known: Iterable[str]) -> None:
        allowed = sorted(known)
        super().__init__(given)
        self.told = given, ", ".join(allowed), suggestion(name, allowed)


class _Page:
    """One document and the problems of its marks."""

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self.text = text
        self.problems: list[Problem] = []

    def with_blocks(self, sources: "_Sources") -> str:
        """The text with every block regenerated; problems are collected."""
        parts, done = [], 0
        marks = [*MARK.finditer(self.text), None]
        for mark, following in pairwise(marks):
            if mark is None or mark["kind"] is None:
                continue
            if following is None or following["kind"] is not None:
                remedy = f"add it where the {mark['kind']} block ends"
                self._note(mark, f"no {END} follows", remedy=remedy)
                continue
            block = self._block(sources, mark)
            parts.append(f"{self.text[done : mark.end()]}\n\n{block}\n\n")
            done = following.start()
        return "".join((*parts, self.text[done:]))

    def _block(self, sources: "_Sources", mark: re.Match[str]) -> str:
        kind = mark["kind"]
        if kind not in BLOCK_KINDS:
            self._note(
                mark,
                f"unknown block {kind!r}",
                ", ".join(BLOCK_KINDS),
                suggestion(kind, BLOCK_KINDS),
            )
            return ""
        try:
            return BLOCK_KINDS[kind](sources, mark["name"])
        except _UnknownError as error:
            self._note(mark, *error.told)
            return ""

    def _note(self, mark: re.Match[str], given: str, allowed: str = "", remedy: str = "") -> None:
        line = self.text.count("\n", 0, mark.start()) + 1
        self.problems.append(Problem(at(self.name, line), given, allowed, remedy))


@dataclass(frozen=True)
class _Sources:
    """The data behind blocks."""

    project: Project
    suites: Suites
    boards: Boards

    @cached_property
    def reported(self) -> tuple[Reported, ...]:
        return read_reported(self.project)

    @property
    def rows(self) -> list[Row]:
        return [row for board in self.boards.values() for row in board.rows]

    def board(self, suite: str) -> str:
        """The published board of a suite at a glance; its links hold in the project's folder."""
        if suite not in self.suites:
            raise _UnknownError(f"there is no suite {suite!r}", suite, self.suites)
        board = self.boards.get(suite) or Board(suite, (), None)
        more = [*absence_remarks(board.left_out), links(f"results/{suite}/")]
        return overview_text(suite, board.rows, board.statistics, more)

    def show(self, target: str) -> str:
        """The output of `zoo show` for an entry; `... on <task>`: for that task alone."""
        target, _, task = target.partition(" on ")
        suite, _, name = target.partition("/")
        known = {
            f"{suite}/{entry}": suite
            for suite, resolved in self.suites.items()
            for entry in resolved.entries
        }
        if target not in known:
            near = {each for each in known if each.startswith(f"{suite}/")} or known
            raise _UnknownError(f"there is no entry {target!r}", target, near)
        entry = self.suites[suite].entries[name]
        if task and task not in entry.tasks:
            raise _UnknownError(f"{target} has no task {task!r}", task, entry.tasks)
        text = entry_text(entry, [task] if task else ())
        return f"```text\n{text}\n```"

    def numbers(self, method: str) -> str:
        """The published numbers of a method, and those of the boards."""
        if method not in names():
            raise _UnknownError(f"there is no method {method!r}", method, names())
        return numbers_text(method, self.reported, self.rows)

    def table(self, name: str) -> str:
        """A table of built-in facts."""
        if name not in TABLES:
            raise _UnknownError(f"there is no table {name!r}", name, TABLES)
        return TABLES[name]()

    def columns(self, file: str) -> str:
        """The columns of a published table."""
        if file not in CSV_COLUMNS:
            raise _UnknownError(f"there is no table {file!r}", file, CSV_COLUMNS)
        return described(CSV_COLUMNS[file])


TABLES: dict[str, Callable[[], str]] = {"runtimes": runtimes_text}

BLOCK_KINDS: dict[str, Callable[[_Sources, str], str]] = {
    "board": _Sources.board,
    "show": _Sources.show,
    "numbers": _Sources.numbers,
    "table": _Sources.table,
    "columns": _Sources.columns,
}
