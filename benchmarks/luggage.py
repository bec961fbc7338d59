"""What of a build travels with it: the data that it reads, and what it has made so far.

Weights are most of it, and may not all fit. Those that a stage still to come reads go first. A
stage whose weights stay behind is finished if none reads them: its records travel, and it is not
repeated.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Self

from zoo.data.corpus import text_files
from zoo.data.inputs import MODEL_FILES
from zoo.data.sources import split_file
from zoo.errors import Problem, ZooError
from zoo.json_files import read_json
from zoo.paths import Project, data_folder, file_sha256, write_file
from zoo.pipeline.compile import compile_suite
from zoo.pipeline.inputs import inputs_job
from zoo.pipeline.kinds import GATE, INPUTS, PRETRAIN, SCORE, TRAIN, TRANSFER, WORD_GATE
from zoo.pipeline.outputs import FIRST_WEIGHTS, Output, OutputKind
from zoo.pipeline.pending import PendingStage, pending
from zoo.pipeline.sync import code_text, pipeline_file
from zoo.resolve.entry import ResolvedSuite
from zoo.spec.base import digest
from zoo.spec.corpus import FolderCorpus
from zoo.spec.jobs import CorpusInput, FileInput, Input, ModelInput, TaskInput
from zoo.spec.load import BOARD_PIPELINE
from zoo.spec.teacher import FolderSource, HubSource
from zoo.spec.weights import FolderPlace
from zoo.training.fetch import declared_files

DATA, PROJECT = "data", "project"
"""What names in a parcel begin with."""
AWAY = (INPUTS, PRETRAIN, WORD_GATE, TRANSFER, TRAIN, SCORE, GATE)
"""The kinds of stages that are built away; where the board is, the others measure."""
WEIGHTS = (*FIRST_WEIGHTS, OutputKind.RUNS)
LOCK = "dvc.lock"

Files = dict[str, Path]


def data_files(suite: ResolvedSuite) -> Files:
    """The external files that a suite reads, by their names in a parcel.

    Raises:
        ZooError: some are missing, or a model is read from nowhere below `$ZOO_DATA`.
    """
    found: Files = {}
    for name, given in inputs_job(suite).inputs.items():
        found |= {f"{DATA}/{place}": path for place, path in _files_of(name, given).items()}
    return found


def _files_of(name: str, given: Input) -> Mapping[str, Path]:
    if isinstance(given, ModelInput) and isinstance(given.source, HubSource):
        folders = [place.path for place in given.places if isinstance(place, FolderPlace)]
        if not (folders and given.source.files):
            allowed = "a source with `files` and a place `folder`"
            raise ZooError(Problem(name, "this model can only be had from the hub", allowed))
        files = declared_files(given.source, given.places)
        return {f"{folders[0]}/{file}": path for file, path in files.items()}
    root = data_folder()
    if root is None:
        raise ZooError(Problem(name, "ZOO_DATA is not set", remedy="set it to the data's folder"))
    paths = _local_files(root, given)
    missing = [path for path in paths if not path.is_file()]
    if missing:
        if isinstance(given, TaskInput) and given.optional:
            return {}
        raise ZooError(Problem(name, f"{missing[0]} is missing"))
    return {path.relative_to(root).as_posix(): path for path in paths}


def _local_files(root: Path, given: Input) -> list[Path]:
    if isinstance(given, TaskInput):
        file = split_file(given.definition, given.split, given.data)
        return [] if file is None else [file]
    if isinstance(given, FileInput):
        return [root / given.path]
    if isinstance(given, CorpusInput) and isinstance(given.corpus, FolderCorpus):
        return text_files(root / given.corpus.path)
    if isinstance(given, ModelInput) and isinstance(given.source, FolderSource):
        folder = root / given.source.path
        return sorted({file for pattern in MODEL_FILES for file in folder.glob(pattern)})
    return []


@dataclass(frozen=True)
class Finished:
    """The stages of a suite whose records are here and whose weights are not, as they were."""

    stages: Mapping[str, str]
    """By their keys: the sha256 of job and code."""

    @classmethod
    def read(cls, project: Project, suite: str) -> Self:
        """As an earlier slice left it."""
        path = _finished_file(project, suite)
        return cls(read_json(path, dict) if path.is_file() else {})

    def write(self, project: Project, suite: str) -> None:
        """Leave it for a later slice."""
        stages = [f' "{key}": "{sha}"' for key, sha in sorted(self.stages.items())]
        text = "{\n" + ",\n".join(stages) + "\n}\n" if stages else "{}\n"
        write_file(_finished_file(project, suite), text)

    def holds(self, project: Project, stage: PendingStage) -> bool:
        """Whether a stage is finished as it is declared now."""
        return self.stages.get(stage.key) == identity(project, stage)


def _finished_file(project: Project, suite: str) -> Path:
    return project.scratch / "slices" / f"{suite}.json"


def identity(project: Project, stage: PendingStage) -> str:
    """The sha256 of a stage's job and code."""
    job = stage.stage.job
    code = code_text(project, stage.stage.kind, job)
    return digest([stage.key, job.model_dump(mode="json"), code])


def stages_away(suite: ResolvedSuite) -> list[PendingStage]:
    """The stages of a suite that are built away, in order."""
    return [
        PendingStage(suite.name, pipeline.entry, stage)
        for pipeline in compile_suite(suite)
        for stage in pipeline.stages
        if stage.kind in AWAY
    ]


