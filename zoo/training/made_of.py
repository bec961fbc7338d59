"""What a training is made of: its start and its teacher verified, its inputs by content.

A run starts from, or takes layers from, one checkpoint, and may be distilled from another. Both are
taken only as the specs declare them, with the bytes that they were saved with.
"""

from dataclasses import dataclass
from pathlib import Path

from zoo.data.examples import Split
from zoo.data.sources import content_sha256, load_train
from zoo.models.identity import Wanted, verified
from zoo.paths import Project, file_sha256
from zoo.spec.base import Inputs
from zoo.spec.jobs import PretrainJob, TrainJob, TransferJob
from zoo.spec.recipe import AdaptedSource, RunRecipe, weights_declared
from zoo.spec.teacher import PretrainedSource
from zoo.training.augmentation import augmentation_inputs
from zoo.training.corpus import corpus_sha256
from zoo.training.given import given_inputs
from zoo.training.resume import Scratch
from zoo.training.vocabulary import vocabulary_file


def pretraining_inputs(project: Project, job: PretrainJob) -> Inputs:
    """What initial weights are made of, or fetched from."""
    source = job.source
    if isinstance(source, AdaptedSource):
        text = {"corpus": corpus_sha256(source.words.corpus)}
        return given_inputs(project, job, source.base) | text
    if not isinstance(source, PretrainedSource):
        return given_inputs(project, job, source)
    inputs = {"corpus": corpus_sha256(source.corpus)}
    if source.vocabulary.path is not None:
        inputs["vocabulary"] = file_sha256(vocabulary_file(source.vocabulary.path))
    return inputs


def transfer_inputs(project: Project, job: TransferJob) -> Inputs:
    """What a transfer is made of.

    Raises:
        CheckpointError: the teacher, or what the student starts from, is not as declared.
        DataError: the corpus is not there.
    """
    whose = Wanted(job.suite, job.teacher, "pretrained", weights_declared(job.source))
    pretrained = project.entry(job.suite, job.teacher).pretrained
    inputs = {
        "corpus": corpus_sha256(job.corpus),
        "teacher": verified(pretrained, whose).digest,
    }
    if job.student.given:
        own = Wanted(job.suite, job.entry, "pretrained", weights_declared(job.student.given))
        start = project.entry(job.suite, job.entry).pretrained
        inputs["start"] = verified(start, own).digest
    return inputs


@dataclass(frozen=True)
class Made:
    """A run with what it is made of: its start and teacher verified, its examples read."""

    run: RunRecipe
    split: Split
    inputs: Inputs
    digest: str
    scratch: Scratch

    @classmethod
    def of(cls, project: Project, job: TrainJob, run: RunRecipe) -> "Made":
        """What a run of a job is made of.

        Raises:
            CheckpointError: what it starts from, or its teacher, is not as declared.
            DataError: its examples are not there.
        """
        split = load_train(run.definition, run.settings, run.data)
        inputs = {
            "train": content_sha256(split),
            "start": verified(*start_of(project, job, run)).digest,
        }
        if run.task in job.taught:
            inputs["teacher"] = verified(*teacher_of(project, job, run)).digest
        if run.recipe.augment is not None:
            inputs |= augmentation_inputs(project, job, run.recipe.augment)
        digest = run.digest(inputs)
        return cls(run, split, inputs, digest, Scratch(project.scratch / "training" / digest))


def start_of(project: Project, job: TrainJob, run: RunRecipe) -> tuple[Path, Wanted]:
    """The checkpoint that a run starts from, or takes layers from."""
    recipe, own = run.recipe, job.start or job.entry
    if recipe.corpus is not None:
        assert job.started is not None
        folder = project.entry(job.suite, own).transferred
        return folder, Wanted(job.suite, own, "transferred", job.started)
    student = recipe.student
    if student is not None and student.given is None:
        own, source = job.teacher, recipe.teacher.source
    else:
        source = student.given if student and student.given else recipe.teacher.source
    wanted = Wanted(job.suite, own, "pretrained", weights_declared(source))
    return project.entry(job.suite, own).pretrained, wanted


def teacher_of(project: Project, job: TrainJob, run: RunRecipe) -> tuple[Path, Wanted]:
    """The checkpoint of the teacher that learnt the run's task."""
    folder = project.entry(job.suite, job.teacher)
    declared, seed = job.taught[run.task], run.teacher_seed
    return folder.checkpoint(run.task, seed), Wanted(
        job.suite, job.teacher, "trained", declared, run.task, seed
    )
