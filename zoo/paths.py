"""Where files are in a project, and how they are written: atomically."""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from zoo.disk import reported
from zoo.errors import Problem, UsageError
from zoo.files import open_file


@dataclass(frozen=True)
class Project:
    """The folders of one checkout of the zoo.

    `specs`, `pipelines` and `results` are committed; `build` holds what this machine made (DVC
    outputs) and `scratch` what only a running or interrupted stage needs.
    """

    root: Path

    @property
    def specs(self) -> Path:
        """The declared suites."""
        return self.root / "specs"

    @property
    def pipelines(self) -> Path:
        """The DVC pipelines written from the specs."""
        return self.root / "pipelines"

    @property
    def results(self) -> Path:
        """The published records and tables."""
        return self.root / "results"

    @property
    def build(self) -> Path:
        """Checkpoints, exports and records made on this machine; never committed."""
        return self.root / "build"

    @property
    def scratch(self) -> Path:
        """State of running and interrupted stages; never an output, never committed."""
        return self.root / ".zoo"

    @property
    def statistics(self) -> Path:
        """Cache of what this machine has computed from predictions."""
        return self.scratch / "statistics"

    def audited(self, suite: str, which: str) -> Path:
        """Which records of a suite this machine has verified against their predictions."""
        return self.scratch / "audited" / f"{suite}-{which}.txt"

    def answers(self, suite: str, teacher: str, task: str, seed: int) -> Path:
        """What a teacher's checkpoint answers to the sequences it was asked about."""
        return self.scratch / "answers" / suite / teacher / task / str(seed)

    def entry(self, suite: str, entry: str) -> "EntryFolder":
        """Where the stages of one entry write their outputs."""
        return EntryFolder(self.build / suite / entry)

    def inputs(self, suite: str) -> Path:
        """The inputs of a suite as a build last saw them."""
        return self.build / suite / "inputs"

    def study(self, suite: str, study: str) -> Path:
        """Where the tables of one study are built."""
        return self.build / suite / study / "study"

    def built_tables(self, suite: str) -> Path:
        """Where the tables of a suite are built."""
        return self.build / suite / "board"

    def published_studies(self, suite: str) -> Path:
        """Where the studies of a suite are published."""
        return self.results / suite / "studies"

    def inside(self, relative: str | Path) -> Path:
        """`relative` as a path of this project.

        Raises:
            UsageError: it is outside the project.
        """
        path = _real(self.root / relative)
        if not path.is_relative_to(_real(self.root)):
            raise UsageError(
                Problem(
                    str(relative), "this path is outside the project", f"a path below {self.root}"
                )
            )
        return path

    def relative(self, path: Path) -> str:
        """`path` as it is written in specs, records and messages: from the root, with slashes.

        A link goes by its own name, unless only what it leads to is inside.
        """
        for of in (_absolute, _real):
            if of(path).is_relative_to(of(self.root)):
                return of(path).relative_to(of(self.root)).as_posix()
        return str(path)


@dataclass(frozen=True)
class EntryFolder:
    """The outputs of one entry's stages: checkpoints, records, exports."""

    root: Path

    @property
    def pretrained(self) -> Path:
        """A teacher's weights before any task, or those that a student is given."""
        return self.root / "pretrained"

    @property
    def transferred(self) -> Path:
        """A student's weights after its corpus stages."""
        return self.root / "transferred"

    @property
    def pretrained_projections(self) -> Path:
        """Projections that came with a student's given weights."""
        return projections_beside(self.pretrained)

    @property
    def transferred_projections(self) -> Path:
        """Projections that a student's corpus stages learnt."""
        return projections_beside(self.transferred)

    @property
    def transfer_records(self) -> Path:
        """The record of its corpus stages."""
        return self.root / "transfer"

    def transfer_record(self, seed: int) -> Path:
        """The record of its corpus stages with a seed."""
        return self.transfer_records / f"transfer-{seed}.json"

    @property
    def gate(self) -> Path:
        """Which tasks a teacher is good enough for."""
        return self.root / "gate.json"

    @property
    def word_gate(self) -> Path:
        """Whether what a teacher predicts for masked tokens may be read."""
        return self.root / "word-gate.json"

    @property
    def runs(self) -> Path:
        """The models of its runs, by task and seed."""
        return self.root / "runs"

    def checkpoint(self, task: str, seed: int) -> Path:
        """The model of a run."""
        return self.runs / task / str(seed)

    @property
    def training_records(self) -> Path:
        """The records of its runs, by task and seed."""
        return self.root / "training"

    def training_record(self, task: str, seed: int) -> Path:
        """The record of a run."""
        return self.training_records / task / str(seed) / f"training-{task}-{seed}.json"

    @property
    def score(self) -> Path:
        """Score and size records, and predictions."""
        return self.root / "score"

    @property
    def robustness(self) -> Path:
        """Records and predictions on altered examples."""
        return self.root / "robustness"

    @property
    def attention(self) -> Path:
        """A study's comparisons of attention, by the entry that was compared."""
        return self.root / "attention"

    @property
    def export(self) -> Path:
        """ONNX files and their records."""
        return self.root / "export"

    @property
    def latency(self) -> Path:
        """Latency records and samples."""
        return self.root / "latency"

    def bench(self, device: str) -> Path:
        """Latency records and samples made on request, outside the pipeline."""
        return self.root / "bench" / device

    @property
    def onnx(self) -> Path:
        """ONNX files made on request, outside the pipeline."""
        return self.root / "onnx"

    @property
    def submission(self) -> Path:
        """Prediction files for the official servers."""
        return self.root / "submission"


