"""Typed outputs of stages: their kind, their entry, and their path."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from functools import cache
from pathlib import Path

from zoo.paths import EntryFolder, Project


class OutputKind(Enum):
    """The kind of an output."""

    INPUT = "what an input of the suite was when it was looked at"
    PRETRAINED = "first weights"
    PRETRAINED_PROJECTIONS = "projections that came with first weights"
    TRANSFERRED = "weights after the corpus stages"
    TRANSFERRED_PROJECTIONS = "projections that the corpus stages learnt"
    TRANSFER = "the record of the corpus stages"
    RUNS = "the models of runs"
    TRAINING = "the training records of runs"
    SCORE = "scores and sizes"
    ROBUSTNESS = "scores on altered examples"
    GATE = "what a teacher may teach"
    WORD_GATE = "whether a teacher's words may be read"
    EXPORT = "ONNX files and their records"
    LATENCY = "latency records"
    ATTENTION = "how far a variant's attention is from its teacher's"
    STUDY = "the tables of a study"
    BOARD = "the tables of a suite"


RECORDS = (
    OutputKind.TRANSFER,
    OutputKind.TRAINING,
    OutputKind.SCORE,
    OutputKind.ROBUSTNESS,
    OutputKind.EXPORT,
    OutputKind.LATENCY,
)
"""The outputs that tables are built from."""
FIRST_WEIGHTS = (
    OutputKind.PRETRAINED,
    OutputKind.PRETRAINED_PROJECTIONS,
    OutputKind.TRANSFERRED,
    OutputKind.TRANSFERRED_PROJECTIONS,
)
"""The outputs that runs start from; variants of a study share them."""


Steps = tuple[str, ...]
"""The part of an output: a task, a task and a seed, or a file; empty for the whole."""


@dataclass(frozen=True)
class Output:
    """One output of a stage, or of several stages together."""

    kind: OutputKind
    suite: str
    entry: str
    place: Steps = ()

    def holds(self, other: "Output") -> bool:
        """Whether the other output is this one or a part of it."""
        same = (self.kind, self.suite, self.entry) == (other.kind, other.suite, other.entry)
        return same and other.place[: len(self.place)] == self.place

    def touches(self, other: "Output") -> bool:
        """Whether one contains the other, so that a change of either changes both."""
        return self.holds(other) or other.holds(self)

    @property
    def path(self) -> str:
        """The path for DVC, relative to the project root."""
        return _path(self)


@cache
def _path(output: Output) -> str:
    return _PATHS[output.kind](output).as_posix()


def _folder(output: Output) -> EntryFolder:
    return Project(Path()).entry(output.suite, output.entry)


_PATHS: dict[OutputKind, Callable[[Output], Path]] = {
    OutputKind.INPUT: lambda one: Project(Path()).inputs(one.suite).joinpath(*one.place),
    OutputKind.PRETRAINED: lambda one: _folder(one).pretrained,
    OutputKind.PRETRAINED_PROJECTIONS: lambda one: _folder(one).pretrained_projections,
    OutputKind.TRANSFERRED: lambda one: _folder(one).transferred,
    OutputKind.TRANSFERRED_PROJECTIONS: lambda one: _folder(one).transferred_projections,
    OutputKind.TRANSFER: lambda one: _folder(one).transfer_records,
    OutputKind.RUNS: lambda one: _folder(one).runs.joinpath(*one.place),
    OutputKind.TRAINING: lambda one: _folder(one).training_records.joinpath(*one.place),
    OutputKind.SCORE: lambda one: _folder(one).score,
    OutputKind.ROBUSTNESS: lambda one: _folder(one).robustness,
    OutputKind.GATE: lambda one: _folder(one).gate,
    OutputKind.WORD_GATE: lambda one: _folder(one).word_gate,
    OutputKind.EXPORT: lambda one: _folder(one).export,
    OutputKind.LATENCY: lambda one: _folder(one).latency,
    OutputKind.ATTENTION: lambda one: _folder(one).attention.joinpath(*one.place),
    OutputKind.STUDY: lambda one: Project(Path()).study(one.suite, one.entry),
    OutputKind.BOARD: lambda one: Project(Path()).built_tables(one.suite),
}
