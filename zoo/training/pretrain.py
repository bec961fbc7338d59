"""The stage that provides initial weights: third-party ones, adapted or not, or pretrained here."""

from zoo.models.build import MASKED_LM, build
from zoo.models.checkpoint import (
    save_checkpoint,
)
from zoo.models.identity import Identity
from zoo.models.neighbours import look_at_neighbours
from zoo.paths import Project, write_file
from zoo.processes import leads
from zoo.records.text import record_text
from zoo.resolve.plan import pretraining_plan
from zoo.spec.base import Inputs
from zoo.spec.jobs import PretrainJob
from zoo.spec.recipe import AdaptedSource
from zoo.spec.teacher import PretrainedSource
from zoo.training.corpus import corpus_documents, corpus_feed
from zoo.training.device import share_threads, training_device
from zoo.training.fetch import Brought
from zoo.training.given import given_weights
from zoo.training.group import training_group
from zoo.training.journal import stage_journal
from zoo.training.launch import in_group
from zoo.training.loop import Work, no_teacher, train_to_end
from zoo.training.made_of import (
    pretraining_inputs,
)
from zoo.training.projections import load_projections, save_projections
from zoo.training.resume import Scratch
from zoo.training.vocabulary import make_tokenizer
from zoo.training.word_head import train_words, words_record


def pretrain(project: Project, job: PretrainJob) -> None:
    """Leave a teacher's or a student's first weights, with their tokenizer, in its folder."""
    inputs = pretraining_inputs(project, job)
    scratch = Scratch(project.scratch / "training" / job.digest(inputs))
    with scratch.held(f"{job.suite}/{job.entry} pretrain"):
        _pretrain(project, job, inputs, scratch)
        scratch.clear()


@in_group
def _pretrain(project: Project, job: PretrainJob, inputs: Inputs, scratch: Scratch) -> None:
    folder, source, digest = project.entry(job.suite, job.entry), job.source, job.digest(inputs)
    if not isinstance(source, PretrainedSource | AdaptedSource) and not leads():
        return
    share_threads(source.shape.hidden)
    seed, outcome = 0, None
    if isinstance(source, PretrainedSource):
        brought, seed = _pretrained(project, job, source, scratch), source.seed
    elif isinstance(source, AdaptedSource):
        brought, outcome = train_words(project, job, source, scratch)
        seed = source.words.seed
    else:
        brought = given_weights(project, job, source)
    if not leads():
        return
    identity = Identity(
        suite=job.suite,
        entry=job.entry,
        stage="pretrained",
        seed=seed,
        declared=job.declared,
        digest=digest,
        inputs=inputs,
    )
    if job.projections:
        assert job.origin is not None
        learnt = load_projections(project.entry(job.suite, job.origin).transferred)
        identity = identity.beside(save_projections(folder.pretrained, learnt, digest))
    save_checkpoint(folder.pretrained, brought.model, brought.tokenizer, identity, brought.invented)
    if isinstance(source, AdaptedSource) and outcome is not None:
        record = words_record(project, source, brought, outcome, identity)
        write_file(folder.transfer_record(seed), record_text(record))


def _pretrained(
    project: Project, job: PretrainJob, source: PretrainedSource, scratch: Scratch
) -> Brought:
    """Pretrain by masked language modelling, with a tokenizer made of the same text."""
    tokenizer = make_tokenizer(
        source.vocabulary,
        source.shape.vocabulary,
        corpus_documents(source.corpus),
        source.shape.positions,
    )
    # The model has the declared rows even where the tokenizer needs fewer: shapes stay exact.
    model = build(
        source.shape,
        MASKED_LM,
        seed=source.seed,
        initializer_range=source.initializer_range,
        pad_token_id=tokenizer.pad_token_id,
    )
    if source.start == "neighbours":
        look_at_neighbours(model, seed=source.seed)
    work = Work(
        phases=pretraining_plan(source),
        student=model,
        teacher=no_teacher,
        feed=corpus_feed(project, source.corpus, tokenizer, source.seed, pair=True),
        seed=source.seed,
        journal=stage_journal(project, job.suite, job.entry, "pretrain"),
        scratch=scratch,
        device=training_device(),
        group=training_group(training_device()),
    )
    return Brought(train_to_end(work).model.cpu(), tokenizer, frozenset())
