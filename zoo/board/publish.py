"""Records from where they were built to where they are published, and the tables made of them."""

from pathlib import Path

from zoo.board.render import as_csv, as_json, as_markdown
from zoo.board.table import Row, make_rows
from zoo.errors import Problem, ZooError
from zoo.paths import Project, new_folder, write_file
from zoo.records.store import read_records, record_files
from zoo.spec.jobs import BoardJob


def build_board(project: Project, job: BoardJob) -> None:
    """Make the tables of what this machine built.

    Raises:
        ZooError: an entry has no records.
    """
    rows = built_rows(project, job.suite)
    missing = sorted(set(job.entries) - {row.entry for row in rows})
    if missing:
        raise ZooError(
            Problem(
                f"the board of {job.suite}",
                f"there are no scores of {', '.join(missing)}",
                remedy="build them with `dvc repro`",
            )
        )
    with new_folder(project.build / job.suite / "board") as folder:
        for name, text in tables(rows, job.suite).items():
            (folder / name).write_text(text, encoding="utf-8")


def built_rows(project: Project, suite: str) -> list[Row]:
    """Rows of what this machine built; empty where it built nothing."""
    return make_rows(read_records(project.build / suite))


def published_rows(project: Project, suite: str) -> list[Row]:
    """Rows of the committed records."""
    return make_rows(read_records(project.results / suite / "records"))


def tables(rows: list[Row], suite: str) -> dict[str, str]:
    """The three tables by file name: the same rows give the same bytes."""
    return {
        "leaderboard.csv": as_csv(rows),
        "leaderboard.json": as_json(rows),
        "leaderboard.md": as_markdown(rows, suite),
    }


def publish_suite(project: Project, suite: str) -> list[str]:
    """Replace the published records and predictions of a suite by the built ones.

    Raises:
        ZooError: this machine has not built the suite.
    """
    built = project.build / suite
    _require_board(project, suite)
    with new_folder(project.results / suite) as folder:
        for source, target in _published_files(built).items():
            write_file(folder / target, source.read_bytes())
        write_file(folder / "durations.json", _durations(project, suite))
    return write_tables(project, suite)


def would_publish(project: Project, suite: str) -> list[str]:
    """The files that `publish_suite` would write, relative to the suite's results."""
    _require_board(project, suite)
    return sorted(map(str, _published_files(project.build / suite).values()))


def _require_board(project: Project, suite: str) -> None:
    if not (project.build / suite / "board").is_dir():
        raise ZooError(
            Problem(
                f"suite {suite}",
                "its board was not built on this machine",
                remedy=f"run `zoo run {suite}` first",
            )
        )


def _published_files(built: Path) -> dict[Path, Path]:
    """Built file -> its path below the suite's results: records and predictions."""
    files = {}
    for source in record_files(built):
        files[source] = Path("records") / _entry(built, source) / source.name
    for source in sorted(built.glob("*/score/predictions/*.parquet")):
        files[source] = Path("predictions") / _entry(built, source) / source.name
    return files


def _durations(project: Project, suite: str) -> str:
    """Seconds of each stage on this machine, from which others estimate theirs."""
    path = project.scratch / "durations" / f"{suite}.json"
    return path.read_text(encoding="utf-8") if path.is_file() else "{}\n"


def write_tables(project: Project, suite: str) -> list[str]:
    """Write the tables of the published records; returns the files that changed."""
    changed = []
    for name, text in tables(published_rows(project, suite), suite).items():
        path = project.results / suite / name
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            write_file(path, text)
            changed.append(project.relative(path))
    return changed


def _entry(built: Path, source: Path) -> str:
    return source.relative_to(built).parts[0]
