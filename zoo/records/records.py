"""The union of all kinds of records."""

from typing import Annotated

from pydantic import Field

from zoo.records.attention import AttentionRecord
from zoo.records.export import ExportRecord
from zoo.records.latency import LatencyRecord
from zoo.records.robustness import RobustnessRecord
from zoo.records.score import ScoreRecord
from zoo.records.size import SizeRecord
from zoo.records.training import TrainingRecord, TransferRecord

Record = Annotated[
    TransferRecord
    | TrainingRecord
    | ScoreRecord
    | RobustnessRecord
    | SizeRecord
    | ExportRecord
    | LatencyRecord
    | AttentionRecord,
    Field(discriminator="kind"),
]
