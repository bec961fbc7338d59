"""The stages that train students and teachers: once on the corpus, per run on a task."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import cache, partial

import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from zoo.data.augment import augmented_size
from zoo.data.batches import TaskFeed, encode
from zoo.distil.stage import Data
from zoo.models.anatomy import word_head
from zoo.models.build import MASKED_LM, Head, build, inherit, load_weights
from zoo.models.checkpoint import (
    load_checkpoint,
    load_tokenizer,
    require_word_head,
    save_checkpoint,
)
from zoo.models.identity import Identity, read_identity
from zoo.models.load import loaded_weights
from zoo.paths import Project, write_file
from zoo.processes import leads
from zoo.records.environment import capture_environment
from zoo.records.gate_file import refuse_ungated
from zoo.records.text import record_text
from zoo.records.training import TrainingRecord, TransferRecord
from zoo.resolve.plan import Phase, task_plan, transfer_plan
from zoo.spec.base import Inputs
from zoo.spec.jobs import TrainJob, TransferJob
from zoo.spec.recipe import RunRecipe, StudentRecipe
from zoo.spec.student import copied_layers
from zoo.training.augmentation import task_feed
from zoo.training.beside import run_beside
from zoo.training.corpus import corpus_feed
from zoo.training.device import (
    device_name,
    peak_memory_bytes,
    share_threads,
    training_device,
)
from zoo.training.group import training_group
from zoo.training.journal import Journal, stage_journal
from zoo.training.launch import in_group
from zoo.training.loop import Work, train_to_end
from zoo.training.made_of import (
    Made,
    start_of,
    teacher_of,
    transfer_inputs,
)
from zoo.training.projections import load_projections, save_projections
from zoo.training.resume import Scratch
from zoo.training.stored import StoredTargets
from zoo.training.targets import TargetSource, live
from zoo.training.word_head import refuse_weak_words


def transfer(project: Project, job: TransferJob) -> None:
    """Train a student on the corpus, with the pretrained teacher."""
    inputs = transfer_inputs(project, job)
    scratch = Scratch(project.scratch / "training" / job.digest(inputs))
    with scratch.held(f"{job.suite}/{job.entry} transfer"):
        _transfer(project, job, inputs, scratch)
        scratch.clear()


@in_group
def _transfer(project: Project, job: TransferJob, inputs: Inputs, scratch: Scratch) -> None:
    folder = project.entry(job.suite, job.entry)
    pretrained = project.entry(job.suite, job.teacher).pretrained
    teacher, tokenizer = load_checkpoint(pretrained, MASKED_LM)
    phases = transfer_plan(job)
    if any(phase.stage.reads_teachers_words for phase in phases):
        refuse_weak_words(project, job, job.source)
        require_word_head(pretrained, teacher)
    share_threads(max(job.student.shape.hidden, job.source.shape.hidden))
    digest = job.digest(inputs)
    if job.student.given:
        loaded = loaded_weights(folder.pretrained, MASKED_LM, seed=job.seed)
        student, untrained = loaded.model, loaded.invented
    else:
        student = _started(job.student, MASKED_LM, teacher, job.seed)
        untrained = word_head(student)
    if any(phase.stage.teaches_words for phase in phases):
        untrained = frozenset()
    work = Work(
        phases=phases,
        student=student,
        teacher=lambda _data: _frozen(teacher),
        feed=corpus_feed(project, job.corpus, tokenizer, job.seed, pair=_both_see_segments(job)),
        seed=job.seed,
        journal=stage_journal(project, job.suite, job.entry, "transfer"),
        scratch=scratch,
        device=training_device(),
        projections=load_projections(folder.pretrained) if job.projections else {},
        group=training_group(training_device()),
    )
    outcome = train_to_end(work)
    if not leads():
        return
    identity = Identity(
        suite=job.suite,
        entry=job.entry,
        stage="transferred",
        seed=job.seed,
        declared=job.declared,
        digest=digest,
        inputs=inputs,
    )
    if outcome.projections:
        beside = save_projections(folder.transferred, outcome.projections, digest)
        identity = identity.beside(beside)
    save_checkpoint(folder.transferred, outcome.model.cpu(), tokenizer, identity, untrained)
    record = TransferRecord(
        suite=job.suite,
        entry=job.entry,
        task="corpus",
        seed=job.seed,
        declared=job.declared,
        digest=digest,
        inputs=inputs,
        environment=capture_environment(project.root, device_name(work.device)),
        seconds=outcome.seconds,
        threads=torch.get_num_threads(),
        peak_memory_bytes=peak_memory_bytes(work.device),
        phases=tuple(outcome.phases),
    )
    write_file(folder.transfer_record(job.seed), record_text(record))


def train_runs(project: Project, job: TrainJob) -> None:
    """Train the runs of a job: narrow models in parallel, others in turn.

    What a killed attempt trained is kept in scratch until all runs are done: DVC removes a stage's
    outputs before it starts the stage again.
    """
    made = [Made.of(project, job, run) for run in job.runs]
    with ExitStack() as stack:
        # In one order everywhere: two stages with the same runs must not wait for each other.
        for one in sorted(made, key=lambda one: one.digest):
            stack.enter_context(one.scratch.held(f"{job.suite}/{job.entry} {one.run.key}"))
        _train_runs(project, job, made)
        for one in made:
            one.scratch.clear()


@in_group
def _train_runs(project: Project, job: TrainJob, made: Sequence[Made]) -> None:
    recipe = job.runs[0].recipe
    workers = share_threads(max(recipe.shape.hidden, recipe.teacher.source.shape.hidden))
    run_beside([partial(_train_run, project, job, one) for one in made], workers)


def _train_run(project: Project, job: TrainJob, made: Made) -> None:
    run, split = made.run, made.split
    folder = project.entry(job.suite, job.entry)
    head = Head(run.definition)
    student, tokenizer = _seated(project, job, run, head)
    encoded = encode(run.definition, split, run.settings, tokenizer)
    feed = task_feed(project, job, run, encoded, tokenizer)
    journal = stage_journal(project, job.suite, job.entry, run.key)
    work = Work(
        phases=task_plan(run.recipe, run.definition),
        student=student,
        teacher=_task_teacher(project, job, run, head),
        feed=feed,
        seed=run.seed,
        journal=journal,
        scratch=made.scratch,
        device=training_device(),
        projections=_learnt(project, job, run) if job.projections else {},
        group=training_group(training_device()),
        targets=_targets(project, job, run, feed, journal),
    )
    outcome = train_to_end(work)
    if not leads():
        return
    identity = Identity(
        suite=job.suite,
        entry=job.entry,
        stage="trained",
        task=run.task,
        seed=run.seed,
        declared=run.declared,
        digest=made.digest,
        inputs=made.inputs,
    )
    save_checkpoint(folder.checkpoint(run.task, run.seed), outcome.model.cpu(), tokenizer, identity)
    record = TrainingRecord(
        suite=job.suite,
        entry=job.entry,
        task=run.task,
        seed=run.seed,
        declared=run.declared,
        digest=made.digest,
        inputs=made.inputs,
        environment=capture_environment(project.root, device_name(work.device)),
        seconds=outcome.seconds,
        threads=torch.get_num_threads(),
        peak_memory_bytes=peak_memory_bytes(work.device),
        examples=len(split.examples),
        augmented_examples=run.recipe.augment
        and augmented_size(len(split.examples), run.recipe.augment),
        data_sha256=made.inputs["train"],
        phases=tuple(outcome.phases),
    )
    write_file(folder.training_record(run.task, run.seed), record_text(record))


def _seated(
    project: Project, job: TrainJob, run: RunRecipe, head: Head
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """The model a run starts from, and its tokenizer."""
    recipe = run.recipe
    folder, _ = start_of(project, job, run)
    model = load_weights(folder, head, seed=run.seed)
    if recipe.corpus is None and recipe.student is not None and recipe.student.given is None:
        model = _started(recipe.student, head, model, run.seed)
    return model, load_tokenizer(folder)


def _learnt(project: Project, job: TrainJob, run: RunRecipe) -> dict[str, Tensor]:
    """The projections that were learnt with a run's first weights."""
    own = project.entry(job.suite, job.start or job.entry)
    return load_projections(own.pretrained if run.recipe.corpus is None else own.transferred)


