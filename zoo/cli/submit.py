"""`zoo submit`: prediction files for the GLUE and SQuAD servers."""

from pathlib import Path

from zoo.cli.target import entry_target
from zoo.errors import Problem, UsageError, suggestion
from zoo.paths import find_project
from zoo.pipeline.params import read_job
from zoo.pipeline.skipped import present_job
from zoo.spec.measuring import ScoreJob
from zoo.spec.recipe import RunRecipe

SUBMISSION_SPLITS = ("test", "dev")


def submit(entry: str, *, split: str, task: str | None, seed: int | None, out: Path | None) -> str:
    """Predict the test (or dev) splits of an entry's official tasks; list the files written.

    SQuAD has no public test set: it is skipped if the entry has other tasks.

    Raises:
        UsageError: unknown entry, split, task or seed.
        CheckpointError: the entry is not built.
        DataError: a split is missing.
    """
    if split not in SUBMISSION_SPLITS:
        given, near = f"--split {split}", suggestion(split, SUBMISSION_SPLITS)
        raise UsageError(
            Problem(given, "there is no such split", ", ".join(SUBMISSION_SPLITS), near)
        )
    if out is not None and out.exists():
        # The folder is replaced as a whole.
        raise UsageError(Problem(f"--out {out}", "already exists", "a new folder"))
    project = find_project()
    target = entry_target(project, entry)
    job = present_job(project, read_job(project, target.suite, target.entry, "score", ScoreJob))
    runs = _runs(str(target), job, task, seed)
    with_test_set = [run for run in runs if run.definition.hidden]
    # SQuAD's test set is not public, which must not block an entry's other tasks.
    answered = with_test_set if split == "test" and with_test_set else runs
    # Import the model's libraries only once they are needed.
    from zoo.evaluation.official import write_files  # noqa: PLC0415

    folder = out or project.entry(target.suite, target.entry).submission
    written = write_files(project, job, answered, split, folder)
    lines = ["written:", *(f"  {project.relative(path)}" for path in written)]
    left_out = [run.task for run in runs if run not in answered]
    lines += [f"skipped: {each} has no public test set; try --split dev" for each in left_out]
    return "\n".join(lines)


def _runs(entry: str, job: ScoreJob, task: str | None, seed: int | None) -> list[RunRecipe]:
    official = [run for run in job.runs if run.definition.submission is not None]
    if not official:
        given = "none of its tasks has an official evaluation server"
        raise UsageError(Problem(entry, given, "entries on GLUE or SQuAD"))
    tasks = {run.task for run in official}
    if task is not None and task not in tasks:
        given, near = "not one of its official tasks", suggestion(task, tasks)
        raise UsageError(Problem(f"{entry}: --task {task}", given, ", ".join(sorted(tasks)), near))
    asked = [run for run in official if task in (None, run.task)]
    # The seed of the distilled teacher is that of a run on every task.
    wanted = asked[0].teacher_seed if seed is None else seed
    found = [run for run in asked if run.seed == wanted]
    lacking = {run.task for run in asked} - {run.task for run in found}
    if lacking:
        given = f"no run with this seed on {', '.join(sorted(lacking))}"
        seeds = [{run.seed for run in asked if run.task == name} for name in tasks]
        shared = sorted(set.intersection(*filter(None, seeds)))
        remedy = "" if task else "name a task that has it, with --task"
        known = ", ".join(map(str, shared))
        raise UsageError(Problem(f"{entry}: --seed {seed}", given, known, remedy))
    return found
