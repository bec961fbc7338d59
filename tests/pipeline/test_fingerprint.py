"""Which changes of the code make which stages run again."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from zoo.pipeline import fingerprint as module
from zoo.pipeline.fingerprint import BY_METHOD, ROOTS, bare_code, closure, fingerprint

SOURCE = '''\
"""What it is."""

LIMIT = 3  # a comment


class Kind(Exception): """One line."""


def double(x: int) -> int:
    """Twice."""
    text = """kept

    as it is """
    return 2 * x if "#" in text else x
'''


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the zoo whose files a test may edit."""
    copy = tmp_path / "zoo"
    shutil.copytree(module.PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(module, "PACKAGE", copy)
    return copy


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"""What it is."""', '"""Something else, over\n\ntwo lines."""'),
        ('"""Twice."""', '"""The double."""'),
        ('"""One line."""', '"""Another."""'),
        ("# a comment", ""),
        ("LIMIT = 3", "# before\nLIMIT = 3"),
        ("LIMIT = 3  # a comment\n", 'LIMIT = 3\n"""What it limits."""\n'),
        ("\n\n\ndef", "\n\ndef"),
    ],
)
def test_what_only_people_read_changes_nothing(old: str, new: str) -> None:
    """Comments, docstrings, of attributes too, and blank lines."""
    assert old in SOURCE
    assert bare_code(SOURCE.replace(old, new)) == bare_code(SOURCE)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("LIMIT = 3", "LIMIT = 4"),
        ("2 * x", "3 * x"),
        ("Kind(Exception)", "Kind(ValueError)"),
        ('"#"', '"# "'),
        ("kept\n\n", "kept\n"),
        ("kept\n", "kept \n"),
        ("    return 2", "    return  2"),
    ],
)
def test_what_runs_changes_it(old: str, new: str) -> None:
    """Code and the text in strings, blank lines and all."""
    assert old in SOURCE
    assert bare_code(SOURCE.replace(old, new)) != bare_code(SOURCE)


def test_bare_code_still_runs() -> None:
    """What is left does what the whole does."""
    scope: dict = {}
    one_line = 'class Kind(Exception): """One line."""'
    source = SOURCE.replace(one_line, "")
    exec(compile(bare_code(source), "bare", "exec"), scope)  # noqa: S102  (our own source)
    assert scope["double"](1) == 1
    assert scope["LIMIT"] == 3


def test_training_reaches_what_it_runs_and_no_more() -> None:
    """A change of the board, the command line, timing or scoring retrains nothing."""
    reached = closure(ROOTS["train"])
    rooms = {".".join(name.split(".")[:2]) for name in reached}
    assert not rooms & {
        "zoo.board",
        "zoo.latency",
        "zoo.cli",
        "zoo.evaluation",
        "zoo.export",
        "zoo.pipeline",
    }
    assert {
        "zoo.losses",
        "zoo.models",
        "zoo.data",
        "zoo.distil",
        "zoo.training",
        "zoo.spec",
    } <= rooms
    assert {"zoo.losses.logits", "zoo.training.loop", "zoo.paths"} <= reached


def test_a_stage_reaches_its_own_method_only() -> None:
    """A new method, or a change of another one, retrains nothing."""
    reached = closure((*ROOTS["train"], "zoo.methods.kd"))
    assert "zoo.methods.kd" in reached
    assert "zoo.methods.distilbert" not in reached
    assert not {f"zoo.methods.{name}" for name in ("kd", "distilbert", "finetune")} & closure(
        ROOTS["train"]
    )


@pytest.mark.parametrize(
    ("file", "touched"),
    [
        ("losses/logits.py", {"pretrain", "train", "transfer", "train.kd", "train.distilbert"}),
        ("methods/kd.py", {"train.kd"}),
        ("board/render.py", {"board"}),
        ("board/study_render.py", {"board", "study"}),
        ("latency/engine.py", {"latency"}),
        ("evaluation/gate.py", {"gate"}),
        ("cli/app.py", set()),
        ("pipeline/compile.py", set()),
    ],
)
def test_a_change_reaches_the_stages_that_run_it(
    package: Path, file: str, touched: set[str]
) -> None:
    """And no other stage."""
    before = fingerprints()
    path = package / file
    path.write_text(path.read_text() + "\nADDED = 1\n")
    after = fingerprints()
    assert {key for key in before if before[key] != after[key]} == touched


def fingerprints() -> dict[str, str]:
    plain = {kind: fingerprint(kind) for kind in ROOTS}
    return plain | {f"train.{name}": fingerprint("train", name) for name in ("kd", "distilbert")}


def test_a_new_import_widens_what_a_stage_reaches(package: Path) -> None:
    """What is imported for types alone does not count; an import inside a function does."""
    gate = package / "evaluation/gate.py"
    before = closure(ROOTS["gate"])
    assert "zoo.board.page" not in before
    text = gate.read_text()
    gate.write_text(text + "\nif TYPE_CHECKING:\n    import zoo.board.page\n")
    module._imports.cache_clear()
    assert "zoo.board.page" not in closure(ROOTS["gate"])
    gate.write_text(text + "\ndef later() -> None:\n    from zoo.board import page\n")
    module._imports.cache_clear()
    assert "zoo.board.page" in closure(ROOTS["gate"])


def test_every_root_is_there_and_the_same_in_every_process() -> None:
    """No hash seed and no order of files plays a part."""
    for roots in ROOTS.values():
        assert all(module._exists(root) for root in roots)
    shown = "[fingerprint(k, 'kd') for k in sorted(ROOTS)]"
    code = f"from zoo.pipeline.fingerprint import *; print({shown})"
    told = {
        subprocess.run(
            [sys.executable, "-P", "-c", code],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": str(module.PACKAGE.parent)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert told == {f"{[fingerprint(kind, 'kd') for kind in sorted(ROOTS)]}\n"}
    assert set(BY_METHOD) <= set(ROOTS)
