"""The robustness stage: predictions and metrics of every run on altered examples."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from zoo.data.adversarial import read_adversarial
from zoo.data.adversarial_input import lacks_adversarial
from zoo.data.examples import Split
from zoo.data.sources import load_evaluation
from zoo.data.typos import mistyped_split
from zoo.errors import DataError, Problem
from zoo.evaluation.built import BuiltRun, write_predicted
from zoo.paths import Project, data_folder, new_folder
from zoo.records.environment import Environment, capture_environment
from zoo.records.robustness import RobustnessRecord
from zoo.spec.measuring import RobustnessJob
from zoo.spec.recipe import RunRecipe
from zoo.spec.robustness import Adversarial, Perturbation

Altered = tuple[Perturbation, Split]
"""How a dev split is altered, and its altered examples."""


def score_robustness(project: Project, job: RobustnessJob) -> None:
    """Score every run of an entry on altered examples; adversarial ones only where they are.

    Raises:
        CheckpointError: a run is not built.
        DataError: a split is missing, or the adversarial examples are malformed.
    """
    environment = capture_environment(project.root)
    adversarial = _adversarial(project, job)
    altered = {run.task: [*_altered(job, run, adversarial)] for run in _one_of_each_task(job)}
    with new_folder(project.entry(job.suite, job.entry).robustness) as folder:
        for run in job.runs:
            if altered[run.task]:
                built = BuiltRun.load(project, job, run)
                _score_run(folder, job, built, altered[run.task], environment)


def _one_of_each_task(job: RobustnessJob) -> Iterable[RunRecipe]:
    return {run.task: run for run in job.runs}.values()


def _altered(
    job: RobustnessJob, run: RunRecipe, adversarial: Mapping[tuple[str, str], Split]
) -> Iterator[Altered]:
    """The altered examples of a run's task."""
    typos = job.robustness.typos
    if typos is not None:
        for split in load_evaluation(run.definition, run.settings, run.data).values():
            yield "typos", mistyped_split(split, typos)
    for (task, _), split in adversarial.items():
        if task == run.task:
            yield "adversarial", split


def _adversarial(project: Project, job: RobustnessJob) -> Mapping[tuple[str, str], Split]:
    """The adversarial examples of all tasks; none where they are absent."""
    declared = job.robustness.adversarial
    if declared is None or lacks_adversarial(project, job.suite):
        return {}
    return read_adversarial(_file(declared))


def _file(adversarial: Adversarial) -> Path:
    root = data_folder()
    if root is None:
        remedy = "set ZOO_DATA to the folder that contains the file"
        raise DataError(Problem(adversarial.path, "ZOO_DATA is not set", remedy=remedy))
    return root / adversarial.path


def _score_run(
    folder: Path,
    job: RobustnessJob,
    built: BuiltRun,
    altered: Sequence[Altered],
    environment: Environment,
) -> None:
    for perturbation, split in altered:
        predictions = built.predictions(split)
        record = RobustnessRecord(
            **built.stated(environment),
            **built.scores(split, predictions),
            perturbation=perturbation,
            typos=job.robustness.typos if perturbation == "typos" else None,
        )
        write_predicted(folder, record, predictions)
