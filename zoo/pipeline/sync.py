"""Writing pipelines: a small dvc.yaml per entry, its jobs as JSON, the code's fingerprints."""

import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel

from zoo.errors import Problem, SpecError, UsageError, at
from zoo.json_files import fitting, read_json
from zoo.paths import Project, write_file
from zoo.pipeline.compile import Pipeline, PipelineStage, compile_suite
from zoo.pipeline.fingerprint import code_parts, fingerprint_text
from zoo.pipeline.variants import STUDY, compile_study
from zoo.spec.load import BOARD, INPUTS, LoadedSuite
from zoo.spec.measuring import BoardJob
from zoo.spec.study import StudyJob

_Job = TypeVar("_Job", bound=BaseModel)
DEFAULT_SUITE = "pocket"
SYNC = "run `zoo sync`, which writes it from the specs"
CODE = "pipelines/code"
"""The folder of the code's fingerprints, a file for each part."""
LARGEST = 50
"""Most stages per dvc.yaml: beyond it DVC's own work grows faster than the stages."""


def pipeline_files(suites: dict[str, LoadedSuite]) -> dict[str, str]:
    """Every generated file of the pipelines: path from the root, and content.

    Raises:
        SpecError: an entry has more stages than a dvc.yaml can bear.
    """
    files: dict[str, str] = {}
    parts: set[str] = set()
    for loaded in suites.values():
        studies = [compile_study(loaded, name) for name in sorted(loaded.studies)]
        for pipeline in (*compile_suite(loaded), *studies):
            _refuse_large(pipeline)
            files |= _files_of(pipeline)
            parts |= {part for stage in pipeline.stages for part in _parts(stage)}
    return files | {_code_file(part): fingerprint_text(part) for part in sorted(parts)}


def write_pipelines(project: Project, files: dict[str, str]) -> list[str]:
    """Write what differs and remove what is no longer declared; returns the changed paths."""
    changed = []
    for path, content in files.items():
        target = project.root / path
        if not _holds(target, content):
            write_file(target, content)
            changed.append(path)
    for path in _left_over(project, files):
        _remove(project.root / path)
        changed.append(path)
    return changed


def drift(project: Project, files: dict[str, str]) -> Iterator[Problem]:
    """What `zoo sync` would change."""
    for path, content in files.items():
        target = project.root / path
        if not target.is_file():
            yield Problem(path, "is missing", remedy="run `zoo sync` and commit what it writes")
        elif not _holds(target, content):
            code = path.startswith(f"{CODE}/")
            given = "the code it stands for has changed" if code else "differs from specs"
            yield Problem(path, given, remedy="run `zoo sync` and commit what it writes")
    for path in _left_over(project, files):
        yield Problem(path, "no spec declares it", remedy="run `zoo sync` and commit")


def _holds(path: Path, content: str) -> bool:
    """Whether a file has this content; one that is no text has another."""
    return path.is_file() and path.read_bytes() == content.encode()


def pipeline_file(suite: str, entry: str = BOARD) -> str:
    """The dvc.yaml of an entry; the board's builds a whole suite."""
    if entry != BOARD:
        return f"pipelines/{suite}/{entry}/dvc.yaml"
    return "dvc.yaml" if suite == DEFAULT_SUITE else f"pipelines/{suite}/dvc.yaml"


def code_text(project: Project, kind: str, method: str | None) -> str:
    """The fingerprints of what a kind of stage runs, as they stand on disk; DVC compares these."""
    files = [project.root / _code_file(part) for part in code_parts(kind, method)]
    return "".join(path.read_text(encoding="utf-8") for path in files if path.is_file())


def _left_over(project: Project, files: dict[str, str]) -> list[str]:
    kinds = ("dvc.yaml", "*.json", "code/**/*.txt")
    generated = [path for kind in kinds for path in project.pipelines.rglob(kind)]
    return sorted({project.relative(path) for path in generated} - set(files))


def _remove(path: Path) -> None:
    """Remove a generated file, and its folder once nothing but DVC's lock is left in it."""
    path.unlink()
    if {left.name for left in path.parent.iterdir()} <= {"dvc.lock"}:
        shutil.rmtree(path.parent)


def _refuse_large(pipeline: Pipeline) -> None:
    if len(pipeline.stages) <= LARGEST:
        return
    place = at(f"specs/{pipeline.suite}/suite.yaml", key="train_stage_per")
    remedy = "state train_stage_per: task, or entry"
    if pipeline.stages[-1].kind == STUDY:
        place = at(f"{_source(pipeline)}.yaml", key="axes")
        remedy = "state fewer values, or make two studies of it"
    given = f"the pipeline of {pipeline.entry} would have {len(pipeline.stages)} stages"
    raise SpecError(Problem(place, given, f"at most {LARGEST}", remedy))