def projections_beside(weights: Path) -> Path:
    """The file of the projections learnt with some weights: outside their folder."""
    return weights.with_name(f"{weights.name}.projections.safetensors")


def onnx_name(task: str, precision: str) -> str:
    """The file of a task's model in an entry's export folder."""
    return f"{task}-{precision}.onnx"


SAMPLES = "samples"
"""The folder of raw latency samples beside the records that sum them up."""


def find_project(start: Path | None = None) -> Project:
    """The project that contains `start` (by default the working folder).

    Raises:
        UsageError: no folder above it holds `specs/`.
    """
    here = (start or Path.cwd()).resolve()
    for folder in (here, *here.parents):
        if (folder / "specs").is_dir():
            return Project(folder)
    raise UsageError(
        Problem(
            str(here),
            "this folder is not part of a zoo",
            "a folder that contains specs/, or one below it",
            "cd into a checkout of the zoo",
        )
    )


def data_folder() -> Path | None:
    """The folder that replaces the hub (`ZOO_DATA`), if one is named, as an absolute path.

    Raises:
        UsageError: there is no such folder.
    """
    named = os.environ.get("ZOO_DATA")
    if not named:
        return None
    folder = _absolute(named)
    if folder.is_dir():
        return folder
    given = "this is a file" if folder.exists() else "there is no such folder"
    raise UsageError(
        Problem(
            f"ZOO_DATA={named}",
            f"{folder}: {given}",
            "a folder laid out as GLUE and SQuAD: glue/<TASK>/, squad/, models/, corpus/",
            "name an existing folder (relative to the working folder), or unset ZOO_DATA",
        )
    )


def fix_data_folder() -> None:
    """Make `ZOO_DATA` absolute, so that it means the same to stages, which run elsewhere."""
    named = os.environ.get("ZOO_DATA")
    if named:
        os.environ["ZOO_DATA"] = str(_absolute(named))


def _real(path: Path) -> Path:
    """A path with its links followed as far as they lead: `resolve` fails where they circle."""
    return Path(os.path.realpath(path))


def _absolute(named: str | Path) -> Path:
    """A path as a shell would read it in the working folder, links left as they are."""
    return Path(os.path.abspath(os.path.expanduser(named)))  # noqa: PTH100, PTH111  (keep unknown ~)


def file_sha256(path: Path) -> str:
    """sha256 of a file's bytes.

    Raises:
        ZooError: it is missing, not a regular file, or unreadable.
    """
    with open_file(path) as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def write_file(path: Path, content: str | bytes) -> None:
    """Write `content` to `path` atomically: after a crash there is the old file or the new one."""
    payload = content.encode() if isinstance(content, str) else content
    with reported(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(payload)
                file.flush()
                os.fsync(file.fileno())
            Path(temporary).chmod(0o644)
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """A temporary folder that replaces `path` when the block ends without an error."""
    with reported(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
        temporary.chmod(0o755)
    try:
        with reported(path, only_room=True):
            yield temporary
        with reported(path):
            replace_folder(temporary, path)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def replace_folder(source: Path, target: Path) -> None:
    """Replace `target` by `source`; the old folder is removed only once the new one is there."""
    if not target.exists():
        source.rename(target)
        return
    old = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}.old."))
    target.rename(old / "gone")
    try:
        source.rename(target)
    except BaseException:
        (old / "gone").rename(target)
        old.rmdir()
        raise
    shutil.rmtree(old, ignore_errors=True)
