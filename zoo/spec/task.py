"""The tasks of the zoo, each with its full definition.

Kind, labels in official order and metrics; where its files lie, how they are laid out and which
reader reads them; and what an official server takes.
"""

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field
from enum import StrEnum
from typing import Literal


class TaskKind(StrEnum):
    """What a model answers: one of several classes, a number, or a span of the context."""

    CLASSIFICATION = "classification"
    REGRESSION = "regression"
    SPAN = "span"


class Reader(StrEnum):
    """Who reads the examples of a task; `zoo.data.readers` has the code."""

    GENERATOR = "generator"
    TSV = "tsv"
    JSON_LINES = "json-lines"
    SQUAD_JSON = "squad-json"


@dataclass(frozen=True)
class Columns:
    """Where the texts and the label of an example are.

    `named` are the columns of files without a header. `written` is how files write the classes, in
    the order of their ids, where not by their names. `ragged` says that the release is known to
    hold rows that are cut short. `hub_texts` and `hidden_texts` name the text columns on the hub
    and in files of test sets, where these are others.
    """

    texts: tuple[str, ...]
    label: str = "label"
    named: tuple[str, ...] = ()
    written: tuple[str, ...] = ()
    ragged: bool = False
    hub_texts: tuple[str, ...] = ()
    hidden_texts: tuple[str, ...] = ()

    @property
    def wanted(self) -> tuple[str, ...]:
        """The columns that a file must have; a test set has no label."""
        return (*self.texts, self.label) if self.label else self.texts

    @property
    def on_hub(self) -> tuple[str, ...]:
        """The text columns on the hub."""
        return self.hub_texts or self.texts

    @property
    def in_test_set(self) -> tuple[str, ...]:
        """The text columns of a test set without labels."""
        return self.hidden_texts or self.texts


@dataclass(frozen=True)
class Hub:
    """A data set of the hub; `source` is the kind of data source that pins its commit.

    `revision` is the commit that is read where a suite states none; those of GLUE and SQuAD are
    defaults of a suite's `data`. `splits` are the names of splits that do not follow the rule.
    """

    id: str
    config: str | None = None
    source: Literal["glue", "squad", "release"] = "glue"
    revision: str = ""
    splits: Mapping[str, str] = field(default_factory=dict, hash=False)

    def split(self, name: str) -> str:
        """The name that a split has on the hub."""
        return self.splits.get(name, name.replace("dev", "validation"))


@dataclass(frozen=True)
class Submission:
    """The prediction files that an official server takes.

    A span task has one JSON object of answers; the others have tables of index and prediction.

    `files` are their names by split. `labels` is how the server writes classes, in the order of
    their ids.
    """

    files: Mapping[str, str] = field(hash=False)
    labels: tuple[str, ...] = ()


@dataclass(frozen=True)
class Task:
    """One task: all that is fixed by its official definition.

    `labels` are in the order of the class ids (empty for regression and span), `limits` those of
    a number that a regression answers. `evaluation` names the splits that are scored, each apart;
    `hidden` those whose labels only the server knows. `home` is its folder below `$ZOO_DATA` and
    `file` the name of a split's file there; `paths` are files that lie elsewhere, from `$ZOO_DATA`,
    and `originals` those that stand in for a file that is not there. A model of the task answers
    its `diagnostic` set too.
    """

    name: str
    reader: Reader
    kind: TaskKind
    metrics: tuple[str, ...]
    primary: str
    labels: tuple[str, ...] = ()
    _: KW_ONLY
    columns: Columns = Columns(())
    limits: tuple[float, float] | None = None
    evaluation: tuple[str, ...] = ("dev",)
    hidden: tuple[str, ...] = ()
    home: str = ""
    file: str = "{split}.tsv"
    paths: Mapping[str, str] = field(default_factory=dict, hash=False)
    originals: Mapping[str, str] = field(default_factory=dict, hash=False)
    hub: Hub | None = None
    submission: Submission | None = None
    diagnostic: "Task | None" = None
    pair: bool = False
    unanswerable: bool = False

    @property
    def outputs(self) -> int:
        """Width of the model's last layer: classes, 1 for a number, 2 (start, end) for a span."""
        return {TaskKind.SPAN: 2, TaskKind.REGRESSION: 1}.get(self.kind, len(self.labels))

    @property
    def written(self) -> tuple[str, ...]:
        """How files write the classes, in the order of their ids."""
        return self.columns.written or self.labels

    @property
    def mend(self) -> str:
        """How to fix a damaged file of it."""
        if self.home:
            return f"download {self.home} of the official release again"
        return f"correct the file, or its description in tasks/{self.name}.yaml"

    def path(self, split: str) -> str:
        """The file of a split, from `$ZOO_DATA`."""
        return self.paths.get(split) or f"{self.home}/{self.file.format(split=split)}"


