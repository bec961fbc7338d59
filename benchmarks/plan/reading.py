"""What trainings read: data sets as the engine batches them, padding and passes counted."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from transformers import PreTrainedTokenizerBase

from benchmarks.plan.flops import Amount
from zoo.data.augment import augmented_size
from zoo.data.batches import LAYOUTS, Encoded, Feed, TaskFeed, encode
from zoo.data.sources import load_train
from zoo.distil.term import Term
from zoo.models.checkpoint import load_tokenizer
from zoo.models.tap import LOGITS
from zoo.paths import Project
from zoo.resolve.entry import ResolvedEntry, ResolvedSuite
from zoo.resolve.plan import Phase
from zoo.spec.corpus import Corpus
from zoo.spec.recipe import AdaptedSource, ResolvedSource, RunRecipe
from zoo.spec.task import Task
from zoo.spec.teacher import FolderSource, HubSource, PretrainedSource
from zoo.tensors.batch import Batch, Layout
from zoo.training.corpus import Fold, corpus_documents, corpus_feed
from zoo.training.fetch import fetch_source
from zoo.training.vocabulary import make_tokenizer

SAMPLE = 200
"""Batches of an epoch that are made; the others are taken to be like them."""
TEXT_SAMPLE = 20


@dataclass(frozen=True)
class Epoch:
    """One pass over a data set, and the share of its positions that terms on words read."""

    amount: Amount
    asked: float = 0.0
    """Of terms that compare with labels."""
    real: float = 1.0
    """Of all others."""

    def decoded(self, term: Term) -> float:
        """The share of positions that a term on words reads."""
        return self.asked if term.teacher is None else self.real


@dataclass(frozen=True)
class TaskData:
    """The training examples of a task, tokenised."""

    encoded: Encoded

    @cached_property
    def layout(self) -> Layout:
        """How its outputs are laid out."""
        return LAYOUTS[self.encoded.task.kind]

    @cached_property
    def tokens(self) -> int:
        """Tokens without padding."""
        return sum(len(feature.input_ids) for feature in self.encoded.features)

    @property
    def task(self) -> Task:
        """The task."""
        return self.encoded.task


class Data:
    """The data sets of a suite, each read once."""

    def __init__(self, project: Project, suite: ResolvedSuite) -> None:
        self._project, self._suite = project, suite
        self._tokenizers: dict[str, PreTrainedTokenizerBase] = {}
        self._tasks: dict[tuple[object, ...], TaskData] = {}
        self._epochs: dict[tuple[object, ...], Epoch] = {}

    def task(self, run: RunRecipe, teacher: str) -> TaskData:
        """The examples of a run, in the pieces of its teacher.

        Raises:
            DataError: they are not there.
        """
        key = run.task, run.settings.model_dump_json(), teacher
        if key not in self._tasks:
            split = load_train(run.definition, run.settings, run.data)
            encoded = encode(run.definition, split, run.settings, self.tokenizer(teacher))
            self._tasks[key] = TaskData(encoded)
        return self._tasks[key]

    def task_epoch(self, run: RunRecipe, teacher: str, phase: Phase) -> Epoch:
        """One pass of a phase over a task; copies are taken to be as long as what they copy."""
        data, size = self.task(run, teacher), phase.optimise.batch_size
        key = run.task, run.settings.model_dump_json(), teacher, size
        if key not in self._epochs:
            self._epochs[key] = _epoch(TaskFeed(data.encoded, size, run.seed), SAMPLE)
        augment, epoch = run.recipe.augment, self._epochs[key]
        if phase.stage.data != "augmented" or augment is None:
            return epoch
        examples = len(data.encoded.split.examples)
        return Epoch(epoch.amount.times(augmented_size(examples, augment) / examples))

    def text_epoch(
        self, corpus: Corpus, teacher: str, phase: Phase, *, pair: bool, fold: Fold | None = None
    ) -> Epoch:
        """One pass of a phase over a corpus; tokenised here, it is not again by the build."""
        optimise = phase.optimise
        key = (
            *(corpus.model_dump_json(), teacher, optimise.max_length, optimise.batch_size),
            *(phase.stage.masking, pair, fold),
        )
        if key not in self._epochs:
            tokenizer = self.tokenizer(teacher)
            feed = corpus_feed(self._project, corpus, tokenizer, 0, pair=pair, fold=fold)(phase)
            self._epochs[key] = _epoch(feed, TEXT_SAMPLE)
        return self._epochs[key]

    def tokenizer(self, teacher: str) -> PreTrainedTokenizerBase:
        """The tokenizer of a teacher: as it was built, else as it will be."""
        if teacher not in self._tokenizers:
            built = self._project.entry(self._suite.name, teacher).pretrained
            if (built / "tokenizer.json").is_file():
                self._tokenizers[teacher] = load_tokenizer(built)
            else:
                self._tokenizers[teacher] = self._made(self._suite.entries[teacher])
        return self._tokenizers[teacher]

    def _made(self, entry: ResolvedEntry) -> PreTrainedTokenizerBase:
        source = _base(entry.recipe.teacher.source)
        if isinstance(source, PretrainedSource):
            documents = corpus_documents(source.corpus)
            shape = source.shape
            return make_tokenizer(source.vocabulary, shape.vocabulary, documents, shape.positions)
        if isinstance(source, HubSource | FolderSource):
            return fetch_source(source, entry.places).tokenizer
        assert entry.origin is not None  # its weights are those that another entry left
        return self.tokenizer((entry.origin.teacher or entry.origin).name)


def _base(source: ResolvedSource) -> ResolvedSource:
    return source.base if isinstance(source, AdaptedSource) else source


def _epoch(feed: Feed, most: int) -> Epoch:
    whole = feed.batches_per_epoch
    made = list(_sampled(feed, min(whole, most)))
    sizes = [batch.input_ids.shape for batch in made]
    amount = Amount(
        len(made),
        sum(rows for rows, _ in sizes),
        sum(rows * length for rows, length in sizes),
        sum(rows * length**2 for rows, length in sizes),
    )
    asked, real = Term("asked", _unread, LOGITS), Term("real", _unread, LOGITS, LOGITS)
    shares = (
        sum(len(term.places(batch)) for batch in made) / amount.tokens
        for term in (asked, real)
        if made[0].layout is Layout.TOKENS
    )
    return Epoch(amount.times(whole / len(made)), *shares)


def _sampled(feed: Feed, count: int) -> Iterator[Batch]:
    """Batches from all over an epoch."""
    for number in range(count):
        yield feed.batch(number * feed.batches_per_epoch // count)


def _unread(*_: object) -> object:
    raise AssertionError  # only the places of the terms are asked for
