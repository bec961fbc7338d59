"""A suite's external inputs, as their files are: what DVC compares before it builds.

Text is compared, one line a file, `<sha256>  <path>`. A change of bytes makes stages run again;
whether their digest changes is decided by what they read.
"""

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from zoo.data.absent import absent_inputs, known_input
from zoo.data.inputs_file import ABSENT
from zoo.data.sources import split_file
from zoo.paths import Project, data_folder, file_sha256, write_file
from zoo.spec.base import digest
from zoo.spec.corpus import FolderCorpus, HubCorpus
from zoo.spec.data import PinnedData
from zoo.spec.jobs import CorpusInput, FileInput, Input, InputsJob, ModelInput, TaskInput
from zoo.spec.teacher import FolderSource, HubSource

MODEL_FILES = (
    "config.json",
    "*.safetensors",
    "*.safetensors.index.json",
    "tokenizer*.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.*",
    "merges.txt",
)
"""What of a model's folder decides what the model computes: weights, configuration, tokenizer."""
TEXT_FILES = ("*.txt", "*.txt.gz", "*.txt.xz")


def look_at_inputs(project: Project, job: InputsJob) -> None:
    """Write down what every input of a suite is now."""
    found = {name: files_text(given) for name, given in job.inputs.items()}
    for name, text in _completed(project, job, found).items():
        write_file(project.inputs(job.suite) / f"{name}.txt", text)
        if found[name] is not None:
            write_file(known_input(project, job.suite, name), text)


def changed_inputs(project: Project, job: InputsJob) -> list[str]:
    """The inputs that have changed since the last build, or that none has read."""
    return [
        name
        for name, text in current_inputs(project, job).items()
        if _read(project.inputs(job.suite) / f"{name}.txt") != text
    ]


def current_inputs(project: Project, job: InputsJob) -> dict[str, str]:
    """What every input is now, by name: its files, or the commit of the hub that holds it.

    One whose files cannot be reached is what it was when they last were: what is built of it
    stands, and to forget `ZOO_DATA` builds nothing again.
    """
    found = {name: files_text(given) for name, given in job.inputs.items()}
    return _completed(project, job, found)


def _completed(project: Project, job: InputsJob, found: Mapping[str, str | None]) -> dict[str, str]:
    """What was found, with something to say of what was not."""
    absent = absent_inputs(project, job)
    gone = [name for name, text in found.items() if text is None and name not in absent]
    known = {name: _read(known_input(project, job.suite, name)) for name in gone}
    kept = [name for name in gone if known[name] is not None]
    if kept:
        why = f"not reachable, taken as unchanged: {', '.join(kept)} (is ZOO_DATA set?)"
        print(f"{job.suite}: {why}", file=sys.stderr)  # noqa: T201
    told = {
        name: text or known[name] or pinned_text(job.inputs[name]) or UNKNOWN
        for name, text in found.items()
        if name not in absent
    }
    return {name: told.get(name, ABSENT) for name in found}


UNKNOWN = "not to be reached\n"


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None


def files_text(given: Input) -> str | None:
    """What the files of an input are now, a line each; None where they cannot be reached.

    Files declared with their hashes are those, wherever they are.
    """
    if isinstance(given, ModelInput) and isinstance(given.source, HubSource) and given.source.files:
        return "".join(f"{sha}  {name}\n" for name, sha in sorted(given.source.files.items()))
    files = sorted(set(_files(given)))
    if not files or not all(file.is_file() for file in files):
        return None
    root = data_folder() or Path()
    return "".join(f"{file_sha256(file)}  {file.relative_to(root).as_posix()}\n" for file in files)


def model_sha256(folder: Path) -> str:
    """Identity of a third-party model: its weights, configuration and tokenizer."""
    files = sorted({file for pattern in MODEL_FILES for file in folder.glob(pattern)})
    return files_sha256({file.name: file_sha256(file) for file in files})


def files_sha256(hashes: Mapping[str, str]) -> str:
    """Identity of a model whose files have these hashes, by name."""
    return digest(dict(hashes))


def pinned_text(given: Input) -> str | None:
    """The commit of the hub that holds an input, which cannot change; None of what is not there."""
    if isinstance(given, ModelInput) and isinstance(given.source, HubSource):
        return f"hub {given.source.id}@{given.source.revision}\n"
    if isinstance(given, CorpusInput) and isinstance(given.corpus, HubCorpus):
        return f"hub {given.corpus.id}@{given.corpus.revision}\n"
    if isinstance(given, TaskInput) and isinstance(given.data, PinnedData):
        return f"hub {given.task} {given.split}@{given.data.revision}\n"
    return None


def _files(given: Input) -> Iterator[Path]:
    root = data_folder()
    if root is None:
        return
    if isinstance(given, TaskInput):
        file = split_file(given.definition, given.split, given.data)
        if file is not None:
            yield file
    elif isinstance(given, FileInput):
        yield root / given.path
    elif isinstance(given, ModelInput) and isinstance(given.source, FolderSource):
        folder = root / given.source.path
        yield from (file for pattern in MODEL_FILES for file in folder.glob(pattern))
    elif isinstance(given, CorpusInput) and isinstance(given.corpus, FolderCorpus):
        path = root / given.corpus.path
        yield from corpus_files(path) if path.is_dir() else [path]


def corpus_files(folder: Path) -> Iterator[Path]:
    """The files of a folder of texts; others are not read."""
    yield from (file for pattern in TEXT_FILES for file in folder.glob(pattern))
