"""Stages without the tasks that builds skip, and what they leave in place of these."""

from collections.abc import Collection
from typing import TypeVar

from zoo.paths import Project, write_file
from zoo.pipeline.kinds import StageKind
from zoo.processes import leads
from zoo.records.inputs_file import skipped_tasks
from zoo.spec.jobs import Job, TrainJob

RunJob = TypeVar("RunJob", bound=Job)
SKIPPED_NOTE = "skipped.txt"
"""The file that a skipped run leaves instead of its model, and instead of its record."""


def run_present(project: Project, kind: StageKind, job: Job) -> None:
    """Run a stage on the tasks of its job that are not skipped.

    Only a stage that trains can be left without any task: nothing else is made task by task.
    """
    skipped = skipped_tasks(project, job.suite, job.run_tasks)
    if not skipped or skipped < set(job.run_tasks):
        kind.runner()(project, job.without(skipped))
    if isinstance(job, TrainJob) and leads():
        _leave_notes(project, job, skipped)


def present_job(project: Project, job: RunJob) -> RunJob:
    """The job without its runs on tasks that are skipped."""
    return job.without(skipped_tasks(project, job.suite, job.run_tasks))


def _leave_notes(project: Project, job: TrainJob, skipped: Collection[str]) -> None:
    """Put something at the outputs of skipped runs, which DVC and later stages expect."""
    folder = project.entry(job.suite, job.entry)
    for run in job.runs:
        if run.task in skipped:
            note = f"{job.entry} was not trained on {run.task}: its data were absent\n"
            record = folder.training_record(run.task, run.seed)
            write_file(folder.checkpoint(run.task, run.seed) / SKIPPED_NOTE, note)
            write_file(record.with_name(SKIPPED_NOTE), note)
