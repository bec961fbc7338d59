"""Nobody distils from a teacher that did not learn its task."""

from pathlib import Path

import pytest

from zoo.errors import TrainingError
from zoo.records.gate_file import refuse_ungated, write_gate


def test_a_closed_gate_stops_with_the_way_out(tmp_path: Path) -> None:
    """An open gate lets through, and so does a task without one."""
    write_gate(tmp_path / "gate.json", {"span": True, "sentiment": False})
    refuse_ungated(tmp_path / "gate.json", "teacher-4l", "span")
    refuse_ungated(tmp_path / "gate.json", "teacher-4l", "similarity")
    with pytest.raises(TrainingError) as raised:
        refuse_ungated(tmp_path / "gate.json", "teacher-4l", "sentiment")
    assert str(raised.value) == (
        "teacher teacher-4l on sentiment: its score is below the one declared under `gates` in "
        "its spec\n"
        "  allowed: a teacher that passes its gate\n"
        "  fix: train it longer, or lower the gate if a weak teacher is intended"
    )


def test_the_gate_says_only_who_passed(tmp_path: Path) -> None:
    """No score is in it, so that measuring again retrains no student."""
    write_gate(tmp_path / "gate.json", {"b": True, "a": False})
    assert (tmp_path / "gate.json").read_text() == '{\n "a": false,\n "b": true\n}\n'


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, ": there is no such file"),
        (b"", ": the file is empty\n  allowed: JSON"),
        (b"<<<<<<< HEAD\n{}", ":1: unresolved merge conflict: <<<<<<<\n  allowed: JSON"),
        (b"[]", ": the file holds a list\n  allowed: an object"),
        (b"\xff{}", ":1: byte 0xff is not UTF-8\n  allowed: UTF-8"),
        (b'{"span": 1}', ": span: not true or false: 1\n  allowed: true or false"),
        (b'{"span": null}', ": span: not true or false: None\n  allowed: true or false"),
    ],
)
def test_a_damaged_gate_is_told(content: bytes | None, told: str, tmp_path: Path) -> None:
    """It neither opens nor ends in a traceback."""
    path = tmp_path / "gate.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(TrainingError) as raised:
        refuse_ungated(path, "t", "span")
    remedy = "build the teacher's gate again: `zoo run` builds what is missing"
    assert str(raised.value) == f"{path}{told}\n  fix: {remedy}"
