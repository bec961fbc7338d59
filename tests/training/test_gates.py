"""Nobody distils from a teacher that did not learn its task."""

from pathlib import Path

import pytest

from zoo.errors import TrainingError
from zoo.training.gates import refuse_ungated, write_gate


def test_a_closed_gate_stops_with_the_way_out(tmp_path: Path) -> None:
    """An open gate lets through, and so does a task without one."""
    write_gate(tmp_path / "gate.json", {"span": True, "sentiment": False})
    refuse_ungated(tmp_path / "gate.json", "teacher-4l", "span")
    refuse_ungated(tmp_path / "gate.json", "teacher-4l", "similarity")
    with pytest.raises(TrainingError) as raised:
        refuse_ungated(tmp_path / "gate.json", "teacher-4l", "sentiment")
    assert str(raised.value) == (
        "teacher teacher-4l on sentiment: it did not reach the score its spec declares under"
        " `gates`\n"
        "  allowed: a teacher that learnt its task\n"
        "  do: train it longer, or lower the gate if so weak a teacher is meant"
    )


def test_the_gate_says_only_who_passed(tmp_path: Path) -> None:
    """No score is in it, so that measuring again retrains no student."""
    write_gate(tmp_path / "gate.json", {"b": True, "a": False})
    assert (tmp_path / "gate.json").read_text() == '{\n "a": false,\n "b": true\n}\n'
