"""`zoo board` and `zoo publish`."""

from dataclasses import dataclass

from zoo.board.columns import Absent, Cell
from zoo.board.leaderboard import leaderboard, summary
from zoo.board.page import PAGE_NAME
from zoo.board.publish import Board, built_board, publish_suite, published_board, would_publish
from zoo.board.render import as_csv, as_json, as_markdown
from zoo.board.table import Row
from zoo.board.terminal import as_terminal
from zoo.cli.target import require_option
from zoo.errors import Problem, UsageError
from zoo.paths import Project, find_project
from zoo.pipeline.params import board_job, study_jobs
from zoo.resolve.entry import read_suite
from zoo.spec.load import suite_names

FORMATS = ("table", "csv", "json", "md")
DATA = {"csv": as_csv, "json": as_json}
"""Formats with all rows; the others have one line per entry."""


@dataclass(frozen=True)
class Query:
    """Which rows of which board to show."""

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
    require_option("suite", query.suite, suite_names(project))
    require_option("format", form, FORMATS)
    whole = _board(project, query)
    rows = whole.rows
    if query.task is not None:
        require_option("task", query.task, sorted({row.task for row in rows}))
        rows = [row for row in rows if row.task == query.task]
    if query.sort is not None:
        rows = _sorted(rows, query)
    if form in DATA:
        return DATA[form](leaderboard(rows, query.suite, whole.left_out))
    # The statistics of a mean are those of the mean over all tasks.
    means = whole.means if query.task is None else None
    ranked, left_out = query.sort is None, whole.left_out
    table = summary(rows, query.suite, means, ranked=ranked, left_out=left_out)
    if form == "md":
        return as_markdown(table)
    return f"{as_terminal(table)}\npage: {_page(project, query)}\n"


def publish(suite: str, *, dry_run: bool) -> str:
    """Copy the built records into results/.

    Raises:
        UsageError: unknown suite.
        ZooError: the suite is not built on this machine.
    """
    project = find_project()
    require_option("suite", suite, suite_names(project))
    job, studies = board_job(project, suite), study_jobs(project, suite)
    declared = read_suite(project, suite).declared_runs
    if dry_run:
        return "\n".join(["would be published:", *would_publish(project, job, studies, declared)])
    files = publish_suite(project, job, studies, declared)
    return f"published {len(files)} files in {project.relative(project.results / suite)}"


def _board(project: Project, query: Query) -> Board:
    suite = read_suite(project, query.suite)
    declared, optional = suite.declared_runs, suite.loaded.suite.optional_tasks
    if query.built:
        board = built_board(project, board_job(project, query.suite), declared)
    else:
        board = published_board(project, query.suite, declared, optional)
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


def _page(project: Project, query: Query) -> str:
    folder = project.build / query.suite / "board" if query.built else project.results / query.suite
    return project.relative(folder / PAGE_NAME)


def _sorted(rows: list[Row], query: Query) -> list[Row]:
    name = (query.sort or "").removeprefix("-")
    columns = {column.name: column for column in leaderboard(rows, query.suite).columns}
    require_option("sort", name, sorted(columns))
    value = columns[name].value
    known = [row for row in rows if _is_known(value(row))]
    unknown = [row for row in rows if not _is_known(value(row))]
    descending = (query.sort or "").startswith("-")
    return sorted(known, key=value, reverse=descending) + unknown  # type: ignore[arg-type]


def _is_known(cell: Cell) -> bool:
    return not isinstance(cell, Absent | None)
