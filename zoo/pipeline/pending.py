"""The stages that a build would run or restore from DVC's cache, without running anything."""

import json
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from itertools import product

from zoo.data.inputs import changed_inputs
from zoo.errors import Problem, ZooError
from zoo.paths import Project
from zoo.pipeline.compile import PipelineStage, compile_suite
from zoo.pipeline.inputs import looked_at
from zoo.pipeline.outputs import Output
from zoo.pipeline.sync import pipeline_file
from zoo.pipeline.variants import compile_study
from zoo.resolve.entry import ResolvedSuite
from zoo.spec.jobs import InputsJob


def pending(project: Project, suite: ResolvedSuite, entry: str) -> Iterator[str]:
    """The stages of an entry and its dependencies that are out of date, in order.

    `dvc repro --dry` would stop at the first missing output.

    Raises:
        ZooError: DVC cannot report its status.
    """
    changed = _changed(project, pipeline_file(suite.name, entry))
    remade: set[Output] = set()
    for owner, stage in _needed(suite, entry):
        if isinstance(stage.job, InputsJob):  # run by every build, mostly without effect
            names = changed_inputs(project, stage.job)
            remade |= {looked_at(suite.name, name) for name in names}
            continue
        file = pipeline_file(suite.name, owner)
        address = stage.name if file == "dvc.yaml" else f"{file}:{stage.name}"
        if address in changed or any(
            made.touches(one) for made in remade for one in stage.dependencies
        ):
            remade |= set(stage.outputs)
            yield f"{suite.name}/{owner} {stage.name}"


def _changed(project: Project, file: str) -> set[str]:
    command = [sys.executable, "-m", "dvc", "status", "--with-deps", "--json", file]
    done = subprocess.run(  # noqa: S603
        command,
        cwd=project.root,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    if done.returncode:
        raise ZooError(_untold(file, done.stderr))
    return set(json.loads(done.stdout))


_CONFLICT = re.compile(r"^(<{7}|={7}|>{7}) ?", re.MULTILINE)


def _untold(file: str, stderr: str) -> Problem:
    """DVC's full message, which names the file and the line."""
    lines = [line.rstrip() for line in stderr.splitlines() if line.strip()]
    told = "\n    ".join(lines) or "no output"
    remedy = "fix the file that it names; regenerate pipelines with `zoo sync`"
    if _CONFLICT.search(stderr) or "<<<<<<<" in stderr:
        remedy = (
            "unresolved merge conflict: take either side, and regenerate dvc.yaml with `zoo sync`"
        )
    return Problem(file, f"DVC cannot report its status:\n    {told}", remedy=remedy)


def _needed(suite: ResolvedSuite, entry: str) -> list[tuple[str, PipelineStage]]:
    pipelines = compile_suite(suite)
    if entry in suite.loaded.studies:
        pipelines.append(compile_study(suite, entry))
    stages = [(pipeline.entry, stage) for pipeline in pipelines for stage in pipeline.stages]
    wanted: set[Output] = set()
    kept = []
    for owner, stage in reversed(stages):
        if owner == entry or _touches_any(stage.outputs, wanted):
            wanted |= set(stage.dependencies)
            kept.append((owner, stage))
    return kept[::-1]


def _touches_any(made: Iterable[Output], wanted: Iterable[Output]) -> bool:
    """Whether anything wanted is made, in part or as a whole."""
    return any(one.touches(other) for one, other in product(made, wanted))