def _started(
    student: StudentRecipe, head: Head, teacher: PreTrainedModel, seed: int
) -> PreTrainedModel:
    """A student with the initial weights its spec declares, where none are given."""
    assert isinstance(student.start, str | tuple)
    model = build(student.shape, head, seed=seed, like=teacher.config)
    depth = int(teacher.config.num_hidden_layers)
    layers = copied_layers(student.start, student.shape.layers, depth)
    if layers:
        inherit(model, teacher, layers)
    return model


def _task_teacher(
    project: Project, job: TrainJob, run: RunRecipe, head: Head
) -> Callable[[Data], PreTrainedModel]:
    """Loads the teacher that was fine-tuned on the run's task, once, when it is first needed."""

    @cache
    def loaded() -> PreTrainedModel:
        folder, wanted = teacher_of(project, job, run)
        return _frozen(load_checkpoint(folder, head, wanted)[0])

    return lambda _data: loaded()


def _targets(
    project: Project,
    job: TrainJob,
    run: RunRecipe,
    feed: Callable[[Phase], TaskFeed],
    journal: Journal,
) -> TargetSource:
    """Where a run's targets come from, if its teacher may teach at all."""
    if run.task not in job.taught:
        return live
    refuse_ungated(project.entry(job.suite, job.teacher).gate, job.teacher, run.task)
    # Its files were verified when the run's digest was computed.
    identity = read_identity(teacher_of(project, job, run)[0])
    return StoredTargets(
        project.answers(job.suite, job.teacher, run.task, run.teacher_seed),
        identity.files_sha256,
        run.recipe.teacher.source.shape,
        feed,
        journal,
        training_device(),
    )


def _frozen(model: PreTrainedModel) -> PreTrainedModel:
    return model.eval().requires_grad_(requires_grad=False)


def _both_see_segments(job: TransferJob) -> bool:
    """Whether teacher and student both tell segments apart: neither must know what one cannot."""
    return min(shape.segments for shape in (job.student.shape, job.source.shape)) > 1
