"""The kinds of records there are."""

from typing import Annotated, Literal

from pydantic import Field

from zoo.records.environment import Environment
from zoo.spec.base import Spec

SCHEMA = 1


class _Measured(Spec):
    """What every record says of itself: which run it is about, and where it was taken."""

    schema_version: int = SCHEMA
    suite: str
    entry: str
    task: str
    seed: int
    digest: str
    """Identity of the run it measures."""
    environment: Environment


class PhaseRecord(Spec):
    """One phase of a training as it went."""

    name: str
    steps: int
    left: str
    """Why it ended."""
    losses: dict[str, float]
    """Each term's last value."""
    report: dict[str, list[float | int | str]] | None = None
    """What the stage's surgery noted on its way, as equally long columns."""


class TransferRecord(_Measured):
    """How an entry was trained on the corpus; `task` is `corpus`, `digest` the transfer's own."""

    kind: Literal["transfer"] = "transfer"
    seconds: float
    threads: int
    phases: tuple[PhaseRecord, ...]

    @property
    def name(self) -> str:
        """The record's file name."""
        return f"transfer-{self.seed}"


class TrainingRecord(_Measured):
    """How a run was trained."""

    kind: Literal["training"] = "training"
    seconds: float
    threads: int
    examples: int
    augmented_examples: int | None = None
    """With their copies, where a stage read augmented data."""
    data_sha256: str
    """Of the training examples."""
    phases: tuple[PhaseRecord, ...]

    @property
    def name(self) -> str:
        """The record's file name."""
        return f"training-{self.task}-{self.seed}"


class ScoreRecord(_Measured):
    """How well a run answers one dev split; metrics on their natural scale, None: undefined."""

    kind: Literal["score"] = "score"
    method: str
    """`teacher` for a teacher's own entry."""
    teacher: str
    twin: str | None
    """The entry that trains the same student without a teacher."""
    split: str
    examples: int
    data_sha256: str
    """Of the scored examples."""
    primary: str
    metrics: dict[str, float | None]
    majority: dict[str, float | None]
    """What the best constant answer, learnt from the training labels, scores."""
    constant: bool
    """Whether the model gives the same answer to every example."""

    @property
    def name(self) -> str:
        """The record's file name."""
        return f"score-{self.task}-{self.split}-{self.seed}"

    @property
    def predictions(self) -> str:
        """The file name of the answers it is made of."""
        return f"{self.task}-{self.split}-{self.seed}.parquet"


class SizeRecord(_Measured):
    """How large a run's model is; tied weights count once."""

    kind: Literal["size"] = "size"
    parameters: int
    embedding: int
    """Word, position and token type tables."""
    non_embedding: int
    checkpoint_bytes: int
    """Of model.safetensors."""

    @property
    def name(self) -> str:
        """The record's file name."""
        return f"size-{self.task}-{self.seed}"


class ExportRecord(_Measured):
    """How an exported model agrees with its source."""

    kind: Literal["export"] = "export"
    precision: Literal["fp32", "int8"]
    bytes: int
    max_length: int
    """Longest sequence the file takes, in pieces."""
    compared: int
    """Dev examples that both answered."""
    max_abs_error: float
    flips: int
    """Examples with another prediction."""

    @property
    def name(self) -> str:
        """The record's file name."""
        return f"export-{self.task}-{self.precision}-{self.seed}"


class LatencyRecord(_Measured):
    """How long one call takes, beside the teacher's in the same process and rounds."""

    kind: Literal["latency"] = "latency"
    runtime: str
    provider: str
    batch_size: int
    length: int
    threads: int
    samples: int
    warmup_calls: int
    latency_ms_p50: float | None
    latency_ms_p90: float | None
    """None where there are too few samples for the percentile."""
    teacher_ms_p50: float | None
    ratio: float | None
    """This model's time over the teacher's, round by round: below 1 it is faster."""
    ratio_low: float | None
    ratio_high: float | None
    """95 % bootstrap interval over rounds; None where there are too few samples."""
    load_before: float
    load_after: float
    """Load average of the machine, one minute."""

    @property
    def name(self) -> str:
        """The record's file name."""
        return f"latency-{self.task}-{self.runtime}-{self.seed}"


Record = Annotated[
    TransferRecord | TrainingRecord | ScoreRecord | SizeRecord | ExportRecord | LatencyRecord,
    Field(discriminator="kind"),
]
