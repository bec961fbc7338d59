"""Specs are cheap: a thousand entries in a blink, and no torch."""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from zoo.errors import SpecError
from zoo.methods import METHODS
from zoo.paths import Project
from zoo.spec.load import load_suite

Write = Callable[[Path, dict[str, str]], None]

ENTRIES = 1000


def seconds(action: Callable[[], object]) -> float:
    """Processor time, the better of two."""
    taken = []
    for _ in range(2):
        begun = time.process_time()
        action()
        taken.append(time.process_time() - begun)
    return min(taken)


def many(files: dict[str, str]) -> dict[str, str]:
    kinds = [files[name] for name in ("finetune.yaml", "kd.yaml", "distil.yaml")]
    return {f"e{index}.yaml": kinds[index % 3] for index in range(ENTRIES)}


def test_a_thousand_entries_load_in_two_seconds(
    tmp_path: Path, files: dict[str, str], write: Write
) -> None:
    """Read, validated and checked against each other, on one core."""
    write(tmp_path, files | many(files))
    project = Project(tmp_path)
    assert len(load_suite(project, "small", METHODS).entries) == ENTRIES + 3
    assert seconds(lambda: load_suite(project, "small", METHODS)) < 2.0


def test_a_thousand_broken_entries_are_told_in_four_seconds(
    tmp_path: Path, files: dict[str, str], write: Write
) -> None:
    """What is allowed is looked up once, not once per problem."""
    broken = {name: text.replace("layers", "layer") for name, text in many(files).items()}
    write(tmp_path, files | broken)
    project = Project(tmp_path)
    problems = 0

    def load() -> None:
        nonlocal problems
        with pytest.raises(SpecError) as caught:
            load_suite(project, "small", METHODS)
        problems = len(caught.value.problems)

    assert seconds(load) < 4.0
    assert problems == ENTRIES


def test_specs_and_methods_need_no_heavy_library() -> None:
    """Checking specs must not wait for torch."""
    code = (
        "import sys, zoo.spec.load, zoo.spec.schema, zoo.methods\n"
        "assert len(zoo.methods.METHODS.classes) > 2\n"
        "heavy = {'torch', 'transformers', 'datasets', 'numpy', 'onnxruntime', 'sklearn'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