def stages_left(
    project: Project, suite: ResolvedSuite, entries: Iterable[str] = ()
) -> list[PendingStage]:
    """The stages to build away, of some entries or of all, in order; a finished one only if one
    that is left needs it.

    Raises:
        ZooError: DVC cannot report its status.
    """
    finished = Finished.read(project, suite.name)
    targets = list(entries) or [BOARD_PIPELINE]
    found = {
        stage.key: stage
        for target in targets
        for stage in pending(project, suite, target)
        if stage.stage.kind in AWAY
    }
    behind = [stage for stage in found.values() if finished.holds(project, stage)]
    left = [stage for key, stage in found.items() if stage not in behind]
    while again := [one for one in behind if one not in left and any(s.needs(one) for s in left)]:
        left += again
    return [stage for stage in found.values() if stage in left]


@dataclass(frozen=True)
class Luggage:
    """What is packed, and the stages that are repeated as their weights do not fit."""

    files: Files
    repeated: tuple[str, ...]


def luggage(
    project: Project, suite: ResolvedSuite, most_bytes: float, known: Mapping[str, str]
) -> Luggage:
    """What a build has made so far, as far as it fits; `known` is at the other end already.

    Raises:
        ZooError: DVC cannot report its status.
    """
    left = {stage.key for stage in stages_left(project, suite)}
    stages = stages_away(suite)
    todo = [stage for stage in stages if stage.key in left]
    done = [stage for stage in stages if stage.key not in left]
    needed = [output for stage in todo for output in stage.stage.dependencies]
    chosen = _Bounded(project, most_bytes, known)
    for stage in done:
        chosen.add(output for output in stage.stage.outputs if output.kind not in WEIGHTS)
    weighty = [stage for stage in done if _weights(stage)]
    read = [stage for stage in weighty if any(map(partial(_makes, stage), needed))]
    taken = [stage for stage in read if chosen.add_if_room(_weights(stage))]
    chosen.add_states()
    rest = [stage for stage in weighty if stage not in read]
    taken += [stage for stage in rest if chosen.add_if_room(_weights(stage))]
    behind = [stage for stage in weighty if stage not in taken]
    repeated = [stage for stage in behind if any(other.needs(stage) for other in todo)]
    kept = _with_readers([stage for stage in behind if stage not in repeated], done)
    Finished({stage.key: identity(project, stage) for stage in kept}).write(project, suite.name)
    chosen.add_paths([*_locks(project, suite), _finished_file(project, suite.name)])
    return Luggage(chosen.files, tuple(str(stage) for stage in repeated))


def _weights(stage: PendingStage) -> list[Output]:
    return [output for output in stage.stage.outputs if output.kind in WEIGHTS]


def _makes(stage: PendingStage, needed: Output) -> bool:
    return any(made.touches(needed) for made in _weights(stage))


def _with_readers(
    behind: Sequence[PendingStage], done: Sequence[PendingStage]
) -> list[PendingStage]:
    """Stages whose weights stay, with those that read them: to DVC all of these look changed."""
    found = list(behind)
    while more := [one for one in done if one not in found and any(one.needs(x) for x in found)]:
        found += more
    return found


def _locks(project: Project, suite: ResolvedSuite) -> Iterator[Path]:
    owners = dict.fromkeys(stage.owner for stage in stages_away(suite))
    files = dict.fromkeys(pipeline_file(suite.name, owner) for owner in owners)
    paths = (project.root / file for file in files)
    return (lock for path in paths if (lock := path.with_name(LOCK)).is_file())


def keep_in_cache(locks: Iterable[Path]) -> None:
    """Give DVC's cache the outputs that came with locks: to DVC, what it lacks is not built."""
    from dvc.repo import Repo  # noqa: PLC0415  (slow to import)

    for lock in locks:
        with Repo(str(lock.parent)) as repo, repo.lock:
            for stage in repo.stage.collect(str(lock.with_name("dvc.yaml"))):
                if not any(stage.changed_entries()):
                    stage.commit()


class _Bounded:
    """Files up to a size; records go in any case."""

    def __init__(self, project: Project, most_bytes: float, known: Mapping[str, str]) -> None:
        self._project, self._left, self._known = project, most_bytes, known
        self.files: Files = {}

    def add(self, outputs: Iterable[Output]) -> None:
        self.add_paths(chain.from_iterable(map(self._paths, outputs)))

    def add_paths(self, paths: Iterable[Path]) -> None:
        new = self._new(paths)
        self._left -= _bytes(new)
        self.files |= new

    def add_if_room(self, outputs: Iterable[Output]) -> bool:
        """Whether the files of the outputs are taken along: all of them, and there are some."""
        paths = [*chain.from_iterable(map(self._paths, outputs))]
        new = self._new(paths)
        fits = bool(paths) and _bytes(new) <= self._left
        if fits:
            self._left -= _bytes(new)
            self.files |= new
        return fits

    def add_states(self) -> None:
        """Take along the states of interrupted trainings."""
        for state in sorted((self._project.scratch / "training").glob("*/*.safetensors")):
            if state.stat().st_size <= self._left:
                self.add_paths([state])

    def _new(self, paths: Iterable[Path]) -> Files:
        named = {f"{PROJECT}/{self._project.relative(path)}": path for path in paths}
        return {
            name: path for name, path in named.items() if self._known.get(name) != file_sha256(path)
        }

    def _paths(self, output: Output) -> list[Path]:
        path = self._project.root / output.path
        return (
            [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
        )


def _bytes(files: Files) -> int:
    return sum(path.stat().st_size for path in files.values())
