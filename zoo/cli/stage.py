"""`zoo stage`: what DVC calls. One stage of one pipeline, with its place among all of them."""

import os
import time
from collections.abc import Callable
from typing import Any

from zoo.errors import Problem, UsageError, ZooError, suggestion
from zoo.methods import METHODS, method_name
from zoo.paths import Project, find_project
from zoo.pipeline.progress import Progress
from zoo.pipeline.sync import code_text, job_of, read_job
from zoo.spec import jobs, measuring
from zoo.spec.study import StudyJob

Runner = Callable[[Project, Any], None]


def stage(entry: str, name: str) -> None:
    """Run the stage `name` of `<suite>/<entry>` as its params.json says.

    Raises:
        UsageError: there is no such stage.
    """
    project = find_project()
    suite, _, rest = entry.partition("/")
    if not rest:
        raise UsageError(Problem(entry, "this names no entry", "<suite>/<entry>"))
    job_text = job_of(project, suite, rest, name)
    kind = name.partition("-")[0]
    if kind not in RUNNERS:
        raise UsageError(
            Problem(
                name,
                "there is no such kind of stage",
                ", ".join(RUNNERS),
                suggestion(kind, RUNNERS),
            )
        )
    model, load = RUNNERS[kind]
    methods = {"methods": METHODS.classes}
    job = read_job(project, suite, rest, name, model, context=methods)
    # transformers draws a bar for every file it reads; ours tells the stage instead.
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("TQDM_DISABLE", "1")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    # Waiting OpenMP threads otherwise spin: beside a busy neighbour a step takes many times longer.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # In a study, jobs are of variants; their place is among the study's stages.
    study = rest if isinstance(job, StudyJob) or job.entry != rest else None
    if isinstance(job, jobs.InputsJob):  # a look, of no length: it has no place among the stages
        load()(project, job)
        return
    progress = Progress(project, suite, study)
    progress.announce(rest, name)
    began = time.monotonic()
    code = code_text(project, kind, _method_of(job))
    load()(project, job)
    _refuse_other_job(project, (suite, rest, name), job_text)
    if code_text(project, kind, _method_of(job)) != code:
        raise ZooError(_other_code(f"{suite}/{rest} {name}"))
    progress.done(rest, name, time.monotonic() - began)


def _refuse_other_job(project: Project, stage: tuple[str, str, str], began_with: str) -> None:
    """DVC notes a stage with the job that stands there when it ends: it must be the one that ran.

    Raises:
        ZooError: the job was written anew meanwhile.
    """
    try:
        same = job_of(project, *stage) == began_with
    except UsageError:
        same = False
    if not same:
        suite, entry, name = stage
        raise ZooError(
            Problem(
                f"{suite}/{entry} {name}",
                "its spec was changed while it ran: what it made is of the earlier one, and is not"
                " kept",
                remedy=f"run `zoo run {suite}/{entry}` again",
            )
        )


def _other_code(stage: str) -> Problem:
    """`zoo sync` noted other code meanwhile, which DVC would take for what ran."""
    return Problem(
        stage,
        "its code was changed and synced while it ran: what it made is not kept",
        remedy="run the same command again",
    )


def _method_of(job: jobs.Job) -> str | None:
    """The method whose file a stage runs."""
    method = job.method if isinstance(job, jobs.TransferJob) else None
    if isinstance(job, jobs.TrainJob):
        method = job.runs[0].recipe.method
    return None if method is None else method_name(method)


def _inputs() -> Runner:
    from zoo.data.inputs import look_at_inputs  # noqa: PLC0415

    return look_at_inputs


def _pretrain() -> Runner:
    from zoo.training.pretrain import pretrain  # noqa: PLC0415

    return pretrain


def _transfer() -> Runner:
    from zoo.training.run import transfer  # noqa: PLC0415

    return transfer


def _train() -> Runner:
    from zoo.training.run import train_runs  # noqa: PLC0415

    return train_runs


def _score() -> Runner:
    from zoo.evaluation.stage import score_runs  # noqa: PLC0415

    return score_runs


def _gate() -> Runner:
    from zoo.evaluation.gate import open_gate  # noqa: PLC0415

    return open_gate


def _export() -> Runner:
    from zoo.export.stage import export_runs  # noqa: PLC0415

    return export_runs


def _latency() -> Runner:
    from zoo.latency.stage import time_runs  # noqa: PLC0415

    return time_runs


def _board() -> Runner:
    from zoo.board.publish import build_board  # noqa: PLC0415

    return build_board


def _study() -> Runner:
    from zoo.board.studies import build_study  # noqa: PLC0415

    return build_study


RUNNERS: dict[str, tuple[type[jobs.Job], Callable[[], Runner]]] = {
    "inputs": (jobs.InputsJob, _inputs),
    "pretrain": (jobs.PretrainJob, _pretrain),
    "transfer": (jobs.TransferJob, _transfer),
    "train": (jobs.TrainJob, _train),
    "score": (measuring.ScoreJob, _score),
    "gate": (measuring.GateJob, _gate),
    "export": (measuring.ExportJob, _export),
    "latency": (measuring.LatencyJob, _latency),
    "board": (measuring.BoardJob, _board),
    "study": (StudyJob, _study),
}
