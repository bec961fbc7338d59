"""The external inputs of a suite: the stage that checks them, and which stages need which."""

from collections.abc import Iterable, Iterator

from zoo.pipeline.outputs import Output, OutputKind
from zoo.resolve.entry import ResolvedEntry, ResolvedSuite
from zoo.spec.corpus import Corpus, PocketCorpus
from zoo.spec.data import PocketData
from zoo.spec.jobs import CorpusInput, FileInput, Input, InputsJob, ModelInput, TaskInput
from zoo.spec.load import INPUTS_PIPELINE
from zoo.spec.recipe import AdaptedSource, ResolvedSource, RunRecipe, TransferredSource
from zoo.spec.robustness import ADVERSARIAL_INPUT, Robustness
from zoo.spec.teacher import PretrainedSource

Named = tuple[str, Input]


def inputs_job(suite: ResolvedSuite) -> InputsJob:
    """All external inputs of a suite's entries, by name."""
    found: dict[str, Input] = {}
    for entry in suite.entries.values():
        recipe = entry.recipe
        source = recipe.student.given if recipe.student else recipe.teacher.source
        found |= dict(_of_source(entry, source))
        found |= dict(_of_corpus(entry.transfer.corpus)) if entry.transfer else {}
        for run in entry.runs:
            found |= dict((*_of_task(run), *_of_augmentation(run)))
    for task in suite.loaded.suite.optional_tasks:
        found |= {
            name: given.model_copy(update={"optional": True})
            for name, given in found.items()
            if isinstance(given, TaskInput) and given.task == task
        }
    found |= dict(_of_robustness(suite.loaded.suite.robustness))
    return InputsJob(suite=suite.name, entry=INPUTS_PIPELINE, inputs=dict(sorted(found.items())))


def looked_at(suite: str, name: str) -> Output:
    """The file that identifies an input."""
    return Output(OutputKind.INPUT, suite, INPUTS_PIPELINE, tuple(f"{name}.txt".split("/")))


def of_source(entry: ResolvedEntry, source: ResolvedSource) -> Iterator[Output]:
    """The inputs of initial weights."""
    return _looked_at(entry, _of_source(entry, source))


def of_corpus(entry: ResolvedEntry, corpus: Corpus) -> Iterator[Output]:
    """The inputs of the corpus stages."""
    return _looked_at(entry, _of_corpus(corpus))


def of_training(entry: ResolvedEntry, runs: Iterable[RunRecipe]) -> Iterator[Output]:
    """The inputs of training some runs."""
    for run in runs:
        train = (pair for pair in _of_task(run) if pair[1].split == "train")
        yield from _looked_at(entry, (*train, *_of_augmentation(run)))


def of_tasks(entry: ResolvedEntry, runs: Iterable[RunRecipe]) -> Iterator[Output]:
    """The inputs of measuring some runs: all splits of their tasks."""
    for task in dict.fromkeys(run.task for run in runs if any(_of_task(run))):
        yield Output(OutputKind.INPUT, entry.suite_name, INPUTS_PIPELINE, (task,))


def of_robustness(entry: ResolvedEntry) -> Iterator[Output]:
    """The inputs of scoring altered examples, besides those of their tasks."""
    return _looked_at(entry, _of_robustness(entry.suite.robustness))


def _looked_at(entry: ResolvedEntry, named: Iterable[Named]) -> Iterator[Output]:
    return (looked_at(entry.suite_name, name) for name, _ in named)


def _of_source(entry: ResolvedEntry, source: ResolvedSource | None) -> Iterator[Named]:
    if isinstance(source, PretrainedSource):
        yield from _of_corpus(source.corpus, f"corpus-of-{entry.name}")
        if source.vocabulary.path is not None:
            yield f"vocabulary-of-{entry.name}", FileInput(path=source.vocabulary.path)
    elif isinstance(source, AdaptedSource):
        yield from _of_source(entry, source.base)
        yield from _of_corpus(source.words.corpus, f"corpus-of-{entry.name}")
    elif source is not None and not isinstance(source, TransferredSource):
        yield f"weights-of-{entry.name}", ModelInput(source=source, places=entry.places)


def _of_corpus(corpus: Corpus, name: str = "corpus") -> Iterator[Named]:
    if not isinstance(corpus, PocketCorpus):
        yield name, CorpusInput(corpus=corpus)


def _of_task(run: RunRecipe) -> Iterator[tuple[str, TaskInput]]:
    if not isinstance(run.data, PocketData):
        for split in ("train", *run.definition.evaluation):
            yield f"{run.task}/{split}", TaskInput(task=run.task, split=split, data=run.data)


def _of_robustness(robustness: Robustness) -> Iterator[Named]:
    if robustness.adversarial is not None:
        yield ADVERSARIAL_INPUT, FileInput(path=robustness.adversarial.path, optional=True)


def _of_augmentation(run: RunRecipe) -> Iterator[Named]:
    augment = run.recipe.augment
    if augment is not None and augment.word_vectors is not None:
        name = augment.word_vectors.replace("/", ".")
        yield f"vectors-{name}", FileInput(path=augment.word_vectors)
