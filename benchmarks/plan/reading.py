"""What trainings read: data sets as the engine batches them, padding and passes counted."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from transformers import PreTrainedTokenizerBase

from benchmarks.plan.flops import Amount
from benchmarks.plan.pace import decoded_words
from zoo.data.augment import augmented_size
from zoo.data.batches import LAYOUTS, Encoded, Feed, TaskFeed, encode
from zoo.data.sources import load_train
from zoo.models.checkpoint import load_tokenizer
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
    """One pass over a data set, and the words that student and teacher decode in it."""

    amount: Amount
    decoded: tuple[float, float] = (0.0, 0.0)


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
            self._epochs[key] = _epoch(TaskFeed(data.encoded, size, run.seed), SAMPLE, phase)
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
            *(phase.stage.masking, _spoken(phase), pair, fold),
        )
        if key not in self._epochs:
            tokenizer = self.tokenizer(teacher)
            feed = corpus_feed(self._project, corpus, tokenizer, 0, pair=pair, fold=fold)(phase)
            self._epochs[key] = _epoch(feed, TEXT_SAMPLE, phase)
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


def _spoken(phase: Phase) -> tuple[object, ...]:
    return tuple((term.student, term.teacher) for term in phase.stage.terms)


def _base(source: ResolvedSource) -> ResolvedSource:
    return source.base if isinstance(source, AdaptedSource) else source


def _epoch(feed: Feed, most: int, phase: Phase) -> Epoch:
    whole = feed.batches_per_epoch
    made = list(_sampled(feed, min(whole, most)))
    sizes = [batch.input_ids.shape for batch in made]
    amount = Amount(
        len(made),
        sum(rows for rows, _ in sizes),
        sum(rows * length for rows, length in sizes),
        sum(rows * length**2 for rows, length in sizes),
    )
    factor = whole / len(made)
    words = [decoded_words(phase, batch) for batch in made]
    ours, theirs = (factor * sum(numbers) for numbers in zip(*words, strict=True))
    return Epoch(amount.times(factor), (ours, theirs))


def _sampled(feed: Feed, count: int) -> Iterator[Batch]:
    """Batches from all over an epoch."""
    for number in range(count):
        yield feed.batch(number * feed.batches_per_epoch // count)
