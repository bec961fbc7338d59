"""Reading and writing the jobs in a pipeline's params.json.

```text
recipes   what runs share, each once, named by the first digits of its sha256
tasks     tasks as the suite uses them: settings and source, named likewise
stages    the jobs in execution order, each with the kind of its stage
```

A job refers to recipes and tasks by name, and omits defaults and what the file's path implies.
Names are content hashes, so that DVC, which tracks each stage by its own job, sees changes of what
the job refers to and nothing else. Defaults are code: the hashes of recipes cover them, and so do
the fingerprints of the code.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any, TypeVar

from pydantic import Field

from zoo.errors import Problem, UsageError, ZooError, at, suggestion
from zoo.json_files import fitting, read_json
from zoo.methods import METHODS
from zoo.paths import Project
from zoo.pipeline.compile import Pipeline, PipelineStage
from zoo.pipeline.kinds import BOARD, STAGE_KINDS, STUDY, StageKind
from zoo.spec.base import Spec, digest, stated
from zoo.spec.data import DataSource, TaskSettings
from zoo.spec.jobs import Job
from zoo.spec.load import BOARD_PIPELINE
from zoo.spec.measuring import BoardJob
from zoo.spec.recipe import Recipe, RunRecipe
from zoo.spec.study import StudyJob

AnyJob = TypeVar("AnyJob", bound=Job)
_Part = TypeVar("_Part", bound=Spec)
SYNC = "run `zoo sync`, which writes it from the specs"
RECIPES_PART, TASKS_PART, STAGES_PART = "recipes", "tasks", "stages"
WIDTH = 120
"""Maximum line width: values that fit are written on one line."""
_DIGITS = 10
"""Digits of the sha256 that names a part."""


class _SuiteTask(Spec):
    """A task with the suite's settings and source."""

    task: str
    settings: TaskSettings = TaskSettings()
    data: DataSource


class _Grid(Spec):
    """Runs as a job refers to them: recipes on their tasks, with every seed of the task."""

    of: tuple[tuple[str, tuple[str, ...]], ...]
    """The name of a recipe, and of the consecutive tasks that use it."""
    seeds: tuple[int, ...]
    other_seeds: dict[str, tuple[int, ...]] = Field(default_factory=dict)
    """The seeds of tasks that have others than `seeds`."""
    teacher_seed: int

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """Pairs of recipe and task names, in order."""
        return [(recipe, task) for recipe, tasks in self.of for task in tasks]

    @property
    def triples(self) -> list[tuple[str, str, int]]:
        """Names of recipe and task with a seed, one for each run, in order."""
        return [
            (recipe, task, seed)
            for recipe, task in self.pairs
            for seed in self.other_seeds.get(task, self.seeds)
        ]


def _name(part: Spec) -> str:
    return digest(part)[:_DIGITS]


@dataclass
class _Writer:
    """The parts shared by the jobs of one pipeline, collected on the way."""

    pipeline: Pipeline
    recipes: dict[str, Any] = field(default_factory=dict)
    tasks: dict[str, Any] = field(default_factory=dict)
    named: dict[tuple[str | int, ...], str] = field(default_factory=dict)
    """The names of parts by the identities of what they hold: runs share their parts."""

    def job(self, stage: PipelineStage) -> dict[str, Any]:
        """A job as written to the file."""
        without_runs = dict.fromkeys(stage.job.run_fields, ())  # they would be dumped for nothing
        job = stage.job.model_copy(update=without_runs)
        plain = {"kind": stage.kind.name, **stated(job)}
        for name, value in (("suite", self.pipeline.suite), ("entry", self.pipeline.entry)):
            if plain[name] == value:
                del plain[name]
        for name, runs in stage.job:
            if name in stage.job.run_fields:
                plain[name] = stated(self._grid(runs))
        return plain

    def _grid(self, runs: Sequence[RunRecipe]) -> _Grid:
        named = [(self._recipe(run.recipe), self._task(run), run.seed) for run in runs]
        pairs = {
            pair: tuple(seed for *_, seed in own) for pair, own in groupby(named, itemgetter(0, 1))
        }
        seeds, *_ = pairs.values()
        (teacher_seed,) = {run.teacher_seed for run in runs}
        groups = groupby(pairs, key=itemgetter(0))
        grid = _Grid(
            of=tuple((recipe, tuple(task for _, task in tasks)) for recipe, tasks in groups),
            seeds=seeds,
            other_seeds={task: own for (_, task), own in pairs.items() if own != seeds},
            teacher_seed=teacher_seed,
        )
        assert grid.triples == named, "the runs of a task stand together"
        return grid

    def _recipe(self, recipe: Recipe) -> str:
        held = (id(recipe),)
        if held not in self.named:
            self.named[held] = _name(recipe)
            self.recipes.setdefault(self.named[held], stated(recipe))
        return self.named[held]

    def _task(self, run: RunRecipe) -> str:
        held = (run.task, id(run.settings), id(run.data))
        if held not in self.named:
            part = _SuiteTask(task=run.task, settings=run.settings, data=run.data)
            name = f"{run.task}-{_name(part)}"
            self.named[held] = name
            self.tasks[name] = stated(part)
        return self.named[held]


