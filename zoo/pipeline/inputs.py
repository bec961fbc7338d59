"""What a suite reads and did not make: the stage that looks at it, and who depends on what."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from zoo.paths import Project
from zoo.pipeline.recipes import entry_recipe, run_recipes, transfer_job
from zoo.spec.corpus import Corpus, PocketCorpus
from zoo.spec.data import PocketData
from zoo.spec.jobs import CorpusInput, FileInput, Input, InputsJob, ModelInput, TaskInput
from zoo.spec.load import INPUTS, LoadedSuite
from zoo.spec.measuring import Measured
from zoo.spec.recipe import ResolvedSource, RunRecipe, TransferredSource
from zoo.spec.teacher import PretrainedSource

Named = tuple[str, Input]


def inputs_job(loaded: LoadedSuite) -> InputsJob:
    """All that the entries of a suite read and did not make, each under one name."""
    found: dict[str, Input] = {}
    for name in (*loaded.teachers, *loaded.entries):
        recipe = entry_recipe(loaded, name)
        source = recipe.student.given if recipe.student else recipe.teacher.source
        found |= dict(_of_source(name, source))
        transfer = transfer_job(loaded, name) if name in loaded.entries else None
        found |= dict(_of_corpus(transfer.corpus)) if transfer else {}
        for run in run_recipes(loaded, name):
            found |= dict((*_of_task(run), *_of_augmentation(run)))
    return InputsJob(suite=loaded.name, entry=INPUTS, inputs=dict(sorted(found.items())))


class InputFiles:
    """The outputs of the stage that looks at inputs, by who reads them."""

    def __init__(self, suite: str) -> None:
        self._suite = suite

    def of(self, name: str) -> str:
        """The file that says what an input is."""
        return Project(Path()).inputs(self._suite, name).as_posix()

    def of_source(self, entry: str, source: ResolvedSource | None) -> Iterator[str]:
        """What first weights are brought from, or made of."""
        yield from (self.of(name) for name, _ in _of_source(entry, source))

    def of_corpus(self, corpus: Corpus) -> Iterator[str]:
        """What a transfer reads."""
        yield from (self.of(name) for name, _ in _of_corpus(corpus))

    def of_training(self, run: RunRecipe) -> Iterator[str]:
        """What the training of a run reads."""
        train = [(name, one) for name, one in _of_task(run) if one.split == "train"]
        yield from (self.of(name) for name, _ in (*train, *_of_augmentation(run)))

    def of_runs(self, runs: Iterable[Measured]) -> Iterator[str]:
        """What measuring some runs reads; each once."""
        yield from dict.fromkeys(self.of(name) for run in runs for name, _ in _of_task(run))


def _of_source(entry: str, source: ResolvedSource | None) -> Iterator[Named]:
    if isinstance(source, PretrainedSource):
        yield from _of_corpus(source.corpus, f"corpus-of-{entry}")
        if source.vocabulary.path is not None:
            yield f"vocabulary-of-{entry}", FileInput(path=source.vocabulary.path)
    elif source is not None and not isinstance(source, TransferredSource):
        yield f"weights-of-{entry}", ModelInput(source=source)


def _of_corpus(corpus: Corpus, name: str = "corpus") -> Iterator[Named]:
    if not isinstance(corpus, PocketCorpus):
        yield name, CorpusInput(corpus=corpus)


def _of_task(run: RunRecipe | Measured) -> Iterator[tuple[str, TaskInput]]:
    if not isinstance(run.data, PocketData):
        for split in ("train", *run.definition.evaluation):
            yield f"{run.task}.{split}", TaskInput(task=run.task, split=split, data=run.data)


def _of_augmentation(run: RunRecipe) -> Iterator[Named]:
    augment = run.recipe.augment
    if augment is not None and augment.word_vectors is not None:
        name = augment.word_vectors.replace("/", ".")
        yield f"vectors-{name}", FileInput(path=augment.word_vectors)
