"""`zoo board` and `zoo publish`."""

from collections.abc import Sequence
from dataclasses import dataclass

from zoo.board.page import PAGE_NAME
from zoo.board.publish import Board, built_board, publish_suite, published_board, would_publish
from zoo.board.render import as_csv, as_json, as_markdown
from zoo.board.table import Declared, Row
from zoo.errors import Problem, UsageError, suggestion
from zoo.methods import METHODS
from zoo.paths import Project, find_project
from zoo.pipeline.recipes import declared_runs
from zoo.pipeline.sync import board_job, study_jobs
from zoo.spec.load import load_suite, suite_names

FORMATS = ("table", "csv", "json", "md")


@dataclass(frozen=True)
class Query:
    """Which rows of which board."""

    suite: str
    built: bool = False
    task: str | None = None
    sort: str | None = None


def board(query: Query, form: str) -> str:
    """The board as text.

    Raises:
        UsageError: an unknown suite, task, column or format, or a board without rows.
    """
    project = find_project()
    require_known(query.suite, suite_names(project), "suite")
    require_known(form, FORMATS, "format")
    whole = _board(project, query)
    rows = whole.rows
    if query.task is not None:
        require_known(query.task, sorted({row.task for row in rows}), "task")
        rows = [row for row in rows if row.task == query.task]
    if query.sort is not None:
        rows = _sorted(rows, query.sort)
    if form == "csv":
        return as_csv(rows)
    if form == "json":
        return as_json(rows)
    # What is known of a mean is known of the mean over all tasks.
    means = whole.means if query.task is None else None
    text = as_markdown(rows, query.suite, means, ranked=query.sort is None)
    return text if form == "md" else f"{aligned(text)}\npage: {_page(project, query)}\n"


def publish(suite: str, *, dry_run: bool) -> str:
    """Take the built records into results/.

    Raises:
        UsageError: there is no such suite.
        ZooError: this machine has not built it.
    """
    project = find_project()
    require_known(suite, suite_names(project), "suite")
    job, studies = board_job(project, suite), study_jobs(project, suite)
    declared = declared_runs(load_suite(project, suite, METHODS))
    if dry_run:
        return "\n".join(["would be published:", *would_publish(project, job, studies, declared)])
    files = publish_suite(project, job, studies, declared)
    return f"published {len(files)} files in {project.relative(project.results / suite)}"


def _board(project: Project, query: Query) -> Board:
    if query.built:
        board = built_board(project, board_job(project, query.suite), _declared(project, query))
    else:
        board = published_board(project, query.suite, _declared(project, query))
    if not board.rows:
        where = "built on this machine" if query.built else "published"
        raise UsageError(
            Problem(
                f"the board of {query.suite}",
                f"nothing is {where}",
                remedy=f"build it with `zoo run {query.suite}`",
            )
        )
    return board


def _declared(project: Project, query: Query) -> Declared:
    return declared_runs(load_suite(project, query.suite, METHODS))


def _page(project: Project, query: Query) -> str:
    folder = project.build / query.suite / "board" if query.built else project.results / query.suite
    return project.relative(folder / PAGE_NAME)


def require_known(given: str, known: Sequence[str], what: str) -> None:
    """Raise a UsageError that lists what is known."""
    if given not in known:
        raise UsageError(
            Problem(
                f"--{what} {given}",
                f"there is no such {what}",
                ", ".join(known),
                suggestion(given, known),
            )
        )


def _sorted(rows: list[Row], column: str) -> list[Row]:
    name = column.removeprefix("-")
    plain = [row.model_dump() for row in rows]
    sortable = sorted(key for key, value in plain[0].items() if not isinstance(value, dict | tuple))
    require_known(name, sortable, "sort")
    known = [row for row in rows if getattr(row, name) is not None]
    unknown = [row for row in rows if getattr(row, name) is None]
    known.sort(key=lambda row: getattr(row, name), reverse=column.startswith("-"))
    return known + unknown


def aligned(markdown: str) -> str:
    """The same table with columns in line, for a terminal."""
    lines = markdown.splitlines()
    cells = [line.strip("|").split("|") for line in lines if line.startswith("|")]
    widths = [max(len(cell.strip()) for cell in column) for column in zip(*cells, strict=True)]
    shown = []
    for line in lines:
        if not line.startswith("|"):
            shown.append(line.replace("**", ""))
            continue
        row = [cell.strip() for cell in line.strip("|").split("|")]
        if set(row[0]) == {"-"}:
            shown.append("  ".join("-" * width for width in widths))
            continue
        first, *rest = zip(row, widths, strict=True)
        text = [first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in rest)]
        shown.append("  ".join(text).rstrip())
    return "\n".join(shown) + "\n"
