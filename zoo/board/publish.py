"""Records from where they were built to where they are published, and the tables made of them."""

from collections.abc import Sequence

from zoo.board.page import PAGE_NAME, as_page
from zoo.board.render import as_csv, as_json, as_markdown
from zoo.board.studies import markdown_tables, published_tables, study_files
from zoo.board.table import Row, make_rows, of_scored_runs
from zoo.errors import Problem, ZooError
from zoo.paths import Project, new_folder, write_file
from zoo.records.durations import PUBLISHED, durations_text, own_durations
from zoo.records.records import Record
from zoo.records.score import ScoreRecord
from zoo.records.store import read_record, read_records, record_files
from zoo.records.text import record_text
from zoo.spec.measuring import BoardJob
from zoo.spec.study import StudyJob


def build_board(project: Project, job: BoardJob) -> None:
    """Make the tables of what this machine built.

    Raises:
        ZooError: an entry has no records.
    """
    rows = _complete(built_rows(project, job), job)
    with new_folder(project.build / job.suite / "board") as folder:
        for name, text in tables(rows, job.suite).items():
            (folder / name).write_text(text, encoding="utf-8")


def built_rows(project: Project, job: BoardJob) -> list[Row]:
    """Rows of what this machine built of the board's entries; empty where it built nothing."""
    return make_rows(_built_records(project, job))


def published_rows(project: Project, suite: str) -> list[Row]:
    """Rows of the committed records."""
    return make_rows(read_records(project.results / suite / "records"))


def tables(rows: list[Row], suite: str, studies: Sequence[str] = ()) -> dict[str, str]:
    """The tables by file name: the same rows and studies give the same bytes."""
    return {
        PAGE_NAME: as_page(rows, suite, studies),
        "leaderboard.csv": as_csv(rows),
        "leaderboard.json": as_json(rows),
        "leaderboard.md": as_markdown(rows, suite),
    }


def committed_tables(project: Project, suite: str) -> dict[str, str]:
    """All tables of a suite and its studies, made anew from the published records."""
    studies = published_tables(project, suite)
    return tables(published_rows(project, suite), suite, markdown_tables(studies)) | studies


def publish_suite(project: Project, job: BoardJob, studies: Sequence[StudyJob] = ()) -> list[str]:
    """Replace all that is published of a suite, at once, by what this machine built.

    Of its declared `studies`, those that this machine has not built stay as they are published.
    Returns the files, relative to the project.

    Raises:
        ZooError: this machine has not built the suite, or not all of its entries, or a study as it
            was declared before.
    """
    files = _published_files(project, job, studies)
    folder = project.results / job.suite
    with new_folder(folder) as fresh:
        for name, content in files.items():
            write_file(fresh / name, content)
    return [project.relative(folder / name) for name in sorted(files)]


def would_publish(project: Project, job: BoardJob, studies: Sequence[StudyJob] = ()) -> list[str]:
    """The files that `publish_suite` would write, relative to the project.

    Raises:
        ZooError: as `publish_suite`.
    """
    folder = project.results / job.suite
    files = _published_files(project, job, studies)
    return [project.relative(folder / name) for name in sorted(files)]


def write_tables(project: Project, suite: str) -> list[str]:
    """Write the tables of the published records; returns the files that changed."""
    changed = []
    for name, text in committed_tables(project, suite).items():
        path = project.results / suite / name
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            write_file(path, text)
            changed.append(project.relative(path))
    return changed


def _built_records(project: Project, job: BoardJob) -> list[Record]:
    """Of the board's entries only: an entry that is no longer declared may still lie there."""
    built = project.build / job.suite
    files = [path for entry in job.entries for path in record_files(built / entry)]
    return of_scored_runs(map(read_record, files))


def _complete(rows: list[Row], job: BoardJob) -> list[Row]:
    missing = sorted(set(job.entries) - {row.entry for row in rows})
    if missing:
        raise ZooError(
            Problem(
                f"the board of {job.suite}",
                f"there are no scores of {', '.join(missing)}",
                remedy=f"build them with `zoo run {job.suite}`",
            )
        )
    return rows


def _published_files(
    project: Project, job: BoardJob, studies: Sequence[StudyJob]
) -> dict[str, str | bytes]:
    """What is published, by its path below the suite's results."""
    _require_board(project, job.suite)
    records = _built_records(project, job)
    studied = {name: c for study in studies for name, c in study_files(project, study).items()}
    rows = _complete(make_rows(records), job)
    files: dict[str, str | bytes] = dict(tables(rows, job.suite, markdown_tables(studied)))
    files |= studied
    for record in records:
        files[f"records/{record.entry}/{record.name}.json"] = record_text(record)
        if isinstance(record, ScoreRecord):
            stored = project.entry(job.suite, record.entry).score / "predictions"
            name = f"predictions/{record.entry}/{record.predictions}"
            files[name] = (stored / record.predictions).read_bytes()
    seconds = own_durations(project, job.suite)
    files[PUBLISHED] = durations_text(seconds).encode()
    return files


def _require_board(project: Project, suite: str) -> None:
    if not (project.build / suite / "board").is_dir():
        raise ZooError(
            Problem(
                f"suite {suite}",
                "its board was not built on this machine",
                remedy=f"run `zoo run {suite}` first",
            )
        )