def params_text(pipeline: Pipeline) -> str:
    """The params.json of a pipeline."""
    writer = _Writer(pipeline)
    jobs = {stage.name: writer.job(stage) for stage in pipeline.stages}
    parts = {RECIPES_PART: writer.recipes, TASKS_PART: writer.tasks, STAGES_PART: jobs}
    return _json({name: part for name, part in parts.items() if part}) + "\n"


def params_key(stage: str) -> str:
    """The key of params.json that DVC tracks for a stage."""
    return f"{STAGES_PART}.{stage}"


def _json(value: Any, indent: int = 0, before: int = 0) -> str:
    """Readable JSON: values that fit stay on one line, which starts with `before` characters."""
    line = json.dumps(value, ensure_ascii=False)
    if not isinstance(value, dict | list) or indent + before + len(line) < WIDTH or not value:
        return line
    pad = " " * (indent + 1)
    if isinstance(value, list):
        items = [f"{pad}{_json(item, indent + 1)}" for item in value]
    else:
        keys = {key: f"{json.dumps(key)}: " for key in value}
        items = [
            f"{pad}{keys[key]}{_json(item, indent + 1, len(keys[key]))}"
            for key, item in value.items()
        ]
    opening, closing = ("[", "]") if isinstance(value, list) else ("{", "}")
    inner = ",\n".join(items)
    return f"{opening}\n{inner}\n{' ' * indent}{closing}"


