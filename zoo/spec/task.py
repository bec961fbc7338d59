"""The tasks the zoo knows: kind, labels in official order, metrics, where the data lies."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal


class TaskKind(StrEnum):
    """What a model answers: one of several classes, a number, or a span of the context."""

    CLASSIFICATION = "classification"
    REGRESSION = "regression"
    SPAN = "span"


Source = Literal["pocket", "glue", "squad"]


@dataclass(frozen=True)
class Task:
    """One task: all that is fixed by its official definition.

    `labels` are in the order of the class ids (empty for regression and span). `evaluation` names
    the splits that are scored, each apart. `folder` is the task's folder in the GLUE release and
    `config` its name on the hub; both are empty for tasks that are not in GLUE.
    """

    name: str
    source: Source
    kind: TaskKind
    metrics: tuple[str, ...]
    primary: str
    labels: tuple[str, ...] = ()
    evaluation: tuple[str, ...] = ("dev",)
    folder: str = ""
    config: str = ""
    pair: bool = False
    unanswerable: bool = False

    @property
    def outputs(self) -> int:
        """Width of the model's last layer: classes, 1 for a number, 2 (start, end) for a span."""
        return {TaskKind.SPAN: 2, TaskKind.REGRESSION: 1}.get(self.kind, len(self.labels))


_CLASSES, _VALUE, _SPAN = TaskKind.CLASSIFICATION, TaskKind.REGRESSION, TaskKind.SPAN
_ENTAILMENT = ("entailment", "not_entailment")
_NLI = ("entailment", "neutral", "contradiction")
_ACCEPT = ("unacceptable", "acceptable")
_NO_YES = ("not_equivalent", "equivalent")
_F1 = ("f1", "accuracy")
_CORRELATIONS = ("pearson", "spearman")

_TASKS = (
    Task("acceptability", "pocket", _CLASSES, ("matthews", "accuracy"), "matthews", _ACCEPT),
    Task("sentiment", "pocket", _CLASSES, ("accuracy",), "accuracy", ("negative", "positive")),
    Task("paraphrase", "pocket", _CLASSES, _F1, "f1", _NO_YES, pair=True),
    Task("inference", "pocket", _CLASSES, ("accuracy",), "accuracy", _NLI, pair=True),
    Task("similarity", "pocket", _VALUE, _CORRELATIONS, "pearson", pair=True),
    Task("span", "pocket", _SPAN, ("exact_match", "f1"), "f1", pair=True, unanswerable=True),
    Task(
        "cola", "glue", _CLASSES, ("matthews", "accuracy"), "matthews", _ACCEPT,
        folder="CoLA", config="cola",
    ),
    Task(
        "sst2", "glue", _CLASSES, ("accuracy",), "accuracy", ("negative", "positive"),
        folder="SST-2", config="sst2",
    ),
    Task(
        "mrpc", "glue", _CLASSES, _F1, "f1", _NO_YES,
        folder="MRPC", config="mrpc", pair=True,
    ),
    Task(
        "stsb", "glue", _VALUE, _CORRELATIONS, "pearson",
        folder="STS-B", config="stsb", pair=True,
    ),
    Task(
        "qqp", "glue", _CLASSES, _F1, "f1", ("not_duplicate", "duplicate"),
        folder="QQP", config="qqp", pair=True,
    ),
    Task(
        "mnli", "glue", _CLASSES, ("accuracy",), "accuracy", _NLI,
        evaluation=("dev_matched", "dev_mismatched"), folder="MNLI", config="mnli", pair=True,
    ),
    Task(
        "qnli", "glue", _CLASSES, ("accuracy",), "accuracy", _ENTAILMENT,
        folder="QNLI", config="qnli", pair=True,
    ),
    Task(
        "rte", "glue", _CLASSES, ("accuracy",), "accuracy", _ENTAILMENT,
        folder="RTE", config="rte", pair=True,
    ),
    Task(
        "wnli", "glue", _CLASSES, ("accuracy",), "accuracy", ("not_entailment", "entailment"),
        folder="WNLI", config="wnli", pair=True,
    ),
    Task("squad-v1.1", "squad", _SPAN, ("exact_match", "f1"), "f1", pair=True),
    Task("squad-v2.0", "squad", _SPAN, ("exact_match", "f1"), "f1", pair=True, unanswerable=True),
)  # fmt: skip

TASKS: dict[str, Task] = {task.name: task for task in _TASKS}

AX = Task(
    "ax", "glue", _CLASSES, ("matthews",), "matthews", _NLI,
    folder="diagnostic", config="ax", pair=True,
)  # fmt: skip
"""GLUE's diagnostic set: what a model of MNLI answers to it is scored; nothing is trained on it."""
