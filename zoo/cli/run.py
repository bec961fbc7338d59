"""`zoo run`: build a suite or an entry through DVC."""

import os
import sys
from pathlib import Path

from zoo.cli.absence import absence_lines
from zoo.cli.build import run_stages
from zoo.cli.streams import watched_output
from zoo.cli.target import suite_or_entry
from zoo.errors import Problem, UsageError, ZooError
from zoo.paths import find_project
from zoo.pipeline.locks import building_alone
from zoo.pipeline.pending import pending
from zoo.pipeline.sync import drift, pipeline_files
from zoo.processes import process_count
from zoo.resolve.entry import ResolvedSuite, read_suites
from zoo.spec.load import BOARD_PIPELINE


def run(target: str, *, jobs: int, dry_run: bool) -> int:
    """Bring a target up to date; return the exit code: 1 if a stage failed.

    Stages that are out of date are run by DVC, at most `jobs` of them beside each other; latency is
    measured afterwards, alone. Another build of the suite is waited for.

    Raises:
        UsageError: unknown suite or entry, or a launcher has started several processes.
        ZooError: the pipelines are out of date with specs or code.
    """
    _refuse_launcher()
    project = find_project()
    suite, entry = suite_or_entry(project, target)
    suites = read_suites(project)
    # Otherwise DVC would build an outdated declaration, and call it up to date.
    stale = list(drift(project, pipeline_files(suites)))
    if stale:
        raise ZooError(*stale)
    for line in absence_lines(project, suites[suite].loaded, _tasks(suites[suite], entry)):
        _say(line)
    if dry_run:
        stages = list(pending(project, suites[suite], entry or BOARD_PIPELINE))
        _say("\n".join(["would be built:", *map(str, stages)]) if stages else UP_TO_DATE)
        return 0
    with building_alone(project, suite, target) as build:
        stages = list(pending(project, suites[suite], entry or BOARD_PIPELINE))
        if not stages:
            _say(UP_TO_DATE)
            return 0
        _find_scripts()
        return run_stages(project, stages, jobs, build)


def _tasks(suite: ResolvedSuite, entry: str | None) -> tuple[str, ...]:
    """The tasks of an entry, or of a whole suite; a study has none that may be absent."""
    if entry is None:
        return tuple(suite.loaded.suite.tasks)
    return suite.entries[entry].tasks if entry in suite.entries else ()


UP_TO_DATE = "up to date"


def _refuse_launcher() -> None:
    # One of the processes would build, and its stages would wait for the others for ever.
    if process_count() > 1:
        raise UsageError(
            Problem(
                "zoo run",
                f"a launcher has started {process_count()} processes of it",
                "a launcher around `zoo stage`",
                f"set ZOO_PROCESSES={process_count()} instead of using a launcher",
            )
        )


def _say(text: str) -> None:
    with watched_output():
        print(text)  # noqa: T201


def _find_scripts() -> None:
    """Have the stages' command, `zoo`, be the one beside this interpreter."""
    scripts = str(Path(sys.executable).parent)
    os.environ["PATH"] = f"{scripts}{os.pathsep}{os.environ.get('PATH', '')}"
