"""`zoo stage`: run one stage of one pipeline, and report progress; called by DVC."""

import os
import time

from zoo.cli.target import Target, pipeline_target
from zoo.errors import Problem, UsageError, ZooError
from zoo.paths import Project, find_project
from zoo.pipeline.kinds import INPUTS, STUDY
from zoo.pipeline.params import ParamsFile
from zoo.pipeline.progress import BuildProgress
from zoo.pipeline.skipped import leave_notes, run_present
from zoo.pipeline.sync import code_text
from zoo.processes import leads
from zoo.signals import interruptible, leaving_politely

ENVIRONMENT = {
    # transformers draws a progress bar per file; ours shows the stage instead.
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "TQDM_DISABLE": "1",
    "TRANSFORMERS_VERBOSITY": "error",
    # Waiting OpenMP threads spin by default: on a busy machine a step takes many times longer.
    "OMP_WAIT_POLICY": "PASSIVE",
}
ANNOUNCED = "ZOO_ANNOUNCED"
"""The environment variable that says that whoever builds tells what is going on."""


def stage(entry: str, name: str) -> None:
    """Run the stage `name` of `<suite>/<entry>` as its params.json says.

    Of several processes that a launcher started, the first one reports; the others only train.

    Raises:
        UsageError: unknown stage.
        ZooError: its job or code changed while it ran.
        Stopped: a signal came; what is worth keeping is saved.
    """
    with leaving_politely(f"{entry} {name}") if leads() else interruptible():
        _stage(entry, name)


def _stage(entry: str, name: str) -> None:
    project = find_project()
    target = pipeline_target(entry)
    params = ParamsFile(project, target.suite, target.entry)
    kind, job_text = params.kind(name), params.text(name)
    if not (leads() or kind.together):
        return
    job = params.job(name, kind.job)
    prepare_environment()
    if kind is INPUTS:  # only a check: not counted among the stages
        kind.runner()(project, job)
        return
    # A study's jobs belong to variants; progress counts the study's stages.
    study = target.entry if kind is STUDY or job.entry != target.entry else None
    progress = BuildProgress(project, target.suite, study)
    if leads() and ANNOUNCED not in os.environ:
        progress.announce(target.entry, name)
    began = time.monotonic()
    code = code_text(project, kind, job)
    run_present(project, kind, job)
    if leads():
        leave_notes(project, job)
    _refuse_other_job(project, target, name, job_text)
    if code_text(project, kind, job) != code:
        raise ZooError(_other_code(f"{target} {name}"))
    if leads():
        progress.done(target.entry, name, time.monotonic() - began)


def prepare_environment() -> None:
    """Set what libraries read when they are imported, where the user has not."""
    for variable, value in ENVIRONMENT.items():
        os.environ.setdefault(variable, value)


def _refuse_other_job(project: Project, target: Target, name: str, began_with: str) -> None:
    """Fail if the job has changed: DVC records a stage with the job on disk when it ends.

    Raises:
        ZooError: the job was rewritten meanwhile.
    """
    try:
        same = ParamsFile(project, target.suite, target.entry).text(name) == began_with
    except UsageError:
        same = False
    if not same:
        raise ZooError(
            Problem(
                f"{target} {name}",
                "its spec changed while it ran: the output is discarded",
                remedy=f"run `zoo run {target}` again",
            )
        )


def _other_code(stage: str) -> Problem:
    """The code changed and was synced meanwhile: DVC would record the new code as what ran."""
    return Problem(
        stage,
        "its code changed and was synced while it ran: the output is discarded",
        remedy="run the same command again",
    )
