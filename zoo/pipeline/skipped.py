"""Stages without the tasks that builds skip, and what they leave in place of these."""

from typing import TypeVar

from zoo.data.inputs_file import skipped_tasks
from zoo.paths import Project, write_file
from zoo.pipeline.kinds import StageKind
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


def present_job(project: Project, job: RunJob) -> RunJob:
    """The job without its runs on tasks that are skipped."""
    return job.without(skipped_tasks(project, job.suite, job.run_tasks))


def leave_notes(project: Project, job: Job) -> None:
    """Put something at the outputs of skipped runs, which DVC and later stages expect."""
    if not isinstance(job, TrainJob):
        return
    skipped = skipped_tasks(project, job.suite, job.run_tasks)
    folder = project.entry(job.suite, job.entry)
    for run in job.runs:
        if run.task in skipped:
            note = f"{job.entry} was not trained on {run.task}: its data were absent\n"
            record = folder.training_record(run.task, run.seed)
            write_file(folder.checkpoint(run.task, run.seed) / SKIPPED_NOTE, note)
            write_file(record.with_name(SKIPPED_NOTE), note)
