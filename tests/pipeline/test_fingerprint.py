"""Which changes of the code make which stages run again."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.pipeline.test_compile import stages
from zoo.methods import names
from zoo.pipeline import fingerprint as module
from zoo.pipeline.compile import compile_suite
from zoo.pipeline.fingerprint import Code, code_parts
from zoo.pipeline.kinds import STAGE_KINDS, code_roots
from zoo.pipeline.silence import SPEAKING, bare_text, without_words

PARTS = sorted({kind.code for kind in STAGE_KINDS.values()})
SOURCE = '''\
"""What it is."""

from zoo.errors import Problem, at

LIMIT = 3  # a comment


class Kind(Exception): """One line."""


def double(x: int) -> int:
    """Twice."""
    text = """kept

    as it is """
    if x > 9:
        share = f"{x} of {LIMIT}"
        given = f"a number of {share}"
        raise Kind(Problem(at("here"), given, remedy="take less"))
    return 2 * x if "#" in text else x
'''


def bare(source: str) -> str:
    return bare_text(without_words(source))


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A copy of the zoo whose files a test may edit."""
    copy = tmp_path / "zoo"
    shutil.copytree(module.PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
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
        ("    return 2 * x if", "    return  2 * x if"),
        ("import Problem, at", "import (\n    Problem,\n    at,\n    suggestion,\n)"),
        ("a number of {share}", "the number {share}"),
        ("{x} of {LIMIT}", "{x} beside {LIMIT + 1}"),
        ("take less", "take fewer"),
        (', remedy="take less"', ""),
        ('remedy="take less"', 'allowed="up to 9",\n            remedy="take less"'),
        ("        share =", '        more = "never"\n        share = more +'),
    ],
)
def test_what_only_people_read_changes_nothing(old: str, new: str) -> None:
    """Comments, docstrings, layout, and the words of an error wherever they are put together."""
    assert old in SOURCE
    assert bare(SOURCE.replace(old, new)) == bare(SOURCE)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("LIMIT = 3", "LIMIT = 4"),
        ("2 * x", "3 * x"),
        ("Kind(Exception)", "Kind(ValueError)"),
        ('"#"', '"# "'),
        ("kept\n\n", "kept\n"),
        ("kept\n", "kept \n"),
        ("x > 9", "x > 8"),
        ("raise Kind", "raise ValueError"),
        ("raise Kind(", "print("),
        ("return 2 * x", "return share and 2 * x"),
    ],
)
def test_what_runs_changes_it(old: str, new: str) -> None:
    """Code, the text in strings, whether and when an error is raised."""
    assert old in SOURCE
    assert bare(SOURCE.replace(old, new)) != bare(SOURCE)


def test_a_value_that_decides_is_never_taken_for_words() -> None:
    """What an error tells counts as soon as anything else reads it."""
    read_too = SOURCE.replace("return 2 * x", "return len(share) * x").replace(
        "    if x > 9:\n        share", "    share = ''\n    if x > 9:\n        share"
    )
    reworded = read_too.replace("{x} of {LIMIT}", "{x} beside {LIMIT}")
    assert bare(reworded) != bare(read_too)


def test_training_reaches_what_it_runs_and_no_more() -> None:
    """A change of the board, the command line, timing or scoring retrains nothing."""
    reached = Code().closure(code_roots("training"))
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
    assert not {*SPEAKING} & reached


def test_a_method_adds_its_own_modules_only() -> None:
    """A new method, or a change of another one, retrains nothing."""
    code = Code()
    for name in names():
        own = set(code.fingerprint(f"methods/{name}"))
        assert f"zoo.methods.{name}" in own
        assert not own & code.closure(code_roots("training"))
        assert not own & {f"zoo.methods.{other}" for other in names() if other != name}
    assert "zoo.compact.merge" in code.fingerprint("methods/wid")


@pytest.mark.parametrize(
    ("stage", "parts"),
    [
        ("teacher/pretrain", ("training",)),
        ("teacher/train", ("training",)),
        ("kd/train", ("training", "methods/kd")),
        ("distilbert/transfer", ("training", "methods/distilbert")),
        ("kd/score", ("score",)),
        ("teacher/gate", ("gate",)),
        ("kd/export", ("export",)),
        ("kd/latency", ("latency",)),
        ("board/board", ("board",)),
    ],
)
def test_a_stage_names_the_parts_it_runs(load: Any, stage: str, parts: tuple[str, ...]) -> None:
    found = stages(compile_suite(load()))[stage]
    assert code_parts(found.kind, found.job) == parts


@pytest.mark.parametrize(
    ("file", "touched"),
    [
        ("losses/logits.py", {"training"}),
        ("methods/kd.py", {"methods/kd"}),
        ("board/leaderboard.py", {"board"}),
        ("board/study_table.py", {"board", "study"}),
        ("board/templates/page.css", {"board", "study"}),
        ("latency/engine.py", {"latency"}),
        ("evaluation/gate.py", {"gate"}),
        ("training/journal.py", set()),
        ("errors.py", set()),
        ("cli/app.py", set()),
        ("pipeline/compile.py", set()),
    ],
)
def test_a_change_reaches_the_parts_that_run_it(
    package: Path, file: str, touched: set[str]
) -> None:
    """And no other part; of each file of fingerprints one line is another."""
    before = fingerprints(package)
    path = package / file
    path.write_text(path.read_text() + "\nADDED = 1\n")
    after = fingerprints(package)
    assert {key for key in before if before[key] != after[key]} == touched
    for part in touched:
        lines = zip(before[part].splitlines(), after[part].splitlines(), strict=True)
        assert sum(ours != theirs for ours, theirs in lines) == 1


def fingerprints(package: Path) -> dict[str, str]:
    code = Code(package)
    return {part: code.fingerprint_text(part) for part in (*PARTS, "methods/kd", "methods/pkd")}


def test_a_reworded_error_changes_no_fingerprint(package: Path) -> None:
    before = fingerprints(package)
    path = package / "training/given.py"
    text = path.read_text()
    assert "the tokenizer of these weights differs from that of teacher" in text
    path.write_text(text.replace("the tokenizer of these weights", "their tokenizer"))
    assert fingerprints(package) == before


def test_a_new_import_widens_what_a_stage_reaches(package: Path) -> None:
    """What is imported for types alone does not count; an import inside a function does."""
    gate = package / "evaluation/gate.py"
    before = Code(package).closure(code_roots("gate"))
    assert "zoo.board.page" not in before
    text = gate.read_text()
    gate.write_text(text + "\nif TYPE_CHECKING:\n    import zoo.board.page\n")
    assert "zoo.board.page" not in Code(package).closure(code_roots("gate"))
    gate.write_text(text + "\ndef later() -> None:\n    from zoo.board import page\n")
    assert "zoo.board.page" in Code(package).closure(code_roots("gate"))


def test_every_root_is_there_and_the_same_in_every_process() -> None:
    """No hash seed and no order of files plays a part."""
    for part in PARTS:
        assert set(code_roots(part)) <= Code().closure(code_roots(part))
    named = f"{(*PARTS, 'methods/kd')}"
    shown = f"[Code().fingerprint_text(part) for part in {named}]"
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
    assert told == {f"{[Code().fingerprint_text(part) for part in (*PARTS, 'methods/kd')]}\n"}
