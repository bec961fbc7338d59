"""Predictions on disk: one Parquet file per run and split, enough to recompute every metric."""

import hashlib
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from zoo.errors import DataError, Problem
from zoo.files import open_file, read_file
from zoo.paths import write_file


@dataclass(frozen=True)
class Predictions:
    """One prediction per example, in the order of the split.

    `answers` are class ids, numbers or texts; `logits` (N, C) for classes and numbers, and the
    null odds (N, 1) for spans. For tasks with unanswerable questions, `spans` are the best spans
    before thresholding, and `paragraphs` are the numbers of the questions' contexts.
    """

    ids: tuple[str, ...]
    answers: tuple[int | float | str, ...]
    gold: tuple[int | float | tuple[str, ...] | None, ...]
    logits: NDArray[np.float32]
    spans: tuple[str, ...] | None = None
    paragraphs: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Origin:
    """The origin of stored predictions."""

    digest: str
    """The identity of their run."""
    record: str = ""
    """The sha256 of their score record, without its hash of these predictions."""


def write_predictions(path: Path, predictions: Predictions, origin: Origin) -> str:
    """Write predictions with their origin; return the sha256 of the file."""
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
    if predictions.paragraphs is not None:
        numbers = pa.array(list(predictions.paragraphs), pa.int32())
        table = table.append_column("paragraph", numbers)
    table = table.replace_schema_metadata(vars(origin))
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    write_file(path, buffer.getvalue())
    return hashlib.sha256(buffer.getvalue()).hexdigest()


def read_origin(path: Path) -> Origin:
    """The origin of stored predictions.

    Raises:
        DataError: the file is damaged.
    """
    try:
        with open_file(path, error=DataError) as stream:
            metadata = pq.read_schema(stream).metadata or {}
    except (OSError, pa.ArrowException) as error:
        raise _damaged(path, error) from error
    return Origin(*(metadata.get(name, b"").decode() for name in (b"digest", b"record")))


def read_predictions(path: Path, digest: str | None = None) -> Predictions:
    """Read predictions back.

    Raises:
        DataError: the file is damaged, or belongs to another run than `digest`.
    """
    content = read_file(path, error=DataError)
    try:
        table = pq.read_table(pa.BufferReader(content))
        columns = [table[name].to_pylist() for name in ("id", "answer", "gold", "logits")]
        more = (_optional(table, name) for name in ("span", "paragraph"))
    except (OSError, pa.ArrowException, KeyError) as error:
        raise _damaged(path, error) from error
    stated = (table.schema.metadata or {}).get(b"digest", b"").decode()
    if digest is not None and stated != digest:
        raise DataError(Problem(str(path), f"predictions of run {stated[:12]}", digest[:12]))
    ids, answers, gold, logits = columns
    return Predictions(
        tuple(ids),
        tuple(answers),
        tuple(tuple(value) if isinstance(value, list) else value for value in gold),
        np.array(logits, dtype=np.float32),
        *more,
    )


def _optional(table: pa.Table, name: str) -> tuple[Any, ...] | None:
    return tuple(table[name].to_pylist()) if name in table.column_names else None


def _damaged(path: Path, error: Exception) -> DataError:
    given = f"not a predictions file: {str(error).splitlines()[0]}"
    return DataError(Problem(str(path), given))
