"""The real GLUE release: counts and means are the published ones."""

import os
from pathlib import Path

import numpy as np
import pytest

from zoo.data import texts
from zoo.spec.task import TASKS


def data_folder() -> Path:
    named = os.environ.get("ZOO_DATA")
    folder = Path(named) if named else Path(__file__).parents[3] / "shared" / "data"
    if not (folder / "glue").is_dir():
        pytest.skip("real data is absent: set ZOO_DATA")
    return folder


@pytest.mark.parametrize(
    ("name", "split", "rows", "positive"),
    [
        ("cola", "train", 8551, 6023), ("cola", "dev", 1043, 721),
        ("sst2", "train", 67349, None), ("sst2", "dev", 872, None),
        ("mrpc", "train", 3668, 2474), ("mrpc", "dev", 408, 279),
        ("wnli", "train", 635, None), ("wnli", "dev", 71, 31),
    ],
)  # fmt: skip
def test_real_splits_have_the_published_counts(
    name: str, split: str, rows: int, positive: int | None
) -> None:
    """Rows and positive labels are those of the official release."""
    examples = texts.read_split(TASKS[name], split, data_folder()).examples
    assert len({example.id for example in examples}) == len(examples) == rows
    assert positive in (None, sum(example.label for example in examples))
    assert all(example.first for example in examples)


@pytest.mark.parametrize(
    ("split", "rows", "mean"), [("train", 5749, 2.7010), ("dev", 1500, 2.3639)]
)
def test_real_scores_have_the_published_mean(split: str, rows: int, mean: float) -> None:
    """STS-B's mean score is the published one to four places."""
    examples = texts.read_split(TASKS["stsb"], split, data_folder()).examples
    assert len(examples) == rows
    assert np.mean([example.label for example in examples]) == pytest.approx(mean, abs=5e-5)
