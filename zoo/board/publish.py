"""Publishing: copy built records into results/, and render the tables from them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from zoo.board.audit import refuse_mixed_data, refuse_unsound
from zoo.board.columns import Table
from zoo.board.comparison import comparison_files
from zoo.board.leaderboard import leaderboard, summary
from zoo.board.manifest import BOARD_MANIFEST, manifest_text, refuse_edited
from zoo.board.overview import leaderboard_text
from zoo.board.page import PAGE_NAME, as_page
from zoo.board.render import as_csv, as_json
from zoo.board.standings import STATISTICS, statistics_of, statistics_text
from zoo.board.studies import (
    page_tables,
    published_jobs,
    published_records,
    published_tables,
    study_files,
    variants_table,
)
from zoo.board.table import Declared, Row, make_rows, of_scored_runs
from zoo.board.timings import TIMINGS, timings_table
from zoo.errors import Problem, ZooError
from zoo.files import read_file
from zoo.paths import SAMPLES, EntryFolder, Project, new_folder, write_file
from zoo.records.durations import PUBLISHED, durations_text, own_durations
from zoo.records.latency import LatencyRecord
from zoo.records.predicted import PredictedRun
from zoo.records.published import published_texts
from zoo.records.records import Record
from zoo.records.reported import read_reported
from zoo.records.score import ScoreRecord
from zoo.records.statistics import MeanStanding, SuiteStatistics
from zoo.records.store import read_published, read_record, record_files
from zoo.spec.measuring import BoardJob
from zoo.spec.study import StudyJob

PREDICTIONS = "predictions"


@dataclass(frozen=True)
class Board:
    """A suite's records, the statistics of its predictions, and the rows built from both."""

    suite: str
    records: Sequence[Record]
    statistics: SuiteStatistics | None
    declared: Declared | None = None
    """What the specs declare now; None where irrelevant."""
    optional: Sequence[str] = ()
    """The tasks that are left out where their data are absent."""

    @cached_property
    def rows(self) -> list[Row]:
        """The scored answers, one per entry and split."""
        return make_rows(self.records, self.statistics, self.declared)

    @property
    def left_out(self) -> list[str]:
        """The optional tasks on which nothing was built."""
        shown = {row.task for row in self.rows}
        return [task for task in self.optional if task not in shown]

    @property
    def means(self) -> dict[str, MeanStanding]:
        """The mean of each entry with its uncertainty."""
        return {one.entry: one for one in (self.statistics.means if self.statistics else ())}


def build_board(project: Project, job: BoardJob) -> None:
    """Write the tables of this machine's build.

    Raises:
        ZooError: an entry has no records.
    """
    board = _complete(built_board(project, job), job)
    refuse_mixed_data(board.records, job.suite)
    with new_folder(project.built_tables(job.suite)) as folder:
        for name, text in tables(board).items():
            (folder / name).write_text(text, encoding="utf-8")


def built_board(project: Project, job: BoardJob, declared: Declared | None = None) -> Board:
    """The board of this machine's build; without rows if nothing is built.

    Raises:
        ZooError: a record contradicts its predictions.
    """
    records = _built_records(project, job)

    def stored(record: PredictedRun) -> Path:
        return _built_predictions(project.entry(job.suite, record.entry), record)

    refuse_unsound(
        records,
        job.entries,
        stored,
        project.audited(job.suite, "built"),
        f"rebuild it with `zoo run {job.suite}`",
    )
    statistics = statistics_of(job.suite, records, stored, project.statistics)
    return Board(job.suite, records, statistics, declared, job.optional)


def published_board(
    project: Project, suite: str, declared: Declared | None = None, optional: Sequence[str] = ()
) -> Board:
    """The published board of a suite, whose specs declare these tasks `optional`.

    Raises:
        ZooError: a record contradicts its predictions, or is in the wrong place.
    """
    folder = project.results / suite
    refuse_edited(project, folder)
    records = of_scored_runs(read_published(folder / "records", suite))

    def stored(record: PredictedRun) -> Path:
        return folder / PREDICTIONS / record.entry / record.predictions

    entries = {record.entry for record in records}
    refuse_unsound(records, entries, stored, project.audited(suite, "published"))
    statistics = statistics_of(suite, records, stored, project.statistics)
    return Board(suite, records, statistics, declared, optional)


def tables(board: Board, studies: Sequence[Table[Any]] = ()) -> dict[str, str]:
    """The tables by file name; deterministic."""
    whole = leaderboard(board.rows, board.suite, board.left_out)
    lines = summary(board.rows, board.suite, board.means, left_out=board.left_out)
    files = {
        PAGE_NAME: as_page(whole, studies),
        "leaderboard.csv": as_csv(whole),
        "leaderboard.json": as_json(whole),
        "leaderboard.md": leaderboard_text(board.suite, board.rows, board.statistics, lines),
        TIMINGS: as_csv(timings_table(board.suite, board.records)),
    }
    return files | ({STATISTICS: statistics_text(board.statistics)} if board.statistics else {})


def publish_suite(
    project: Project,
    job: BoardJob,
    studies: Sequence[StudyJob] = (),
    declared: Declared | None = None,
) -> list[str]:
    """Replace a suite's published results by this machine's build, atomically.

    Declared `studies` that are not built here stay as published. Returns the files, relative to
    the project.

    Raises:
        ZooError: the suite or one of its entries is not built here, or a study is out of date with
            its declaration.
    """
    files = _published_files(project, job, studies, declared)
    folder = project.results / job.suite
    with new_folder(folder) as fresh:
        for name, content in files.items():
            write_file(fresh / name, content)
    return [project.relative(folder / name) for name in sorted(files)]