class ParamsFile:
    """The params.json of one entry, or of a suite's board, on disk."""

    def __init__(self, project: Project, suite: str, entry: str) -> None:
        """Read the file; its jobs are validated later.

        Raises:
            UsageError: unknown pipeline.
            ZooError: the file is malformed.
        """
        self.place = f"{suite}/{entry}"
        self._implied = {"suite": suite, "entry": entry}
        path = params_path(project, suite, entry)
        if not path.is_file():
            given, remedy = "no pipeline for this entry", "see `zoo list`; write pipelines"
            raise UsageError(Problem(self.place, given, remedy=f"{remedy} with `zoo sync`"))
        self._shown = project.relative(path)
        self._content: dict[str, Any] = read_json(path, dict, shown=self._shown, remedy=SYNC)
        self.stages: dict[str, Any] = self._section(STAGES_PART)
        """The jobs as stored, in execution order."""

    def text(self, stage: str) -> str:
        """A job as stored: parts are named by content hashes, so equal texts mean equal jobs.

        Raises:
            UsageError: unknown stage.
        """
        return json.dumps(self._stage(stage))

    def kind(self, stage: str) -> StageKind:
        """The kind of a stage.

        Raises:
            UsageError: unknown stage.
            ZooError: unknown kind.
        """
        kind = self._stage(stage).get("kind")
        if not isinstance(kind, str) or kind not in STAGE_KINDS:
            given, near = f"unknown kind of stage {kind!r}", suggestion(str(kind), STAGE_KINDS)
            place = at(self._shown, key=f"{STAGES_PART}.{stage}.kind")
            raise ZooError(Problem(place, given, ", ".join(STAGE_KINDS), near or SYNC))
        return STAGE_KINDS[kind]

    def job(self, stage: str, model: type[AnyJob]) -> AnyJob:
        """The job of one stage.

        Raises:
            UsageError: unknown stage.
            ZooError: the file is malformed, or the job is of another kind.
        """
        stands = {**self._implied, **self._stage(stage)}
        stands.pop("kind", None)
        for name in model.run_fields:
            if isinstance(stands.get(name), Mapping):
                stands[name] = self._runs(f"{STAGES_PART}.{stage}.{name}", stands[name])
        return self._fitting(model, stands, f"{STAGES_PART}.{stage}")

    def _runs(self, key: str, value: Mapping[str, Any]) -> tuple[RunRecipe, ...]:
        grid = self._fitting(_Grid, value, key)
        # Most pairs share their recipe: each part is read once.
        recipe_names = dict.fromkeys(recipe for recipe, _ in grid.pairs)
        task_names = dict.fromkeys(task for _, task in grid.pairs)
        recipes = {name: self._part(RECIPES_PART, name, Recipe) for name in recipe_names}
        tasks = {name: self._part(TASKS_PART, name, _SuiteTask) for name in task_names}
        return tuple(
            RunRecipe(
                recipe=recipes[recipe],
                seed=seed,
                teacher_seed=grid.teacher_seed,
                **dict(tasks[task]),
            )
            for recipe, task, seed in grid.triples
        )

    def _part(self, section: str, name: str, model: type[_Part]) -> _Part:
        parts = self._section(section)
        if name not in parts:
            given = f"a stage refers to {name!r}, which is missing"
            raise ZooError(Problem(at(self._shown, key=section), given, remedy=SYNC))
        part = self._fitting(model, parts[name], f"{section}.{name}")
        if not name.endswith(_name(part)):
            given = "content does not match its name: edited, or written with other defaults"
            raise ZooError(Problem(at(self._shown, key=f"{section}.{name}"), given, remedy=SYNC))
        return part

    def _fitting(self, model: type[_Part], value: object, key: str) -> _Part:
        context = {"methods": METHODS.classes}
        return fitting(model, value, at(self._shown, key=key), remedy=SYNC, context=context)

    def _stage(self, name: str) -> dict[str, Any]:
        if name not in self.stages:
            known, near = ", ".join(self.stages), suggestion(name, self.stages)
            raise UsageError(Problem(self.place, f"there is no stage {name!r}", known, near))
        return self._object(self.stages[name], f"{STAGES_PART}.{name}")

    def _section(self, name: str) -> dict[str, Any]:
        return self._object(self._content.get(name, {}), name)

    def _object(self, value: object, key: str) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise ZooError(Problem(at(self._shown, key=key), "not an object", "{...}", SYNC))
        return value


def params_file(suite: str, entry: str) -> str:
    """The params.json of an entry, or of a suite's board, relative to the project."""
    folder = f"pipelines/{suite}" if entry == BOARD_PIPELINE else f"pipelines/{suite}/{entry}"
    return f"{folder}/params.json"


def params_path(project: Project, suite: str, entry: str) -> Path:
    """The same as a path of the project."""
    return project.inside(params_file(suite, entry))


def read_job(project: Project, suite: str, entry: str, stage: str, model: type[AnyJob]) -> AnyJob:
    """One stage's job.

    Raises:
        UsageError: unknown stage.
        ZooError: its params.json is malformed, or the job is of another kind.
    """
    return ParamsFile(project, suite, entry).job(stage, model)


def board_job(project: Project, suite: str) -> BoardJob:
    """The job of a suite's board.

    Raises:
        UsageError: the suite has no pipeline.
        ZooError: its params.json is malformed.
    """
    return read_job(project, suite, BOARD_PIPELINE, BOARD.name, BoardJob)


def study_jobs(project: Project, suite: str) -> list[StudyJob]:
    """The jobs of a suite's declared studies, by name.

    Raises:
        ZooError: a params.json is malformed.
    """
    folders = sorted(path.parent for path in (project.pipelines / suite).glob("*/params.json"))
    files = (ParamsFile(project, suite, folder.name) for folder in folders)
    return [file.job(STUDY.name, StudyJob) for file in files if STUDY.name in file.stages]
