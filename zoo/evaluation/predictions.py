"""Predictions on disk: one Parquet file per run and split, enough to recompute every metric."""

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from zoo.errors import DataError, Problem
from zoo.paths import write_file


@dataclass(frozen=True)
class Predictions:
    """One answer per example, in the order of the split.

    `answers` are class ids, numbers or texts; `logits` (N, C) for classes and numbers, and the
    null odds (N, 1) for spans. `spans` are the best spans before any was withheld, where questions
    may have no answer.
    """

    ids: tuple[str, ...]
    answers: tuple[int | float | str, ...]
    gold: tuple[int | float | tuple[str, ...] | None, ...]
    logits: NDArray[np.float32]
    spans: tuple[str, ...] | None = None


def write_predictions(path: Path, predictions: Predictions, digest: str) -> None:
    """Write predictions with the digest of the run that made them."""
    table = pa.table(
        {
            "id": list(predictions.ids),
            "answer": list(predictions.answers),
            "gold": [list(g) if isinstance(g, tuple) else g for g in predictions.gold],
            "logits": [row.tolist() for row in predictions.logits],
        }
    )
    logits = pa.list_(pa.float32())
    table = table.set_column(3, "logits", table["logits"].cast(logits))
    if predictions.spans is not None:
        table = table.append_column("span", pa.array(list(predictions.spans), pa.string()))
    table = table.replace_schema_metadata({"digest": digest})
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    write_file(path, buffer.getvalue())


def read_predictions(path: Path, digest: str | None = None) -> Predictions:
    """Read predictions back.

    Raises:
        DataError: the file is damaged, or belongs to another run than `digest`.
    """
    try:
        table = pq.read_table(path)
        columns = [table[name].to_pylist() for name in ("id", "answer", "gold", "logits")]
        spans = tuple(table["span"].to_pylist()) if "span" in table.column_names else None
    except (OSError, pa.ArrowException, KeyError) as error:
        raise DataError(
            Problem(str(path), f"these are no predictions: {str(error).splitlines()[0]}")
        ) from error
    stated = (table.schema.metadata or {}).get(b"digest", b"").decode()
    if digest is not None and stated != digest:
        raise DataError(
            Problem(str(path), f"these predictions belong to run {stated[:12]}", digest[:12])
        )
    ids, answers, gold, logits = columns
    return Predictions(
        tuple(ids),
        tuple(answers),
        tuple(tuple(value) if isinstance(value, list) else value for value in gold),
        np.array(logits, dtype=np.float32),
        spans,
    )
