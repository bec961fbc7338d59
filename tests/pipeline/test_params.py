"""Jobs written to a params.json and read back: nothing is lost, and nothing else is believed."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.pipeline.conftest import SUITE
from tests.pipeline.test_compile import changed, params, two_tasks
from zoo.errors import UsageError, ZooError
from zoo.paths import Project, write_file
from zoo.pipeline import kinds
from zoo.pipeline.compile import Pipeline, PipelineStage, compile_suite
from zoo.pipeline.params import SYNC, WIDTH, ParamsFile, params_path, params_text
from zoo.pipeline.variants import compile_study
from zoo.resolve.entry import ResolvedSuite, read_suites
from zoo.spec.base import digest
from zoo.spec.jobs import Job
from zoo.spec.load import suite_names
from zoo.spec.measuring import ScoreJob
from zoo.spec.recipe import RunRecipe

CHECKOUT = Project(Path(__file__).parents[2])
KD = "pipelines/tiny/kd/params.json"
Content = dict[str, Any]
Edit = Callable[[Content], object]

DIGITS = 10
"""Of the sha256 that names a part."""


@pytest.fixture(scope="module")
def suites() -> Mapping[str, ResolvedSuite]:
    """Every suite of this checkout."""
    return read_suites(CHECKOUT)


def pipelines(suite: ResolvedSuite) -> list[Pipeline]:
    studies = [compile_study(suite, name) for name in suite.loaded.studies]
    return [*compile_suite(suite), *studies]


def written(folder: Path, pipeline: Pipeline) -> ParamsFile:
    """The params.json of a pipeline, read again."""
    project = Project(folder)
    path = params_path(project, pipeline.suite, pipeline.entry)
    write_file(path, params_text(pipeline))
    return ParamsFile(project, pipeline.suite, pipeline.entry)


def runs(job: Job) -> list[RunRecipe]:
    return [run for name in job.run_fields for run in dict(job)[name]]


@pytest.mark.parametrize("name", suite_names(CHECKOUT))
def test_every_job_of_the_checkout_comes_back(
    suites: Mapping[str, ResolvedSuite], name: str, tmp_path: Path
) -> None:
    """Of the same kind, equal in every field, and so is what is declared of each of its runs."""
    for pipeline in pipelines(suites[name]):
        file = written(tmp_path, pipeline)
        assert list(file.stages) == [stage.name for stage in pipeline.stages]
        for stage in pipeline.stages:
            back = file.job(stage.name, stage.kind.job)
            assert file.kind(stage.name) is stage.kind
            assert (type(back), back) == (type(stage.job), stage.job)
            told = [run.declared for run in runs(back)]
            assert told == [run.declared for run in runs(stage.job)]


def test_names_are_of_content(load: Any, tmp_path: Path) -> None:
    """The first digits of a part's sha256, after its task; what runs share stands there once."""
    suite = load(suite=two_tasks(SUITE).replace("[1]", "[1, 2]"))
    pipeline = next(one for one in compile_suite(suite) if one.entry == "kd")
    file = written(tmp_path, pipeline)
    content = json.loads((tmp_path / KD).read_text())
    job = file.job("train", pipeline.stages[0].kind.job)
    recipes = {digest(run.recipe)[:DIGITS] for run in runs(job)}
    assert set(content["recipes"]) >= recipes
    grid = content["stages"]["train"]["runs"]
    pairs = [(recipe, task) for recipe, tasks in grid["of"] for task in tasks]
    assert {recipe for recipe, _ in pairs} == recipes
    assert [task.rpartition("-")[0] for _, task in pairs] == ["sentiment", "inference"]
    assert all(task in content["tasks"] for _, task in pairs)
    assert (grid["seeds"], grid["teacher_seed"]) == ([1, 2], 1)
    assert not {"suite", "entry"} & set(content["stages"]["train"])


def test_what_fits_on_a_line_stands_on_one(load: Any) -> None:
    """And what does not fit on several, none of them longer than people read."""
    for pipeline in compile_suite(load()):
        lines = params_text(pipeline).splitlines()
        assert max(map(len, lines)) <= WIDTH


def test_a_tasks_settings_concern_the_stages_that_read_it(load: Any) -> None:
    """With a training stage for each task, the other tasks' see nothing of it."""
    suite = two_tasks(SUITE).replace("per: entry", "per: task")
    line = "inference: {train: 48, dev: 32, max_length: 16}"
    edited = suite.replace(line, line.replace("48", "40"))
    assert edited != suite
    touched = changed(params(load, suite=suite), params(load, suite=edited))
    entries = ("teacher", "finetune", "kd", "distilbert")
    measuring = ("score", "export", "latency")
    expected = {f"{entry}/{name}" for entry in entries for name in ("train-inference", *measuring)}
    assert touched == expected - {"teacher/latency"}


def first(content: Content, section: str) -> str:
    return next(iter(content[section]))


def rename(content: Content) -> None:
    pair = content["stages"]["score"]["runs"]["of"][0]
    pair[0] = "0" * DIGITS


