"""`zoo sync`: regenerate pipelines, tables and documents from specs and records."""

from collections.abc import Iterable, Iterator

from zoo.board.publish import Board, outdated_tables, published_board, write_tables
from zoo.board.studies import published_jobs
from zoo.documents.blocks import document_drift, write_documents
from zoo.errors import Problem, ZooError
from zoo.paths import Project, find_project
from zoo.pipeline.params import study_jobs
from zoo.pipeline.sync import drift, pipeline_files, write_pipelines
from zoo.resolve.entry import ResolvedSuite, read_suites


def write() -> str:
    """Write every generated file that is out of date, and list them."""
    project = find_project()
    suites = read_suites(project)
    changed = write_pipelines(project, pipeline_files(suites))
    boards = published_boards(project, suites)
    for board in boards.values():
        changed += write_tables(project, board)
    changed += write_documents(project, suites, boards)
    if not changed:
        return "up to date"
    return "\n".join(["written or removed:", *(f"  {path}" for path in changed)])


def check_synced() -> str:
    """Check that pipelines, tables and documents are up to date with specs and records.

    Raises:
        ZooError: some are not; all of them are listed.
    """
    project = find_project()
    suites = read_suites(project)
    boards = published_boards(project, suites)
    problems = [
        *drift(project, pipeline_files(suites)),
        *_table_drift(project, boards.values()),
        *document_drift(project, suites, boards),
    ]
    if problems:
        raise ZooError(*problems)
    told = f"{', '.join(sorted(suites))}: pipelines, tables and documents are up to date"
    return "\n".join([told, *_earlier(project, boards.values())])


def published_boards(project: Project, suites: dict[str, ResolvedSuite]) -> dict[str, Board]:
    """The published boards by suite, each read once for all that is made from it."""
    return {
        name: published_board(project, name, suite.declared_runs, suite.loaded.suite.optional_tasks)
        for name, suite in sorted(suites.items())
        if (project.results / name / "records").is_dir()
    }


def _earlier(project: Project, boards: Iterable[Board]) -> Iterator[str]:
    """Published results that are out of date with the specs: marked on boards until rebuilt."""
    for board in boards:
        suite = board.suite
        rows = sorted({row.entry for row in board.rows if not row.declared})
        if rows and len(rows) == len({row.entry for row in board.rows}):
            rows = ["all entries"]
        jobs = {job.entry: job for job in study_jobs(project, suite)}
        studies = [
            f"the study {job.entry}"
            for job in published_jobs(project, suite)
            if jobs.get(job.entry) != job
        ]
        if rows or studies:
            yield (
                f"published results out of date with the specs: {suite}: "
                f"{', '.join([*rows, *studies])}\n"
                f"  fix: `zoo run {suite}` and `zoo publish --suite {suite}`"
            )


def _table_drift(project: Project, boards: Iterable[Board]) -> Iterator[Problem]:
    for board in boards:
        for path, _ in outdated_tables(project, board):
            yield Problem(
                project.relative(path),
                "out of date with the records it is made from",
                remedy="run `zoo sync` and commit the result",
            )
