"""What this machine has of a suite's external inputs, place by place, without downloading."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from huggingface_hub import try_to_load_from_cache

from zoo.data.hub import split_of
from zoo.data.inputs import MODEL_FILES, corpus_files
from zoo.data.places import Holding, look, look_at_cache, require_declared
from zoo.data.sources import split_file
from zoo.errors import CheckpointError, Problem, ZooError, at
from zoo.models.weights import weights_files, weights_sha256
from zoo.paths import data_folder
from zoo.spec.corpus import FolderCorpus, HubCorpus
from zoo.spec.data import PinnedData
from zoo.spec.jobs import CorpusInput, FileInput, Input, ModelInput, TaskInput
from zoo.spec.teacher import FolderSource, HubSource


def holdings(given: Input) -> Iterator[Holding]:
    """What each place of an input has of its files, in the order in which they are asked.

    Raises:
        ZooError: a place cannot be looked at.
    """
    if isinstance(given, TaskInput):
        yield _task(given)
    elif isinstance(given, FileInput):
        yield _below_data(given.path)
    elif isinstance(given, CorpusInput):
        yield _corpus(given.corpus)
    elif isinstance(given.source, FolderSource):
        yield _model_folder(given.source)
    elif given.source.files:
        yield from look(given.source.files, given.places)
        yield look_at_cache(given.source, given.source.files)
    else:
        yield _whole_model(given.source)


def is_on_hub(given: Input) -> bool:
    """Whether the hub is asked for what no place has."""
    if isinstance(given, TaskInput):
        return isinstance(given.data, PinnedData) and data_folder() is None
    if isinstance(given, CorpusInput):
        return isinstance(given.corpus, HubCorpus)
    return isinstance(given, ModelInput) and isinstance(given.source, HubSource)


def require_intact(given: Input, holding: Holding) -> None:
    """Check the files of a place against the hashes that the specs declare, if they declare any.

    Raises:
        ZooError: they have others.
    """
    if not isinstance(given, ModelInput):
        return
    source = given.source
    if isinstance(source, HubSource) and source.files:
        require_declared(holding, source.files)
    elif isinstance(source, FolderSource):
        folder = next(iter(holding.files.values())).parent
        found = weights_sha256(folder)
        if found != source.sha256:
            remedy = "download the declared file again, or declare this one"
            given_hash = f"the sha256 of its weights is {found}"
            raise CheckpointError(Problem(at(folder), given_hash, source.sha256, remedy))


def _task(given: TaskInput) -> Holding:
    try:
        file = split_file(given.definition, given.split, given.data)
    except ZooError as error:
        return _refused(given.task, error)
    if file is not None:
        return _found(str(file), [file], "put the file there")
    assert isinstance(given.data, PinnedData)
    return _cached_split(given, given.data.revision)


def _cached_split(given: TaskInput, revision: str) -> Holding:
    """A prepared split in the cache of `datasets`, as that library lays it out."""
    import datasets  # noqa: PLC0415  (it takes a second)

    source = split_of(given.definition, given.split, revision)
    folder = Path(datasets.config.HF_DATASETS_CACHE, source.name.replace("/", "___"))
    found = folder.glob(f"{source.config or '*'}/*/{revision}/*-{source.split}*.arrow")
    place = f"the cache of datasets, {source.name}"
    return _found(place, found, "set ZOO_DATA to a folder that has the data")


def _corpus(corpus: FolderCorpus | HubCorpus) -> Holding:
    if isinstance(corpus, HubCorpus):
        return Holding(f"the hub, {corpus.id}", lacking="it is streamed, never kept")
    return _below_data(corpus.path)


def _below_data(path: str) -> Holding:
    root = data_folder()
    if root is None:
        remedy = f"set ZOO_DATA to a folder with {path}"
        return Holding(f"$ZOO_DATA/{path}", lacking="ZOO_DATA is not set", remedy=remedy)
    whole = root / path
    files = corpus_files(whole) if whole.is_dir() else [whole]
    return _found(str(whole), files, f"put it at {whole}")


def _model_folder(source: FolderSource) -> Holding:
    root = data_folder()
    if root is None:
        return _below_data(source.path)
    return _model(root / source.path, f"copy the model to {root / source.path}")


def _whole_model(source: HubSource) -> Holding:
    place = f"the cache of the hub, {source.id}"
    found = try_to_load_from_cache(source.id, "config.json", revision=source.revision)
    if not isinstance(found, str):
        return Holding(place, lacking="it lacks config.json")
    return _model(Path(found).parent, "")


def _model(folder: Path, remedy: str) -> Holding:
    try:
        weights_files(folder)
    except ZooError as error:
        return Holding(str(folder), lacking=error.problems[0].given, remedy=remedy)
    files = {file for pattern in MODEL_FILES for file in folder.glob(pattern)}
    return _found(str(folder), files, remedy)


def _found(place: str, files: Iterable[Path], remedy: str) -> Holding:
    there = {file.name: file for file in sorted(files) if file.is_file()}
    return Holding(place, there) if there else Holding(place, lacking="not there", remedy=remedy)


def _refused(place: str, error: ZooError) -> Holding:
    problem = error.problems[0]
    return Holding(place, lacking=problem.given, remedy=problem.remedy)