_CLASSES, _VALUE, _SPAN = TaskKind.CLASSIFICATION, TaskKind.REGRESSION, TaskKind.SPAN
_MADE, _TSV, _SQUAD = Reader.GENERATOR, Reader.TSV, Reader.SQUAD_JSON
_ENTAILMENT = ("entailment", "not_entailment")
_NLI = ("entailment", "neutral", "contradiction")
_ACCEPT = ("unacceptable", "acceptable")
_MOOD = ("negative", "positive")
_NO_YES = ("not_equivalent", "equivalent")
_ACCURACY, _MATTHEWS, _F1 = ("accuracy",), ("matthews", "accuracy"), ("f1", "accuracy")
_CORRELATIONS = ("pearson", "spearman")
_SPANS = ("exact_match", "f1")
_DIGITS = ("0", "1")
_SENTENCE, _SENTENCES = ("sentence",), ("sentence1", "sentence2")
_TEST = ("test",)
GLUE, SQUAD, SQUAD_V2 = "nyu-mll/glue", "rajpurkar/squad", "rajpurkar/squad_v2"


def _table(name: str, labels: tuple[str, ...] = ()) -> Submission:
    """One table for the dev split and for the test split."""
    return Submission({"dev": name, "test": name}, labels)


_ANSWERS = Submission({"dev": "predictions.json"})

AX = Task(
    "ax", _TSV, _CLASSES, ("matthews",), "matthews", _NLI,
    columns=Columns(
        ("Premise", "Hypothesis"), "Label",
        hub_texts=("premise", "hypothesis"), hidden_texts=_SENTENCES,
    ),
    evaluation=(), hidden=("diagnostic",), home="glue/diagnostic",
    hub=Hub(GLUE, "ax", splits={"diagnostic": "test"}),
    submission=Submission({"diagnostic": "AX.tsv"}, _NLI), pair=True,
)  # fmt: skip
"""GLUE's diagnostic set: what a model of MNLI answers to it is scored; nothing is trained on it."""