def _files_of(pipeline: Pipeline) -> dict[str, str]:
    suite, entry = pipeline.suite, pipeline.entry
    folder = f"pipelines/{suite}" if entry == BOARD else f"pipelines/{suite}/{entry}"
    params = f"{folder}/params.json"
    jobs = {stage.name: stage.job.model_dump(mode="json") for stage in pipeline.stages}
    target = pipeline_file(suite, entry)
    up = "/".join([".."] * target.count("/")) or "."
    return {params: _json(jobs), target: _dvc_yaml(pipeline, params, up)}


def _source(pipeline: Pipeline) -> str:
    """What a pipeline is written from."""
    if pipeline.entry in (BOARD, INPUTS):
        return f"specs/{pipeline.suite}"
    folder = "studies/" if pipeline.stages[-1].kind == STUDY else ""
    return f"specs/{pipeline.suite}/{folder}{pipeline.entry}"


def _dvc_yaml(pipeline: Pipeline, params: str, up: str) -> str:
    lines = [
        f"# Written by `zoo sync` from {_source(pipeline)}; edit that, not this.",
        "stages:",
    ]
    for stage in pipeline.stages:
        where = f"{pipeline.suite}/{pipeline.entry}"
        code = tuple(map(_code_file, _parts(stage)))
        lines += [
            f"  {stage.name}:",
            f"    wdir: {up}",
            f"    cmd: zoo stage {where} {stage.name}",
            *(["    always_changed: true"] if stage.kind == INPUTS else []),
            *_list("deps", (*code, *stage.dependencies)),
            "    params:",
            f"      - {params}: [{stage.name}]",
            *_list("outs", stage.outputs),
        ]
    return "\n".join(lines) + "\n"


def _parts(stage: PipelineStage) -> tuple[str, ...]:
    return code_parts(stage.kind, stage.method)


def _code_file(part: str) -> str:
    return f"{CODE}/{part}.txt"


def _list(key: str, values: tuple[str, ...]) -> list[str]:
    return [f"    {key}:", *(f"      - {value}" for value in values)] if values else []


def _json(value: Any) -> str:
    return json.dumps(value, indent=1, sort_keys=True) + "\n"


def job_of(project: Project, suite: str, entry: str, name: str) -> str:
    """The JSON of one stage's job, as written in its params.json.

    Raises:
        UsageError: there is no such stage.
        ZooError: its params.json is damaged.
    """
    path = _params(project, suite, entry)
    if not path.is_file():
        remedy = "see `zoo list`; write pipelines with `zoo sync`"
        given = "there is no pipeline of this entry"
        raise UsageError(Problem(f"{suite}/{entry}", given, remedy=remedy))
    jobs = read_jobs(project, path)
    if name not in jobs:
        known = ", ".join(sorted(jobs))
        raise UsageError(Problem(f"{suite}/{entry}", f"there is no stage {name!r}", known))
    return json.dumps(jobs[name])


def read_job(
    project: Project,
    suite: str,
    entry: str,
    name: str,
    model: type[_Job],
    *,
    context: Mapping[str, Any] | None = None,
) -> _Job:
    """One stage's job.

    Raises:
        UsageError: there is no such stage.
        ZooError: its params.json is damaged, or this is no such job.
    """
    text = job_of(project, suite, entry, name)
    where = at(project.relative(_params(project, suite, entry)), key=name)
    return fitting(model, json.loads(text), where, remedy=SYNC, context=context)


def read_jobs(project: Project, path: Path) -> dict[str, Any]:
    """All jobs of a params.json, not looked into yet.

    Raises:
        ZooError: it is missing or damaged.
    """
    shown = project.relative(path)
    jobs: dict[str, Any] = read_json(path, dict, shown=shown, remedy=SYNC)
    return jobs


def study_jobs(project: Project, suite: str) -> list[StudyJob]:
    """What the declared studies of a suite are made of, by name.

    Raises:
        ZooError: a params.json is damaged.
    """
    found = []
    for path in sorted((project.pipelines / suite).glob("*/params.json")):
        jobs = read_jobs(project, path)
        if STUDY in jobs:
            where = at(project.relative(path), key=STUDY)
            job = fitting(StudyJob, jobs[STUDY], where, remedy=SYNC)
            found.append(job)
    return found


def board_job(project: Project, suite: str) -> BoardJob:
    """What the board of a suite is made of.

    Raises:
        UsageError: the suite has no pipeline.
        ZooError: its params.json is damaged.
    """
    return read_job(project, suite, BOARD, BOARD, BoardJob)


def _params(project: Project, suite: str, entry: str) -> Path:
    folder = f"pipelines/{suite}" if entry == BOARD else f"pipelines/{suite}/{entry}"
    return project.inside(f"{folder}/params.json")
