"""A digest changes when what decides the weights does, and only then."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from zoo.data.inputs import files_text
from zoo.paths import Project
from zoo.pipeline.compile import compile_suite
from zoo.pipeline.inputs import inputs_job
from zoo.resolve.entry import read_suites, resolve_suite
from zoo.spec.base import content, digest
from zoo.spec.corpus import FolderCorpus, HubCorpus, PocketCorpus
from zoo.spec.data import FolderData, GlueData, PocketData, SquadData, SuiteData
from zoo.spec.jobs import PretrainJob
from zoo.spec.recipe import RunRecipe, weights_declared
from zoo.spec.shape import Shape
from zoo.spec.task import GLUE, TASKS
from zoo.spec.teacher import FolderSource, HubSource
from zoo.spec.weights import FolderPlace

CHECKOUT = Project(Path(__file__).parents[2])
INPUTS = {"train": "1" * 64, "start": "2" * 64, "teacher": "3" * 64}
REVISION = "a" * 40


def run(
    load: Any, changes: dict[str, str], entry: str = "kd", task: str = "sentiment"
) -> RunRecipe:
    suite = resolve_suite(load(changes))
    return next(one for one in suite.entries[entry].runs if one.task == task)


@pytest.mark.parametrize("name", INPUTS)
def test_the_content_of_every_input_decides(load: Any, name: str) -> None:
    one = run(load, {})
    assert one.digest(INPUTS) != one.digest(INPUTS | {name: "9" * 64})
    assert one.digest(INPUTS) != one.digest({k: v for k, v in INPUTS.items() if k != name})


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("suite.yaml", "seeds: [1, 2]\n", "seeds: [1, 2]\ndata: {pocket_seed: 5}\n"),
        ("suite.yaml", "    train: 64\n", "    train: 65\n"),
        ("suite.yaml", "    dev: 32\n", "    dev: 33\n"),
        ("teachers/t.yaml", "optimise:\n  epochs: 2\n", "optimise:\n  epochs: 9\n"),
    ],
)
def test_what_inputs_say_is_not_said_twice(
    load: Any, files: dict[str, str], file: str, old: str, new: str
) -> None:
    """It is declared, and decides nothing beside the content that comes of it."""
    assert old in files[file]
    before, after = run(load, {}), run(load, {file: files[file].replace(old, new)})
    assert before.declared != after.declared
    assert before.digest(INPUTS) == after.digest(INPUTS)


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("kd.yaml", "  temperature: 4\n", "  temperature: 5\n"),
        ("kd.yaml", "  epochs: 3\n", "  epochs: 4\n"),
        ("kd.yaml", "  layers: 2\n", "  layers: 1\n"),
        ("suite.yaml", "    max_length: 32\n", "    max_length: 31\n"),
    ],
)
def test_what_a_run_does_decides(
    load: Any, files: dict[str, str], file: str, old: str, new: str
) -> None:
    before, after = run(load, {}), run(load, {file: files[file].replace(old, new)})
    assert before.digest(INPUTS) != after.digest(INPUTS)


def test_a_run_without_a_teacher_declares_none(load: Any, files: dict[str, str]) -> None:
    """How a teacher is fine-tuned is no matter of an undistilled twin."""
    tuned = {"teachers/t.yaml": files["teachers/t.yaml"].replace("  epochs: 2\n", "  epochs: 9\n")}
    assert run(load, {}, "finetune").declared == run(load, tuned, "finetune").declared
    assert run(load, {}, "kd").declared != run(load, tuned, "kd").declared


SHAPE = Shape(layers=2, hidden=8, heads=2, intermediate=16, vocabulary=50)


def test_the_same_bytes_are_the_same_weights_wherever_they_lie() -> None:
    """A folder, another folder, the hub: the content decides; each is declared for itself."""
    sources = [
        HubSource(id="someone/model", revision=REVISION, shape=SHAPE),
        HubSource(id="someone/copy", revision="b" * 40, shape=SHAPE),
        FolderSource(path="models/m", sha256="c" * 64, shape=SHAPE),
    ]
    jobs = [PretrainJob(suite="s", entry="t", source=source) for source in sources]
    assert len({job.declared for job in jobs}) == 3
    assert len({job.digest({"weights": "1" * 64}) for job in jobs}) == 1
    assert len({job.digest({"weights": str(n) * 64}) for n, job in enumerate(jobs)}) == 3


def placed(load: Any, places: str) -> Any:
    """The small suite with a teacher and a student's start that name places of their files."""
    files = ", ".join(f"{name}: {'c' * 64}" for name in ("config.json", "vocab.txt"))
    hub = (
        f"{{kind: hub, id: a/b, revision: {REVISION},"
        f" files: {{{files}, model.safetensors: {'d' * 64}}}, {places} "
    )
    shape = "shape: {layers: 4, hidden: 48, heads: 4, intermediate: 96, vocabulary: 512}"
    student = f"teacher: t\nstudent: {{layers: 2, start: {hub}}}}}\nmethod: {{name: finetune}}\n"
    teacher = f"source: {hub}{shape}}}\noptimise: {{epochs: 2}}\n"
    return load({"teachers/t.yaml": teacher, "finetune.yaml": student})


