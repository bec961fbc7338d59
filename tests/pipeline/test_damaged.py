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
    ours = ["<<<<<<< HEAD", *lines[1:2], "=======", *lines[1:2], ">>>>>>> other"]
    return "\n".join([lines[0], *ours, *lines[2:]])


def without(text: str, *path: str) -> str:
    """Every job without one of its fields."""
    whole = json.loads(text)
    for job in whole["stages"].values():
        inner = job
        for key in path[:-1]:
            inner = inner.get(key, {}) if isinstance(inner, dict) else {}
        if isinstance(inner, dict):
            inner.pop(path[-1], None)
    return json.dumps(whole)


def jobs_as(text: str, change: Callable[[Any], Any]) -> str:
    """Every job changed in one way."""
    whole = json.loads(text)
    changed = {name: change(job) for name, job in whole["stages"].items()}
    return json.dumps(whole | {"stages": changed})


DAMAGE: dict[str, tuple[Callable[[str], str | bytes], str]] = {
    "conflict": (conflict, ":2: unresolved merge conflict: <<<<<<<\n  allowed: JSON"),
    "truncated": (lambda text: text[: len(text) // 2], ": not JSON: "),
    "empty": (lambda _: "", ": the file is empty\n  allowed: JSON"),
    "list": (lambda _: "[1]", ": the file holds a list\n  allowed: an object"),
    "number": (lambda _: "7", ": the file holds a number\n  allowed: an object"),
    "nan": (lambda _: '{"a": NaN}', ": the value is NaN\n  allowed: a finite number"),
    "latin-1": (lambda text: b"\xe9" + text.encode(), ":1: byte 0xe9 is not UTF-8"),
    "twice": (lambda _: '{"score": {}, "score": {}}', ": score: this key appears twice"),
    "deep": (lambda _: '{"a": ' + "[" * 9999 + "]" * 9999 + "}", ": nested too deeply"),
    "digits": (lambda _: '{"a": ' + "9" * 5000 + "}", ": a number of 5,000 digits"),
    "no field": (lambda text: without(text, "runs"), ".runs: the key is missing"),
    "jobs are lists": (
        lambda text: jobs_as(text, lambda _: []),
        ": not an object\n  allowed: {...}",
    ),
    "jobs are null": (
        lambda text: jobs_as(text, lambda _: None),
        ": not an object\n  allowed: {...}",
    ),
    "unknown field": (
        lambda text: jobs_as(text, lambda job: job | {"new": 1}),
        ".new: unknown key",
    ),
}
VERBS: dict[str, Callable[[], Any]] = {
    "stage": lambda: stage.stage("tiny/kd", "score"),
    "train": lambda: stage.stage("tiny/kd", "train"),
    "bench": lambda: bench.bench(
        "tiny/kd", device="cpu", runtimes=(), shapes=(), samples=None, task=None, as_json=False
    ),
    "export": lambda: export.export(
        "tiny/kd", task=None, precisions=(), route=None, out=None, as_json=False
    ),
    "submit": lambda: submit.submit("tiny/kd", split="dev", task=None, seed=None, out=None),
}


@pytest.mark.parametrize("verb", VERBS)
def test_verbs_tell_damaged_jobs(
    verb: str, tiny_project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the file, what was found and the remedy; never a traceback."""
    monkeypatch.chdir(tiny_project.root)
    path = tiny_project.root / PATH
    whole = path.read_text()
    for change, told in DAMAGE.values():
        content = change(whole)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        with pytest.raises(ZooError) as caught:
            VERBS[verb]()
        assert str(caught.value).startswith(PATH)
        assert told in str(caught.value)
        assert str(caught.value).endswith(f"\n  fix: {SYNC}")


def test_boards_and_progress_tell_damaged_jobs(
    tiny_project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the board of a suite is made of is read by whoever tells its stages, too."""
    monkeypatch.chdir(tiny_project.root)
    path = tiny_project.pipelines / "tiny/params.json"
    whole = path.read_text()
    for name, (change, told) in DAMAGE.items():
        content = change(whole)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        if name in {"no field", "unknown field"}:
            continue  # a stage of an entry needs neither
        for verb in (
            lambda: board.publish("tiny", dry_run=True),
            lambda: board.board(board.Query("tiny", built=True), "table"),
            lambda: stage.stage("tiny/kd", "score"),
            lambda: stage.stage("tiny/board", "board"),
        ):
            with pytest.raises(ZooError) as caught:
                verb()
            assert str(caught.value).startswith("pipelines/tiny/params.json")
            assert told in str(caught.value)


def test_studies_tell_a_damaged_entry(
    tiny_project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Any entry of the suite may be one."""
    monkeypatch.chdir(tiny_project.root)
    (tiny_project.root / PATH).write_text("<<<<<<< HEAD\n")
    with pytest.raises(ZooError, match=f"^{PATH}:1: unresolved merge conflict"):
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
        match=f"^{PATH}: stages.stew-1.kind: unknown kind of stage 'scoer'\n"
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
    assert told.startswith("pipelines/tiny/kd/dvc.yaml: DVC cannot report its status:\n    ")
    assert "dvc.lock" in told
    assert "<<<<<<< HEAD" in told
    assert told.endswith(
        "\n  fix: unresolved merge conflict: take either side,"
        " and regenerate dvc.yaml with `zoo sync`"
    )
