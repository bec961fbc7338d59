"""Training the masked-language-model head of given weights, and its loss on held-out text."""

from dataclasses import replace

import torch
from torch import Tensor
from transformers import PreTrainedModel

from zoo.data.batches import CorpusFeed, Feed, piece_counts
from zoo.distil.stage import Masking
from zoo.models.anatomy import word_head
from zoo.models.capture import Capture, last_states
from zoo.models.identity import Identity
from zoo.models.word_head import start_word_head
from zoo.paths import Project
from zoo.records.environment import capture_environment
from zoo.records.gate_file import refuse_ungated_words
from zoo.records.training import HeldOutRecord, TransferRecord
from zoo.resolve.plan import MLM, words_plan
from zoo.spec.jobs import PretrainJob, TrainJob, TransferJob
from zoo.spec.recipe import AdaptedSource, ResolvedSource
from zoo.training.corpus import Fold, corpus_blocks, corpus_feed
from zoo.training.device import device_name, peak_memory_bytes, training_device
from zoo.training.fetch import Brought
from zoo.training.given import given_weights
from zoo.training.group import training_group
from zoo.training.journal import stage_journal
from zoo.training.loop import Outcome, Work, no_teacher, train_to_end
from zoo.training.resume import Scratch
from zoo.training.words import WordModel, word_value

HELD_OUT_BATCH = 32
HELD_OUT_SEED = 0
"""Of the mask: whatever the seed of the training, the same positions are asked for."""


def train_words(
    project: Project, job: PretrainJob, source: AdaptedSource, scratch: Scratch
) -> tuple[Brought, Outcome]:
    """Given weights with their masked-language-model head trained; one they lack starts anew.

    Raises:
        CheckpointError: as `given_weights`.
        DataError: the corpus is missing, or too short.
    """
    brought, words = given_weights(project, job, source.base), source.words
    model, pair = brought.model, source.shape.segments > 1
    device, head = training_device(), word_head(brought.model)
    fold = Fold(words.held_out_every, held_out=False)
    if head <= brought.invented:
        start_word_head(model, _unigrams(project, source, brought))
    work = Work(
        phases=words_plan(words),
        student=model,
        teacher=no_teacher,
        feed=corpus_feed(
            project, words.corpus, brought.tokenizer, words.seed, pair=pair, fold=fold
        ),
        seed=words.seed,
        journal=stage_journal(project, job.suite, job.entry, "pretrain"),
        scratch=scratch,
        device=device,
        group=training_group(device),
    )
    outcome = train_to_end(work)
    learnt = replace(brought, model=outcome.model.cpu(), invented=brought.invented - head)
    return learnt, outcome


def words_record(
    project: Project,
    source: AdaptedSource,
    brought: Brought,
    outcome: Outcome,
    identity: Identity,
) -> TransferRecord:
    """The record of the training that ended so, with the loss on held-out text."""
    device = training_device()
    return TransferRecord(
        suite=identity.suite,
        entry=identity.entry,
        task="corpus",
        seed=identity.seed,
        declared=identity.declared,
        digest=identity.digest,
        inputs=identity.inputs,
        environment=capture_environment(project.root, device_name(device)),
        seconds=outcome.seconds,
        threads=torch.get_num_threads(),
        peak_memory_bytes=peak_memory_bytes(device),
        phases=tuple(outcome.phases),
        held_out=_held_out(project, source, brought),
    )


def refuse_weak_words(
    project: Project, job: TransferJob | TrainJob, source: ResolvedSource
) -> None:
    """Stop where a job reads what its teacher predicts for masked tokens, and may not.

    Raises:
        TrainingError: as `refuse_ungated_words`.
    """
    if isinstance(source, AdaptedSource):
        refuse_ungated_words(project.entry(job.suite, job.teacher).word_gate, job.teacher)


def _held_out(project: Project, source: AdaptedSource, brought: Brought) -> HeldOutRecord:
    words, tokenizer, device = source.words, brought.tokenizer, training_device()
    blocks = corpus_blocks(
        words.corpus,
        tokenizer,
        project.scratch,
        length=words.optimise.max_length,
        pair=source.shape.segments > 1,
        fold=Fold(words.held_out_every, held_out=True),
    )
    masking = Masking(words.mask_fraction)
    feed = CorpusFeed(
        blocks, tokenizer, HELD_OUT_BATCH, HELD_OUT_SEED, (masking.fraction, masking.smoothing)
    )
    labels = torch.cat([_asked(feed.batch(step).labels) for step in range(feed.batches_per_epoch)])
    unigrams = _unigrams(project, source, brought)
    return HeldOutRecord(
        positions=len(labels),
        loss=masked_loss(brought.model.to(device), feed, device),
        unigram_loss=float(-unigrams[labels].mean()),
    )


@torch.no_grad()
def masked_loss(model: PreTrainedModel, feed: Feed, device: torch.device) -> float:
    """Mean cross-entropy over the masked positions of one epoch, in nats; fp32, no dropout."""
    total, positions, states = 0.0, 0, last_states(model)
    with Capture(model.eval(), {states}) as capture:
        for step in range(feed.batches_per_epoch):
            batch = feed.batch(step).to(device)
            asked = len(_asked(batch.labels))
            value = word_value(MLM, batch, WordModel.of(model, capture(batch)), None, bf16=False)
            total += float(value) * asked
            positions += asked
    return total / positions


def _unigrams(project: Project, source: AdaptedSource, brought: Brought) -> Tensor:
    """(V,) logarithms of how often pieces occur in the training text, one added to each count."""
    words = source.words
    blocks = corpus_blocks(
        words.corpus,
        brought.tokenizer,
        project.scratch,
        length=words.optimise.max_length,
        pair=source.shape.segments > 1,
        fold=Fold(words.held_out_every, held_out=False),
    )
    counts = piece_counts(blocks, source.shape.vocabulary).double() + 1.0
    return (counts / counts.sum()).log().float()


def _asked(labels: Tensor) -> Tensor:
    return labels[labels != -100]
