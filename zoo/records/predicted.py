"""What the records have in common that stored predictions reproduce."""

import hashlib
import json

from zoo.records.robustness import RobustnessRecord
from zoo.records.score import ScoreRecord
from zoo.records.text import record_text

PredictedRun = ScoreRecord | RobustnessRecord
"""The scores of a run on some examples, with its predictions in a file of their own."""


def seal_of(record: PredictedRun) -> str:
    """The sha256 of a record without its predictions' hash, as these contain this hash."""
    stated = json.loads(record_text(record))
    del stated["predictions_sha256"]
    return hashlib.sha256(json.dumps(stated, sort_keys=True).encode()).hexdigest()
