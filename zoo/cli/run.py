"""`zoo run`: build a suite or an entry through DVC."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from zoo.errors import Problem, UsageError, suggestion
from zoo.methods import METHODS
from zoo.paths import Project, find_project
from zoo.pipeline.sync import board_file
from zoo.spec.load import LoadedSuite, load_suite, suite_names


def run(target: str, *, jobs: int, dry_run: bool) -> int:
    """Bring a target up to date; returns DVC's exit code.

    With several jobs, entries that do not depend on each other are built beside each other, each
    by a DVC of its own that waits for the repository's lock.

    Raises:
        UsageError: there is no such suite or entry.
    """
    project = find_project()
    suite, _, entry = target.partition("/")
    if suite not in suite_names(project):
        known = suite_names(project)
        raise UsageError(
            Problem(target, "there is no such suite", ", ".join(known), suggestion(suite, known))
        )
    loaded = load_suite(project, suite, METHODS)
    if entry:
        return _repro(project, [_entry_file(loaded, entry)], dry_run=dry_run)
    if jobs > 1 and not dry_run:
        for group in (loaded.teachers, loaded.entries):
            code = _beside_each_other(project, loaded, sorted(group), jobs)
            if code:
                return code
    return _repro(project, [board_file(suite)], dry_run=dry_run)


def _entry_file(loaded: LoadedSuite, entry: str) -> str:
    known = [*loaded.teachers, *loaded.entries]
    if entry not in known:
        raise UsageError(
            Problem(
                f"{loaded.name}/{entry}",
                "there is no such entry",
                ", ".join(sorted(known)),
                suggestion(entry, known),
            )
        )
    return f"pipelines/{loaded.name}/{entry}/dvc.yaml"


def _beside_each_other(project: Project, loaded: LoadedSuite, names: list[str], jobs: int) -> int:
    files = [_entry_file(loaded, name) for name in names]
    with ThreadPoolExecutor(jobs) as pool:
        codes = list(pool.map(lambda file: _repro(project, [file], dry_run=False), files))
    return next((code for code in codes if code), 0)


def _repro(project: Project, targets: list[str], *, dry_run: bool) -> int:
    # Without --wait-for-lock DVC gives up after 3 s and work that is done is lost.
    command = [sys.executable, "-m", "dvc", "--wait-for-lock", "repro", *targets]
    if dry_run:
        command.append("--dry")
    scripts = str(Path(sys.executable).parent)
    environment = {**os.environ, "PATH": f"{scripts}{os.pathsep}{os.environ.get('PATH', '')}"}
    return subprocess.run(  # noqa: S603
        command, cwd=project.root, env=environment, check=False
    ).returncode
