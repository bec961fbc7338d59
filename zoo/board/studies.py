"""Studies on disk: from build to tables, and from tables to published results."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from zoo.board.columns import Table
from zoo.board.render import as_csv, as_json, as_markdown
from zoo.board.study import StudyRow, records_of, study_rows, unmeasured
from zoo.board.study_attention import attention_files
from zoo.board.study_plot import study_plot
from zoo.board.study_report import report_files
from zoo.board.study_table import study_summary, study_table
from zoo.board.summary import Line
from zoo.errors import Problem, ZooError, at
from zoo.files import read_file
from zoo.paths import Project, new_folder
from zoo.records.published import published_texts
from zoo.records.records import Record
from zoo.records.store import read_record, read_records, record_files
from zoo.spec.study import StudyJob

VARIANTS = "variants.json"
"""The file next to the tables with the study's job."""


def build_study(project: Project, job: StudyJob) -> None:
    """Write the tables of this machine's build.

    Raises:
        ZooError: a variant has no scores.
    """
    with new_folder(project.study(job.suite, job.entry)) as folder:
        for name, text in study_tables(job, built_records(project, job)).items():
            (folder / name).write_text(text, encoding="utf-8")


def study_tables(job: StudyJob, records: Iterable[Record]) -> dict[str, str]:
    """The tables by file name; deterministic."""
    given = list(records)
    rows = study_rows(job, given)
    whole = study_table(job, rows)
    return {
        "study.csv": as_csv(whole),
        "study.json": as_json(whole),
        "study.md": as_markdown(variants_table(job, given)),
        "plot.vl.json": study_plot(job, rows),
        **(report_files(job, given) if job.report else {}),
        **(attention_files(job, given) if job.attention else {}),
    }


def variants_table(job: StudyJob, records: Iterable[Record]) -> Table[Line[StudyRow]]:
    """One line per variant."""
    given = list(records)
    silent = job.report and not report_files(job, given)
    remarks = ["No stage of these variants writes a report."] if silent else []
    return study_summary(job, study_rows(job, given), remarks)


def built_records(project: Project, job: StudyJob) -> list[Record]:
    """The records of all variants, as this machine built them.

    Raises:
        ZooError: some are missing.
    """
    entries = sorted({entry for variant in job.variants for entry in variant.records})
    built = project.build / job.suite
    found = [read_record(path) for entry in entries for path in record_files(built / entry)]
    found += read_records(project.entry(job.suite, job.entry).attention) if job.attention else []
    missing = list(unmeasured(job, found))
    if missing:
        wanted = "scores or attention" if job.attention else "scores"
        raise ZooError(
            Problem(
                f"the study {job.entry} of {job.suite}",
                f"no up-to-date {wanted} for {', '.join(missing)}",
                remedy=f"build them with `zoo run {job.suite}/{job.entry}`",
            )
        )
    own = {id(r): r for variant in job.variants for r in records_of(job, variant, found)}
    return list(own.values())


def is_built(project: Project, job: StudyJob) -> bool:
    """Whether this machine has built the study."""
    return project.study(job.suite, job.entry).is_dir()


def study_files(project: Project, job: StudyJob) -> dict[str, bytes]:
    """The published files of a study, by path relative to the suite's results.

    A study that is not built here stays as published, if it is.

    Raises:
        ZooError: the build is out of date with its declaration.
    """
    if not is_built(project, job):
        return _published_files(project, job)
    records = built_records(project, job)
    files = {VARIANTS: job_text(job), **study_tables(job, records)}
    files |= {f"records/{name}": text for name, text in published_texts(records).items()}
    return {f"studies/{job.entry}/{name}": text.encode() for name, text in files.items()}


def page_tables(project: Project, jobs: Sequence[StudyJob]) -> list[Table[Line[StudyRow]]]:
    """The studies on the suite's page: as built, else as published."""
    found = []
    for job in sorted(jobs, key=lambda job: job.entry):
        if is_built(project, job):
            found.append(variants_table(job, built_records(project, job)))
        elif (published := _published(project, job)) is not None:
            found.append(variants_table(published, published_records(project, published)))
    return found


def job_text(job: StudyJob) -> str:
    """A study's job as text."""
    return json.dumps(job.model_dump(mode="json"), indent=1, sort_keys=True) + "\n"


def published_tables(studies: Iterable[tuple[StudyJob, list[Record]]]) -> dict[str, str]:
    """The tables of published studies, regenerated from their records.

    By path relative to the suite's results.
    """
    files: dict[str, str] = {}
    for job, records in studies:
        tables = study_tables(job, records)
        files |= {f"studies/{job.entry}/{name}": text for name, text in tables.items()}
    return files


def published_jobs(project: Project, suite: str) -> list[StudyJob]:
    """The published studies of a suite, by name.

    Raises:
        ZooError: a study's job is missing or malformed.
    """
    paths = sorted(project.published_studies(suite).glob(f"*/{VARIANTS}"))
    return [_read_job(path) for path in paths]


def published_records(project: Project, job: StudyJob) -> list[Record]:
    """The records behind a published study's tables."""
    return list(read_records(project.published_studies(job.suite) / job.entry / "records"))


def _published(project: Project, job: StudyJob) -> StudyJob | None:
    path = project.published_studies(job.suite) / job.entry / VARIANTS
    return _read_job(path) if path.is_file() else None


def _published_files(project: Project, job: StudyJob) -> dict[str, bytes]:
    folder = project.published_studies(job.suite) / job.entry
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {
        f"studies/{job.entry}/{path.relative_to(folder).as_posix()}": path.read_bytes()
        for path in files
    }


def _read_job(path: Path) -> StudyJob:
    remedy = "restore it from git, or publish the study again"
    content = read_file(path, remedy=remedy)
    try:
        return StudyJob.model_validate_json(content)
    except ValueError as error:
        raise ZooError(Problem(at(path), "not a study description", remedy=remedy)) from error
