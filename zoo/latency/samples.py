"""Raw samples on disk: one Parquet file per task and device, from which all figures follow."""

from collections.abc import Mapping
from io import BytesIO
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from zoo.errors import DataError, Problem, at
from zoo.files import read_file
from zoo.paths import write_file

Key = tuple[str, str, str]
"""Runtime, cell, and series: student, teacher, tokenisation or overhead."""
Samples = dict[Key, NDArray[np.float32]]
"""Milliseconds of rounds, in order."""

_SCHEMA = pa.schema(
    [
        ("runtime", pa.dictionary(pa.int32(), pa.string())),
        ("cell", pa.dictionary(pa.int32(), pa.string())),
        ("who", pa.dictionary(pa.int32(), pa.string())),
        ("round", pa.int32()),
        ("latency_ms", pa.float32()),
    ]
)


def write_samples(path: Path, samples: Mapping[Key, NDArray[np.float32]]) -> None:
    """Write the samples, (rounds,) milliseconds each, one row per call."""
    parts = [_part(key, milliseconds) for key, milliseconds in samples.items()]
    buffer = BytesIO()
    pq.write_table(pa.concat_tables(parts).cast(_SCHEMA), buffer, compression="zstd")
    write_file(path, buffer.getvalue())


def read_samples(path: Path) -> Samples:
    """The samples of all cells in a file, in writing order.

    Raises:
        DataError: not a samples file, or damaged.
    """
    content = read_file(path, error=DataError)
    try:
        table = pq.read_table(pa.BufferReader(content))
    except (OSError, pa.ArrowInvalid) as error:
        raise DataError(_unreadable(path, str(error).partition("\n")[0])) from error
    if table.schema.names != _SCHEMA.names:
        raise DataError(_unreadable(path, f"its columns are {', '.join(table.schema.names)}"))
    names = [table.column(name).to_pylist() for name in ("runtime", "cell", "who")]
    values = table.column("latency_ms").to_numpy()
    keys = list(zip(*names, strict=True))
    begins = [row for row, key in enumerate(keys) if row == 0 or key != keys[row - 1]]
    ends = [*begins[1:], len(keys)]
    return {keys[begin]: values[begin:end] for begin, end in zip(begins, ends, strict=True)}


def _part(key: Key, milliseconds: NDArray[np.float32]) -> pa.Table:
    rows = len(milliseconds)
    columns = [pa.array([name] * rows, pa.string()) for name in key]
    rounds = pa.array(np.arange(rows, dtype=np.int32))
    return pa.table([*columns, rounds, pa.array(milliseconds)], names=_SCHEMA.names)


def _unreadable(path: Path, given: str) -> Problem:
    return Problem(
        at(path),
        f"not a samples file: {given}",
        f"Parquet with the columns {', '.join(_SCHEMA.names)}",
        "measure again",
    )
