"""`zoo submit`: the prediction files that the GLUE and SQuAD servers take."""

from pathlib import Path

from zoo.cli.target import entry_target
from zoo.errors import Problem, UsageError, suggestion
from zoo.paths import find_project
from zoo.pipeline.params import read_job
from zoo.spec.measuring import ScoreJob
from zoo.spec.recipe import RunRecipe

SUBMISSION_SPLITS = ("test", "dev")


def submit(entry: str, *, split: str, task: str | None, seed: int | None, out: Path | None) -> str:
    """Answer the test (or dev) splits of an entry's official tasks; names the files written.

    SQuAD has no public test set: where an entry has other tasks, theirs are answered without it.

    Raises:
        UsageError: no such entry, split, task or seed.
        CheckpointError: the entry was not built.
        DataError: a split is not there.
    """
    if split not in SUBMISSION_SPLITS:
        given, near = f"--split {split}", suggestion(split, SUBMISSION_SPLITS)
        raise UsageError(
            Problem(given, "there is no such split", ", ".join(SUBMISSION_SPLITS), near)
        )
    if out is not None and out.exists():
        # The folder appears whole, in the place of what was there.
        raise UsageError(Problem(f"--out {out}", "it is there already", "a new folder"))
    project = find_project()
    target = entry_target(project, entry)
    job = read_job(project, target.suite, target.entry, "score", ScoreJob)
    runs = _runs(str(target), job, task, seed)
    with_test_set = [run for run in runs if run.definition.hidden]
    # SQuAD keeps its test set to itself, which must not stop an entry's other tasks.
    answered = with_test_set if split == "test" and with_test_set else runs
    # The model's libraries are brought once it is clear that they are needed.
    from zoo.evaluation.official import write_files  # noqa: PLC0415

    folder = out or project.entry(target.suite, target.entry).submission
    written = write_files(project, job, answered, split, folder)
    lines = ["written:", *(f"  {project.relative(path)}" for path in written)]
    left_out = [run.task for run in runs if run not in answered]
    lines += [f"left out: {each} has no public test set; try --split dev" for each in left_out]
    return "\n".join(lines)


def _runs(entry: str, job: ScoreJob, task: str | None, seed: int | None) -> list[RunRecipe]:
    official = [run for run in job.runs if run.definition.submission is not None]
    if not official:
        given = "none of its tasks has an official server"
        raise UsageError(Problem(entry, given, "entries on GLUE or SQuAD"))
    tasks = {run.task for run in official}
    if task is not None and task not in tasks:
        given, near = "it has no such official task", suggestion(task, tasks)
        raise UsageError(Problem(f"{entry}: --task {task}", given, ", ".join(sorted(tasks)), near))
    asked = [run for run in official if task in (None, run.task)]
    wanted, seeds = (asked[0].seed if seed is None else seed, {run.seed for run in asked})
    if wanted not in seeds:
        known = ", ".join(map(str, sorted(seeds)))
        raise UsageError(Problem(f"{entry}: --seed {seed}", "it has no run with this seed", known))
    return [run for run in asked if run.seed == wanted]
