"""What a stage says of its progress."""

from pathlib import Path

import pytest

from zoo.training import journal as module
from zoo.training.journal import Journal


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, in seconds, which stands still until it is set."""
    now = [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    return now


def test_the_time_left_counts_the_steps_of_this_attempt(
    clock: list[float], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Resumed at step 900 of 1000: ten steps in 20 s leave 80 s; and so for a stage after it."""
    journal = Journal(tmp_path / "a.jsonl")
    for label, at, step in (("one", 20, 910), ("one", 40, 920), ("two", 60, 10), ("two", 90, 20)):
        clock[0] = at
        journal.progress(label, step, 1000, {"soft": 0.5})
    journal.close()
    assert capsys.readouterr().err.splitlines() == [
        "  one: step 910 of 1000  soft 0.500",
        "  one: step 920 of 1000, about 160 s left  soft 0.500",
        "  two: step 10 of 1000  soft 0.500",
        "  two: step 20 of 1000, about 2940 s left  soft 0.500",
    ]