_TASKS = (
    Task("acceptability", _MADE, _CLASSES, _MATTHEWS, "matthews", _ACCEPT),
    Task("sentiment", _MADE, _CLASSES, _ACCURACY, "accuracy", _MOOD),
    Task("paraphrase", _MADE, _CLASSES, _F1, "f1", _NO_YES, pair=True),
    Task("inference", _MADE, _CLASSES, _ACCURACY, "accuracy", _NLI, pair=True),
    Task("similarity", _MADE, _VALUE, _CORRELATIONS, "pearson", pair=True),
    Task("span", _MADE, _SPAN, _SPANS, "f1", pair=True, unanswerable=True),
    Task(
        "cola", _TSV, _CLASSES, _MATTHEWS, "matthews", _ACCEPT,
        columns=Columns(
            _SENTENCE, named=("source", "label", "mark", "sentence"), written=_DIGITS,
        ),
        home="glue/CoLA", hub=Hub(GLUE, "cola"), hidden=_TEST,
        submission=_table("CoLA.tsv", _DIGITS),
    ),
    Task(
        "sst2", _TSV, _CLASSES, _ACCURACY, "accuracy", _MOOD,
        columns=Columns(_SENTENCE, written=_DIGITS),
        home="glue/SST-2", hub=Hub(GLUE, "sst2"), hidden=_TEST,
        submission=_table("SST-2.tsv", _DIGITS),
    ),
    Task(
        "mrpc", _TSV, _CLASSES, _F1, "f1", _NO_YES,
        columns=Columns(
            ("#1 String", "#2 String"), "Quality", written=_DIGITS, hub_texts=_SENTENCES,
        ),
        home="glue/MRPC", hub=Hub(GLUE, "mrpc"), hidden=_TEST,
        originals={"test": "glue/MRPC/msr_paraphrase_test.txt"},
        submission=_table("MRPC.tsv", _DIGITS), pair=True,
    ),
    Task(
        "stsb", _TSV, _VALUE, _CORRELATIONS, "pearson",
        columns=Columns(_SENTENCES, "score"), limits=(0.0, 5.0),
        home="glue/STS-B", hub=Hub(GLUE, "stsb"), hidden=_TEST,
        submission=_table("STS-B.tsv"), pair=True,
    ),
    Task(
        "qqp", _TSV, _CLASSES, _F1, "f1", ("not_duplicate", "duplicate"),
        columns=Columns(
            ("question1", "question2"), "is_duplicate", written=_DIGITS, ragged=True,
        ),
        home="glue/QQP", hub=Hub(GLUE, "qqp"), hidden=_TEST,
        submission=_table("QQP.tsv", _DIGITS), pair=True,
    ),
    Task(
        "mnli", _TSV, _CLASSES, _ACCURACY, "accuracy", _NLI,
        columns=Columns(_SENTENCES, "gold_label", hub_texts=("premise", "hypothesis")),
        evaluation=("dev_matched", "dev_mismatched"), hidden=("test_matched", "test_mismatched"),
        home="glue/MNLI", hub=Hub(GLUE, "mnli"), diagnostic=AX,
        submission=Submission(
            {
                "dev_matched": "MNLI-m.tsv", "dev_mismatched": "MNLI-mm.tsv",
                "test_matched": "MNLI-m.tsv", "test_mismatched": "MNLI-mm.tsv",
            },
            _NLI,
        ),
        pair=True,
    ),
    Task(
        "qnli", _TSV, _CLASSES, _ACCURACY, "accuracy", _ENTAILMENT,
        columns=Columns(("question", "sentence")),
        home="glue/QNLI", hub=Hub(GLUE, "qnli"), hidden=_TEST,
        submission=_table("QNLI.tsv", _ENTAILMENT), pair=True,
    ),
    Task(
        "rte", _TSV, _CLASSES, _ACCURACY, "accuracy", _ENTAILMENT,
        columns=Columns(_SENTENCES),
        home="glue/RTE", hub=Hub(GLUE, "rte"), hidden=_TEST,
        submission=_table("RTE.tsv", _ENTAILMENT), pair=True,
    ),
    Task(
        "wnli", _TSV, _CLASSES, _ACCURACY, "accuracy", ("not_entailment", "entailment"),
        columns=Columns(_SENTENCES, written=_DIGITS),
        home="glue/WNLI", hub=Hub(GLUE, "wnli"), hidden=_TEST,
        submission=_table("WNLI.tsv", _DIGITS), pair=True,
    ),
    Task(
        "squad-v1.1", _SQUAD, _SPAN, _SPANS, "f1",
        home="squad", file="{split}-v1.1.json", hub=Hub(SQUAD, source="squad"),
        submission=_ANSWERS, pair=True,
    ),
    Task(
        "squad-v2.0", _SQUAD, _SPAN, _SPANS, "f1",
        home="squad", file="{split}-v2.0.json", hub=Hub(SQUAD_V2, source="squad"),
        submission=_ANSWERS, pair=True, unanswerable=True,
    ),
    Task(
        "boolq", Reader.JSON_LINES, _CLASSES, _ACCURACY, "accuracy", ("False", "True"),
        columns=Columns(("passage", "question"), written=("false", "true")),
        home="superglue/BoolQ", file="{split}.jsonl", paths={"dev": "superglue/BoolQ/val.jsonl"},
        hub=Hub(
            "aps/super_glue", "boolq", source="release",
            revision="3de24cf8022e94f4ee4b9d55a6f539891524d646",
        ),
        pair=True,
    ),
)  # fmt: skip

TASKS: dict[str, Task] = {task.name: task for task in _TASKS}