def test_places_decide_nothing(load: Any) -> None:
    """No recipe, run or input knows of them; the stage that takes the weights alone does."""
    near, far = "places: [{kind: folder, path: models/m}],", ""
    here, there = (resolve_suite(placed(load, places)) for places in (near, far))
    for name in ("t", "finetune", "kd", "distil"):
        one, other = here.entries[name], there.entries[name]
        assert one.recipe == other.recipe
        assert one.declared_runs == other.declared_runs
    looked_at = [
        {name: files_text(given) for name, given in inputs_job(suite).inputs.items()}
        for suite in (here, there)
    ]
    assert looked_at[0] == looked_at[1]
    jobs = {
        each.entry: stage.job
        for each in compile_suite(here)
        for stage in each.stages
        if isinstance(stage.job, PretrainJob)
    }
    assert {name: job.places for name, job in jobs.items()} == dict.fromkeys(
        ("t", "finetune"), (FolderPlace(path="models/m"),)
    )
    for job in jobs.values():
        bare = job.model_copy(update={"places": ()})
        assert (job.declared, job.digest(INPUTS)) == (bare.declared, bare.digest(INPUTS))


def test_a_source_without_files_is_written_as_before_there_were_any() -> None:
    """So that what is declared of it, and every hash of that, stays."""
    source = HubSource(id="someone/model", revision=REVISION, shape=SHAPE)
    assert not {"files", "places"} & source.model_dump().keys()
    named = source.model_copy(update={"files": {"config.json": "c" * 64}})
    assert weights_declared(named) != weights_declared(source)
    assert content(named) == content(source)


@pytest.mark.parametrize(
    "corpora",
    [
        (PocketCorpus(documents=3), PocketCorpus(documents=4, seed=1)),
        (
            FolderCorpus(path="a.txt"),
            HubCorpus(id="a/b", revision=REVISION, config="c"),
        ),
    ],
)
def test_a_corpus_is_its_text(load: Any, corpora: tuple[Any, Any]) -> None:
    job = resolve_suite(load({})).entries["distil"].transfer
    assert job is not None
    inputs = {"corpus": "1" * 64, "teacher": "2" * 64}
    made = [job.model_copy(update={"corpus": corpus}) for corpus in corpora]
    assert made[0].declared != made[1].declared
    assert made[0].digest(inputs) == made[1].digest(inputs)
    assert made[0].digest(inputs) != made[0].digest(inputs | {"corpus": "3" * 64})
    cut = corpora[0].model_copy(update={"packing": "blocks"})
    other = corpora[0].model_copy(update={"packing": "documents"})
    blocks, documents = (job.model_copy(update={"corpus": c}).digest(inputs) for c in (cut, other))
    assert blocks != documents


def test_a_source_says_what_its_kind_needs_and_no_more() -> None:
    data = SuiteData(folders={"rte": "mine/RTE"})
    assert data.of(TASKS["sentiment"]) == PocketData(seed=0)
    assert data.of(TASKS["sst2"]) == GlueData(revision=data.glue)
    assert data.of(TASKS["squad-v1.1"]) == SquadData(revision=data.squad)
    assert data.of(TASKS["squad-v2.0"]) == SquadData(revision=data.squad_v2)
    assert data.of(TASKS["rte"]) == FolderData(path="mine/RTE")


@pytest.mark.parametrize(
    ("field", "tasks"),
    [
        ("squad", {"squad-v1.1"}),
        ("squad_v2", {"squad-v2.0"}),
        ("pocket_seed", {name for name, task in TASKS.items() if task.hub is None}),
        ("glue", {name for name, task in TASKS.items() if task.hub and task.hub.id == GLUE}),
    ],
)
def test_another_pin_touches_the_runs_that_read_it(field: str, tasks: set[str]) -> None:
    """Of all suites of this checkout, no run on other data."""
    for resolved in read_suites(CHECKOUT).values():
        value = 7 if field == "pocket_seed" else "f" * 40
        loaded = resolved.loaded
        data = loaded.suite.data.model_copy(update={field: value})
        changed = replace(loaded, suite=loaded.suite.model_copy(update={"data": data}))
        after_all = resolve_suite(changed).entries
        for name in resolved.entries:
            before = {one.key: one for one in resolved.entries[name].runs}
            after = {one.key: one.declared for one in after_all[name].runs}
            touched = {before[key].task for key in before if before[key].declared != after[key]}
            assert touched == tasks & {one.task for one in before.values()}


def test_every_declared_run_is_found_by_its_entry(load: Any) -> None:
    suite = resolve_suite(loaded := load({}))
    found = suite.declared_runs
    assert {entry for entry, _ in found} == {*loaded.teachers, *loaded.entries}
    one = suite.entries["kd"].runs[0]
    assert ("kd", one.declared) in found
    assert ("finetune", one.declared) not in found
    assert one.declared == digest(one)
