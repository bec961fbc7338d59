"""Writing records: sorted JSON, numbers rounded to six digits."""

import json
from pathlib import Path
from typing import Any

from zoo.paths import write_file
from zoo.records.measured import MeasuredRun

SIGNIFICANT_DIGITS = 6
"""Significant digits of numbers on disk, so that an error of 1e-7 is not lost."""


def write_record(folder: Path, record: MeasuredRun) -> None:
    """Write a record under its own name."""
    write_file(folder / f"{record.name}.json", record_text(record))


def record_text(record: MeasuredRun) -> str:
    """The canonical text of a record."""
    return json.dumps(_rounded(record.model_dump(mode="json")), indent=1, sort_keys=True) + "\n"


def as_written(number: float) -> float:
    """A number as it stands in a record."""
    return float(f"{number:.{SIGNIFICANT_DIGITS}g}")


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return as_written(value)
    if isinstance(value, dict):
        return {key: _rounded(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_rounded(inner) for inner in value]
    return value
