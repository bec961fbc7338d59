"""`zoo run`: build a suite or an entry through DVC."""

import os
import subprocess
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from zoo.cli.streams import watched_output
from zoo.cli.target import suite_or_entry
from zoo.errors import ZooError
from zoo.paths import Project, find_project
from zoo.pipeline.compile import Pipeline, compile_suite
from zoo.pipeline.kinds import LATENCY
from zoo.pipeline.pending import pending
from zoo.pipeline.sync import drift, pipeline_file, pipeline_files
from zoo.resolve.entry import ResolvedSuite, read_suites
from zoo.spec.lineage import build_needs, build_waves
from zoo.spec.load import BOARD_PIPELINE, INPUTS_PIPELINE


def run(target: str, *, jobs: int, dry_run: bool) -> int:
    """Bring a target up to date; return the exit code: 1 if DVC failed.

    With several jobs, independent entries are built in parallel, each by its own DVC process,
    which waits for the repository lock; latency is measured afterwards, alone.

    Raises:
        UsageError: unknown suite or entry.
        ZooError: the pipelines are out of date with specs or code.
    """
    project = find_project()
    suite, entry = suite_or_entry(project, target)
    suites = read_suites(project)
    resolved = suites[suite]
    # Otherwise DVC would build an outdated declaration, and call it up to date.
    stale = list(drift(project, pipeline_files(suites)))
    if stale:
        raise ZooError(*stale)
    if dry_run:
        lines = list(pending(project, resolved, entry or BOARD_PIPELINE))
        with watched_output():
            print("\n".join(["would be built:", *lines] if lines else ["up to date"]))  # noqa: T201
        return 0
    if jobs > 1 and not entry:
        code = _beside_each_other(project, resolved, jobs)
        if code:
            return code
    return _repro(project, pipeline_file(suite, entry or BOARD_PIPELINE))


def _beside_each_other(project: Project, suite: ResolvedSuite, jobs: int) -> int:
    """One command per entry, once its dependencies are built: no two may check these at once.

    Dependencies of other entries go first. Timed stages wait for all others: training in the
    background would distort the measurement.
    """
    loaded = suite.loaded
    needs = build_needs(loaded.teachers, loaded.entries)
    awaited = {needed for several in needs.values() for needed in several}
    pipelines = {pipeline.entry: pipeline for pipeline in compile_suite(suite)}
    if INPUTS_PIPELINE in pipelines:
        code = _repro(project, *_alone(pipelines[INPUTS_PIPELINE]))
        if code:
            return code
    built: dict[str, Future[int]] = {}

    def build(name: str) -> int:
        for needed in needs[name]:
            if code := built[needed].result():
                return code
        return _repro(project, *_alone(pipelines[name]))

    with ThreadPoolExecutor(jobs) as pool:
        for wave in build_waves(loaded.teachers, loaded.entries):
            for name in sorted(wave, key=lambda name: (name not in awaited, name)):
                built[name] = pool.submit(build, name)
    return next((code for name in built if (code := built[name].result())), 0)


def _alone(pipeline: Pipeline) -> list[str]:
    file = pipeline_file(pipeline.suite, pipeline.entry)
    stages = [stage.name for stage in pipeline.stages if stage.kind is not LATENCY]
    return ["--single-item", *(f"{file}:{name}" for name in stages)]


def _repro(project: Project, *targets: str) -> int:
    # Without --wait-for-lock DVC gives up after 3 s, and finished work is lost.
    command = [sys.executable, "-m", "dvc", "--wait-for-lock", "repro", *targets]
    scripts = str(Path(sys.executable).parent)
    environment = {**os.environ, "PATH": f"{scripts}{os.pathsep}{os.environ.get('PATH', '')}"}
    done = subprocess.run(command, cwd=project.root, env=environment, check=False)  # noqa: S603
    return 1 if done.returncode else 0
