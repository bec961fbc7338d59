"""The stages that a build would run or restore from DVC's cache, without running anything."""

import json
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product

from zoo.errors import Problem, ZooError
from zoo.paths import Project
from zoo.pipeline.compile import PipelineStage, compile_suite
from zoo.pipeline.inputs import looked_at
from zoo.pipeline.locks import others_at_work, wait_for_others
from zoo.pipeline.outputs import Output
from zoo.pipeline.sync import PROJECT_PIPELINE, pipeline_file
from zoo.pipeline.variants import compile_study
from zoo.resolve.entry import ResolvedSuite
from zoo.spec.jobs import InputsJob


@dataclass(frozen=True)
class PendingStage:
    """A stage that a build would run."""

    suite: str
    owner: str
    """The entry or study that has it, or the suite's board or inputs."""
    stage: PipelineStage

    def __str__(self) -> str:
        return f"{self.suite}/{self.owner} {self.stage.name}"

    @property
    def key(self) -> str:
        """The stage as durations and progress name it."""
        return f"{self.owner}/{self.stage.name}"

    @property
    def address(self) -> str:
        """The stage as DVC names it."""
        file = pipeline_file(self.suite, self.owner)
        return self.stage.name if file == PROJECT_PIPELINE else f"{file}:{self.stage.name}"

    def needs(self, other: "PendingStage") -> bool:
        """Whether it reads what the other makes."""
        pairs = product(self.stage.dependencies, other.stage.outputs)
        return any(needed.touches(made) for needed, made in pairs)


def pending(project: Project, suite: ResolvedSuite, entry: str) -> Iterator[PendingStage]:
    """The stages of an entry and its dependencies that are out of date, in order.

    `dvc repro --dry` would stop at the first missing output.

    Raises:
        ZooError: DVC cannot report its status.
    """
    needed = _needed(suite, entry)
    files = dict.fromkeys(pipeline_file(suite.name, one.owner) for one in needed)
    changed = _changed(project, pipeline_file(suite.name, entry), list(files))
    remade: set[Output] = set()
    for one in needed:
        stage = one.stage
        if isinstance(stage.job, InputsJob):  # DVC calls it changed, always
            names = _changed_inputs(project, stage.job)
            remade |= {looked_at(suite.name, name) for name in names}
            if names:
                yield one
        elif one.address in changed or any(
            made.touches(other) for made in remade for other in stage.dependencies
        ):
            remade |= set(stage.outputs)
            yield one


def _changed_inputs(project: Project, job: InputsJob) -> list[str]:
    from zoo.data.inputs import changed_inputs  # noqa: PLC0415  (only real data has inputs)

    return changed_inputs(project, job)


def _changed(project: Project, target: str, files: Sequence[str]) -> set[str]:
    """The addresses of the stages in some files that are out of date.

    The files are named instead of having DVC find them, for which it reads those of all suites.
    """
    while True:
        done = subprocess.run(  # noqa: S603
            [sys.executable, "-m", "dvc", "--wait-for-lock", "status", "--json", *files],
            cwd=project.root,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
        if not done.returncode:
            return set(json.loads(done.stdout))
        if not others_at_work(project):
            raise ZooError(_untold(target, done.stderr))
        wait_for_others(project)  # DVC reports nothing of what it is building


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


def _needed(suite: ResolvedSuite, entry: str) -> list[PendingStage]:
    pipelines = compile_suite(suite)
    if entry in suite.loaded.studies:
        pipelines.append(compile_study(suite, entry))
    wanted: set[Output] = set()
    kept = []
    for pipeline in reversed(pipelines):
        for stage in reversed(pipeline.stages):
            if pipeline.entry == entry or _touches_any(stage.outputs, wanted):
                wanted |= set(stage.dependencies)
                kept.append(PendingStage(suite.name, pipeline.entry, stage))
    return kept[::-1]


def _touches_any(made: Iterable[Output], wanted: Iterable[Output]) -> bool:
    """Whether anything wanted is made, in part or as a whole."""
    return any(one.touches(other) for one, other in product(made, wanted))
