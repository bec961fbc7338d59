"""Generated files stay as small as people can read and git can merge."""

from pathlib import Path

from zoo.paths import Project
from zoo.pipeline.sync import pipeline_files
from zoo.resolve.entry import read_suites

CHECKOUT = Project(Path(__file__).parents[2])
MOST_BYTES, MOST_LINES = 2_000_000, 60_000
"""Of all pipelines of this checkout's four suites, two of which train each run in a stage of its
own; the dvc.yaml at its root included."""


def test_pipelines_stay_small() -> None:
    """Both as they would be written now, and as they lie there."""
    files = {path: text.encode() for path, text in pipeline_files(read_suites(CHECKOUT)).items()}
    assert "dvc.yaml" in files
    lying = {
        CHECKOUT.relative(path): path.read_bytes()
        for pattern in ("dvc.yaml", "*.json", "*.txt")
        for path in CHECKOUT.pipelines.rglob(pattern)
    }
    lying["dvc.yaml"] = (CHECKOUT.root / "dvc.yaml").read_bytes()
    for each in (files, lying):
        assert sum(map(len, each.values())) < MOST_BYTES
        assert sum(content.count(b"\n") for content in each.values()) < MOST_LINES
