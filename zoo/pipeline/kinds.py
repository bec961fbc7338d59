"""The kinds of stages: one row each, with all that depends on the kind."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from zoo.paths import Project
from zoo.spec.bench import ENGINES
from zoo.spec.jobs import InputsJob, Job, PretrainJob, TrainJob, TransferJob
from zoo.spec.measuring import (
    BoardJob,
    ExportJob,
    GateJob,
    LatencyJob,
    RobustnessJob,
    ScoreJob,
    WordGateJob,
)
from zoo.spec.study import AttentionJob, StudyJob

StageRunner = Callable[[Project, Any], None]


@dataclass(frozen=True)
class StageKind:
    """A kind of stage: its job and the code that runs it."""

    name: str
    job: type[Job]
    module: str
    """Its runner: imported on use, since it imports the model libraries."""
    function: str
    code: str
    """The part of the code whose fingerprint DVC tracks; kinds may share one."""
    started: tuple[str, ...] = ()
    """Further modules that it runs in separate processes."""
    together: bool = False
    """Whether the processes that a launcher started do it together; else the first one does it."""

    def runner(self) -> StageRunner:
        """The runner."""
        runner: StageRunner = vars(importlib.import_module(self.module))[self.function]
        return runner


INPUTS = StageKind("inputs", InputsJob, "zoo.data.inputs", "look_at_inputs", "inputs")
PRETRAIN = StageKind(
    "pretrain", PretrainJob, "zoo.training.pretrain", "pretrain", "training", together=True
)
TRANSFER = StageKind(
    "transfer", TransferJob, "zoo.training.run", "transfer", "training", together=True
)
TRAIN = StageKind("train", TrainJob, "zoo.training.run", "train_runs", "training", together=True)
SCORE = StageKind("score", ScoreJob, "zoo.evaluation.score_runs", "score_runs", "score")
ROBUSTNESS = StageKind(
    "robustness",
    RobustnessJob,
    "zoo.evaluation.score_altered",
    "score_robustness",
    "robustness",
)
GATE = StageKind("gate", GateJob, "zoo.evaluation.gate", "open_gate", "gate")
WORD_GATE = StageKind("word-gate", WordGateJob, "zoo.evaluation.gate", "open_word_gate", "gate")
EXPORT = StageKind("export", ExportJob, "zoo.export.export_runs", "export_runs", "export")
LATENCY = StageKind(
    "latency",
    LatencyJob,
    "zoo.latency.time_runs",
    "time_runs",
    "latency",
    ("zoo.latency.engine", *(engine.runner for engine in ENGINES)),
)
STUDY_ATTENTION = StageKind(
    "attention", AttentionJob, "zoo.evaluation.attention", "compare_attention", "attention"
)
BOARD = StageKind("board", BoardJob, "zoo.board.publish", "build_board", "board")
STUDY = StageKind("study", StudyJob, "zoo.board.studies", "build_study", "study")

STAGE_KINDS = {
    kind.name: kind
    for kind in (
        *(INPUTS, PRETRAIN, WORD_GATE, TRANSFER, TRAIN, SCORE, GATE),
        *(ROBUSTNESS, EXPORT, LATENCY, STUDY_ATTENTION, BOARD, STUDY),
    )
}


def code_roots(part: str) -> tuple[str, ...]:
    """The root modules of a part of the code."""
    kinds = [kind for kind in STAGE_KINDS.values() if kind.code == part]
    return tuple(dict.fromkeys(module for kind in kinds for module in (kind.module, *kind.started)))
