"""Generated files that are damaged: every verb that reads one says so, and what to do."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from zoo.cli import bench, board, export, stage, study, submit
from zoo.errors import ZooError
from zoo.paths import Project
from zoo.pipeline import pending
from zoo.resolve.entry import read_suites

SYNC = "run `zoo sync`, which writes it from the specs"
PATH = "pipelines/tiny/kd/params.json"


def conflict(text: str) -> str:
    lines = text.splitlines()
    ours = ["    with pytest.raises(ZooError, match=f"^{PATH}:1: unresolved merge conflict"):
        study.study_board("tiny", "x", "table", built=True)


def test_a_job_of_a_kind_or_method_that_nobody_knows(
    tiny_project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both are told by name."""
    monkeypatch.chdir(tiny_project.root)
    path = tiny_project.root / PATH
    params = json.loads(path.read_text())
    params["stages"]["stew-1"] = {"kind": "scoer"}
    path.write_text(json.dumps(params))
    with pytest.raises(
        ZooError,
        match=f"^{PATH}: stages.stew-1.kind: there is no kind of stage 'scoer'\n"
        "  allowed: inputs, pretrain(.*)\n  fix: did you mean 'score'?",
    ):
        stage.stage("tiny/kd", "stew-1")
    text = path.read_text().replace('"name": "kd"', '"name": "magic"')
    path.write_text(text)
    with pytest.raises(ZooError, match=PATH) as caught:
        stage.stage("tiny/kd", "train")
    assert "magic" in str(caught.value)


def test_sync_mends_what_is_damaged(tiny_project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """The remedy that every message names."""
    from zoo.cli import sync  # noqa: PLC0415

    monkeypatch.chdir(tiny_project.root)
    path = tiny_project.root / PATH
    whole = path.read_bytes()
    for content in (b"\xff\xfe", b"", conflict(whole.decode()).encode()):
        path.write_bytes(content)
        sync.write()
        assert path.read_bytes() == whole


def test_all_that_dvc_says_is_told(tiny_project: Project) -> None:
    """A conflict in its lock: the file, the line and what stands there."""
    loaded = read_suites(tiny_project)
    lock = tiny_project.root / "pipelines/tiny/kd/dvc.lock"
    lock.write_text("schema: '2.0'\nstages:\n<<<<<<< HEAD\n  a: 1\n=======\n>>>>>>> other\n")
    with pytest.raises(ZooError) as caught:
        list(pending.pending(tiny_project, loaded["tiny"], "kd"))
    told = str(caught.value)
    assert told.startswith("pipelines/tiny/kd/dvc.yaml: DVC cannot tell its status:\n    ")
    assert "dvc.lock" in told
    assert "<<<<<<< HEAD" in told
    assert told.endswith(
        "\n  fix: a merge conflict was left there: take either side, of a dvc.yaml by `zoo sync`"
    )