REFUSED: dict[str, tuple[Edit, str]] = {
    "recipe": (
        lambda all_: all_["recipes"][first(all_, "recipes")]["method"].update(temperature=9.0),
        "recipes.{recipe}: content does not match its name: edited, or written with other defaults",
    ),
    "task": (
        lambda all_: all_["tasks"][first(all_, "tasks")]["settings"].update(train=9),
        "tasks.{task}: content does not match its name: edited, or written with other defaults",
    ),
    "schema": (
        lambda all_: all_["recipes"][first(all_, "recipes")].update(schema_version=99),
        "recipes.{recipe}.schema_version: Input should be 3, not 99",
    ),
    "missing": (rename, "recipes: a stage refers to '0000000000', which is missing"),
    "no tasks": (
        lambda all_: all_.pop("tasks"),
        "tasks: a stage refers to '{task}', which is missing",
    ),
    "section": (
        lambda all_: all_.update(recipes=[]),
        "recipes: not an object\n  allowed: {{...}}",
    ),
    "grid": (
        lambda all_: all_["stages"]["score"]["runs"].pop("seeds"),
        "stages.score.runs.seeds: the key is missing",
    ),
    "field": (
        lambda all_: all_["stages"]["score"].update(new=1),
        "stages.score.new: unknown key",
    ),
    "job": (
        lambda all_: all_["stages"].update(score=[]),
        "stages.score: not an object\n  allowed: {{...}}",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_file_that_was_edited_is_refused(load: Any, tmp_path: Path, case: str) -> None:
    """With its name, the key, what is wrong there and what to do."""
    edit, told = REFUSED[case]
    written(tmp_path, next(one for one in compile_suite(load()) if one.entry == "kd"))
    content = json.loads((tmp_path / KD).read_text())
    names = {"recipe": first(content, "recipes"), "task": first(content, "tasks")}
    edit(content)
    (tmp_path / KD).write_text(json.dumps(content))
    with pytest.raises(ZooError) as caught:
        ParamsFile(Project(tmp_path), "tiny", "kd").job("score", ScoreJob)
    assert str(caught.value) == f"{KD}: {told.format(**names)}\n  fix: {SYNC}"


@pytest.mark.parametrize("stages", [[], None, "train", 7])
def test_stages_that_are_no_object_are_refused(tmp_path: Path, stages: object) -> None:
    write_file(tmp_path / KD, json.dumps({"stages": stages}))
    with pytest.raises(ZooError) as caught:
        ParamsFile(Project(tmp_path), "tiny", "kd")
    assert str(caught.value) == (f"{KD}: stages: not an object\n  allowed: {{...}}\n  fix: {SYNC}")


@pytest.mark.parametrize(
    ("kind", "remedy"), [("trian", "did you mean 'train'?"), (None, SYNC), (3, SYNC), ([], SYNC)]
)
def test_an_unknown_kind_is_refused(tmp_path: Path, kind: object, remedy: str) -> None:
    """A stage without one too."""
    job = {} if kind is None else {"kind": kind}
    write_file(tmp_path / KD, json.dumps({"stages": {"one": job}}))
    with pytest.raises(ZooError) as caught:
        ParamsFile(Project(tmp_path), "tiny", "kd").kind("one")
    assert str(caught.value) == (
        f"{KD}: stages.one.kind: unknown kind of stage {kind!r}\n"
        f"  allowed: {', '.join(kinds.STAGE_KINDS)}\n  fix: {remedy}"
    )


def test_equal_texts_are_equal_jobs(load: Any, files: dict[str, str], tmp_path: Path) -> None:
    """A stage is known to be the one that ran by its text: parts are named by their content."""

    def text(folder: str, **changes: str) -> str:
        pipeline = next(one for one in compile_suite(load(**changes)) if one.entry == "kd")
        return written(tmp_path / folder, pipeline).text("train")

    before = text("a")
    hotter = files["kd.yaml"].replace("kd}", "kd, temperature: 2.0}")
    assert text("b", kd="note: x\n" + files["kd.yaml"]) == before
    assert text("c", kd=hotter) != before
    with pytest.raises(UsageError, match=r"no stage .trian.(.|\n)*did you mean .train."):
        written(tmp_path, compile_suite(load())[0]).text("trian")


def test_runs_of_a_task_stand_together(load: Any) -> None:
    """What a grid cannot say is never written."""
    suite = load(suite=SUITE.replace("[1]", "[1, 2]"))
    pipeline = next(one for one in compile_suite(suite) if one.entry == "kd")
    stage = pipeline.stages[0]
    ours = runs(stage.job)
    other = ours[0].model_copy(update={"task": "inference"})
    job = stage.job.model_copy(update={"runs": (ours[0], other, ours[1])})
    mixed = PipelineStage(stage.kind, stage.name, job, (), ())
    with pytest.raises(AssertionError, match="runs of a task stand together"):
        params_text(Pipeline("tiny", "kd", (mixed,)))


def test_seeds_of_tasks_come_back(load: Any, tmp_path: Path) -> None:
    """Written once for all tasks that have those of the first, and for each that has others."""
    tasks = "  sentiment: {train: 48, dev: 32, max_length: 16}\n"
    more = "  inference: {max_length: 16, seeds: [3, 1]}\n  paraphrase: {max_length: 16}\n"
    suite = load(suite=SUITE.replace(tasks, tasks + more).replace("[1]", "[1, 2]"))
    pipeline = next(one for one in compile_suite(suite) if one.entry == "kd")
    file = written(tmp_path, pipeline)
    score = next(stage for stage in pipeline.stages if stage.name == "score")
    grid = file.stages["score"]["runs"]
    assert grid["seeds"] == [1, 2]
    assert list(grid["other_seeds"].values()) == [[3, 1]]
    assert file.job("score", ScoreJob) == score.job
    seeds = [(run.task, run.seed) for run in score.job.runs]
    assert seeds == [
        ("sentiment", 1),
        ("sentiment", 2),
        ("inference", 3),
        ("inference", 1),
        ("paraphrase", 1),
        ("paraphrase", 2),
    ]
    export = next(stage for stage in pipeline.stages if stage.name == "export")
    assert {run.seed for run in export.job.runs} == {1}
