"""Adversarial examples among a suite's inputs: absent until they were there once."""

from pathlib import Path

import pytest

from zoo.data.adversarial_input import is_adversarial_absent, lacks_adversarial
from zoo.data.inputs import changed_inputs, look_at_inputs
from zoo.paths import Project, write_file
from zoo.spec.jobs import FileInput, InputsJob
from zoo.spec.robustness import ADVERSARIAL_INPUT

PATH = "advglue/dev.json"
JOB = InputsJob(suite="s", entry="inputs", inputs={ADVERSARIAL_INPUT: FileInput(path=PATH)})


def test_they_are_absent_until_they_were_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then they are what they were: a file that is gone takes nothing off a board."""
    project = Project(tmp_path)
    (tmp_path / "data").mkdir()
    for folder in (None, str(tmp_path / "data")):
        if folder:
            monkeypatch.setenv("ZOO_DATA", folder)
        assert is_adversarial_absent(project, "s", PATH)
        assert changed_inputs(project, JOB) == ([] if folder else [ADVERSARIAL_INPUT])
        look_at_inputs(project, JOB)
        assert lacks_adversarial(project, "s")
    write_file(tmp_path / "data" / PATH, "{}")
    assert not is_adversarial_absent(project, "s", PATH)
    assert changed_inputs(project, JOB) == [ADVERSARIAL_INPUT]
    look_at_inputs(project, JOB)
    assert not lacks_adversarial(project, "s")
    (tmp_path / "data" / PATH).unlink()
    assert not is_adversarial_absent(project, "s", PATH)
    assert changed_inputs(project, JOB) == []