def would_publish(
    project: Project,
    job: BoardJob,
    studies: Sequence[StudyJob] = (),
    declared: Declared | None = None,
) -> list[str]:
    """The files that `publish_suite` would write, relative to the project.

    Raises:
        ZooError: as for `publish_suite`.
    """
    folder = project.results / job.suite
    files = _published_files(project, job, studies, declared)
    return [project.relative(folder / name) for name in sorted(files)]


def outdated_tables(project: Project, board: Board) -> Iterator[tuple[Path, str]]:
    """The tables that differ from the published records they are made from, as they should be."""
    for name, text in _committed_tables(project, board).items():
        path = project.results / board.suite / name
        if not path.is_file() or path.read_bytes() != text.encode():
            yield path, text


def write_tables(project: Project, board: Board) -> list[str]:
    """Regenerate the tables of a published board; return the files that changed."""
    changed = list(outdated_tables(project, board))
    for path, text in changed:
        write_file(path, text)
    return [project.relative(path) for path, _ in changed]


def _committed_tables(project: Project, board: Board) -> dict[str, str]:
    """All tables of a published board and its suite's studies, regenerated from the records."""
    studies = [
        (job, published_records(project, job)) for job in published_jobs(project, board.suite)
    ]
    shown = [variants_table(job, records) for job, records in studies]
    return tables(board, shown) | published_tables(studies) | _compared(project, board)


def _compared(project: Project, board: Board) -> dict[str, str]:
    """The comparison with teacher, twin and papers: published only, as builds read no papers."""
    return comparison_files(board.suite, board.rows, board.statistics, read_reported(project))


def _built_records(project: Project, job: BoardJob) -> list[Record]:
    """The records of the board's entries: those of entries no longer declared are ignored.

    A measurement repeated by `zoo bench` replaces the pipeline's.
    """
    found: dict[tuple[str, str], Record] = {}
    for name in job.entries:
        entry = project.entry(job.suite, name)
        asked_for = set(record_files(entry.root / "bench"))
        apart = {*record_files(entry.onnx), *asked_for}
        built = [path for path in record_files(entry.root) if path not in apart]
        for path in (*built, *sorted(asked_for)):
            record = read_record(path)
            found[name, record.name] = record
    return of_scored_runs(found.values())


def _complete(board: Board, job: BoardJob) -> Board:
    missing = sorted(set(job.entries) - {row.entry for row in board.rows})
    if missing:
        raise ZooError(
            Problem(
                f"the board of {job.suite}",
                f"no scores for {', '.join(missing)}",
                remedy=f"build them with `zoo run {job.suite}`",
            )
        )
    return board


def _refuse_undeclared(board: Board) -> None:
    earlier = sorted({f"{row.entry} on {row.task}" for row in board.rows if not row.declared})
    if earlier:
        raise ZooError(
            Problem(
                f"the build of {board.suite}",
                f"out of date with the specs: {', '.join(earlier)}",
                remedy=f"rebuild them with `zoo run {board.suite}`",
            )
        )


def _published_files(
    project: Project, job: BoardJob, studies: Sequence[StudyJob], declared: Declared | None
) -> dict[str, str | bytes]:
    """The published files, by path relative to the suite's results."""
    _require_board(project, job.suite)
    studied = {name: c for study in studies for name, c in study_files(project, study).items()}
    board = _complete(built_board(project, job, declared), job)
    refuse_mixed_data(board.records, job.suite)
    _refuse_undeclared(board)
    files: dict[str, str | bytes] = dict(tables(board, page_tables(project, studies)))
    files |= studied
    files |= _compared(project, board)
    files |= {f"records/{name}": text for name, text in published_texts(board.records).items()}
    for record in board.records:
        entry = project.entry(job.suite, record.entry)
        if isinstance(record, PredictedRun):
            stored = _built_predictions(entry, record)
            files[f"{PREDICTIONS}/{record.entry}/{record.predictions}"] = stored.read_bytes()
        if isinstance(record, LatencyRecord):
            files[f"{SAMPLES}/{record.entry}/{record.samples}"] = _samples(entry, record)
    files[BOARD_MANIFEST] = manifest_text(files)
    seconds = own_durations(project, job.suite)
    files[PUBLISHED] = durations_text(seconds).encode()
    return files


def _built_predictions(entry: EntryFolder, record: PredictedRun) -> Path:
    """The predictions behind a record of this machine's build."""
    folder = entry.score if isinstance(record, ScoreRecord) else entry.robustness
    return folder / PREDICTIONS / record.predictions


def _samples(entry: EntryFolder, record: LatencyRecord) -> bytes:
    """The raw samples behind a record: those of the bench if the record comes from there."""
    asked_for = entry.bench(record.device)
    folder = asked_for if (asked_for / f"{record.name}.json").is_file() else entry.latency
    path = folder / SAMPLES / record.samples
    return read_file(path, remedy=f"measure again: `zoo bench {record.suite}/{record.entry}`")


def _require_board(project: Project, suite: str) -> None:
    if not project.built_tables(suite).is_dir():
        raise ZooError(
            Problem(
                f"suite {suite}",
                "not built on this machine",
                remedy=f"run `zoo run {suite}` first",
            )
        )
