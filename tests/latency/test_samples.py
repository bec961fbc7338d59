from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from zoo.errors import DataError
from zoo.latency.samples import Samples, read_samples, write_samples


@pytest.fixture
def samples() -> Samples:
    """Two cells with everybody's calls."""
    drawn = np.random.default_rng(0).random((2, 4, 5), dtype=np.float32)
    return {
        (runtime, "replay", who): drawn[row, column]
        for row, runtime in enumerate(("torch-fp32", "onnx-fp32"))
        for column, who in enumerate(("tokenisation", "student", "teacher", "overhead"))
    }


def test_samples_come_back_as_they_were(tmp_path: Path, samples: Samples) -> None:
    """Every number, every key, in order."""
    write_samples(tmp_path / "s.parquet", samples)
    found = read_samples(tmp_path / "s.parquet")
    assert list(found) == list(samples)
    assert all(np.array_equal(found[key], samples[key]) for key in samples)


def test_file_is_one_row_per_call_and_compressed(tmp_path: Path, samples: Samples) -> None:
    """Anybody's Parquet reader shows it."""
    write_samples(tmp_path / "s.parquet", samples)
    table = pq.read_table(tmp_path / "s.parquet")
    assert table.schema.names == ["runtime", "cell", "who", "round", "latency_ms"]
    assert table.num_rows == 40
    assert table.column("round").to_pylist() == list(range(5)) * 8
    group = pq.ParquetFile(tmp_path / "s.parquet").metadata.row_group(0)
    assert {group.column(column).compression for column in range(5)} == {"ZSTD"}


def test_same_samples_make_the_same_file(tmp_path: Path, samples: Samples) -> None:
    """Nothing but the samples is in it."""
    write_samples(tmp_path / "a", samples)
    write_samples(tmp_path / "b", samples)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_damaged_file_is_refused(tmp_path: Path) -> None:
    """The reader's reason is passed on."""
    file = tmp_path / "s.parquet"
    file.write_bytes(b"nothing of the kind")
    with pytest.raises(DataError) as caught:
        read_samples(file)
    lines = str(caught.value).splitlines()
    assert lines[0].startswith(f"{file}: not a samples file: ")
    assert lines[1:] == [
        "  allowed: Parquet with the columns runtime, cell, who, round, latency_ms",
        "  fix: measure again",
    ]


def test_other_table_is_refused(tmp_path: Path) -> None:
    """Its columns are named."""
    file = tmp_path / "s.parquet"
    pq.write_table(pa.table({"a": [1], "b": [2]}), file)
    with pytest.raises(DataError) as caught:
        read_samples(file)
    assert str(caught.value) == (
        f"{file}: not a samples file: its columns are a, b\n"
        "  allowed: Parquet with the columns runtime, cell, who, round, latency_ms\n"
        "  fix: measure again"
    )
