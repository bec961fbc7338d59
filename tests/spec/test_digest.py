"""A digest is kept by cosmetic edits, changed by others, and touched by nobody else's."""

from collections.abc import Callable
from pathlib import Path

import pytest

from zoo.paths import Project, write_file
from zoo.pipeline.compile import compile_suite
from zoo.pipeline.params import ParamsFile, params_path, params_text
from zoo.resolve.entry import resolve_suite
from zoo.spec.jobs import Job, PretrainJob, TrainJob, TransferJob
from zoo.spec.load import LoadedSuite
from zoo.spec.recipe import RunRecipe

Digests = dict[tuple[str, str], str]
Edit = Callable[[str, str, str], LoadedSuite]
Load = Callable[[dict[str, str]], LoadedSuite]
Look = Callable[[LoadedSuite], Digests]

GOLDEN = {
    "t": "971a33bd514385046bdc902682424d4803a2fc4c70617ad5de941d6b6015976f",
    "finetune": "e24c86a3da61d6feacd8f5964de358357c974397567fe01976bba2c9624cca71",
    "kd": "557dfaef3fa88a0b3b12456c83eb7bf37f48e071ff78859b5137d5d9fd5947b0",
    "distil": "60cd58a08dba65f01865cc6164842461fafab81650da11a6dc051d5592256c3f",
}
"""Of run sentiment-1. A change here retrains all there is: raise `RECIPE_SCHEMA` along with it."""

COSMETIC = [
    ("kd.yaml", "teacher: t\n", "# for people\nteacher: t  # the only one\n\n"),
    ("kd.yaml", "teacher: t\n", 'note: anything\nteacher: "t"\n'),
    ("kd.yaml", "  name: kd\n  temperature: 4\n", "  'temperature': 4.0\n  name: 'kd'\n"),
    ("kd.yaml", "  temperature: 4\n", "  temperature: 0.4e1\n"),
    ("kd.yaml", "optimise:\n  epochs: 3\n", "optimise: {epochs: 3.0, batch_size: 32}\n"),
    ("kd.yaml", "optimise:\n  epochs: 3\n", "optimise: {epochs: 3, clip: 1, steps: null}\n"),
    ("kd.yaml", "    learning_rate: 1e-4\n", "    learning_rate: 0.0001\n    epochs: null\n"),
    ("kd.yaml", "    learning_rate: 1e-4\n", "    learning_rate: 1e-4\n    epochs: 3\n"),
    ("kd.yaml", "  span:\n", "  sentiment: {}\n  span:\n"),
    ("kd.yaml", "  layers: 2\n", "  layers: 0x2\n  start: first\n  hidden: null\n"),
    ("kd.yaml", "  layers: 2\n", "  layers: 2\n  heads: 4\n  hidden: 48\n  family: bert\n"),
    ("finetune.yaml", "  layers: 2\n", "  layers: 2\noptimise: {epochs: 3, learning_rate: 5e-5}\n"),
    ("suite.yaml", "  batch_size: 32\n", ""),
    ("suite.yaml", "seeds: [1, 2]\n", "seeds:\n- 1\n- 2\ntrain_stage_per: task\n"),
    ("suite.yaml", "    max_query: 16\n", "    train: null\n    max_query: 16\n"),
    ("suite.yaml", "  documents: 50\n", "  documents: 50\n  seed: 0\n"),
    ("suite.yaml", "seeds: [1, 2]\n", "seeds: [1, 2]\ndata: {pocket_seed: 0}\nnote: x\n"),
    (
        "suite.yaml",
        "  shapes: [1x64]\n",
        "  shapes: [1x32, 4x32]\n  threads: 2\n  runtimes: [torch-fp32]\n",
    ),
    ("suite.yaml", "  shapes: [1x64]\n", "  shapes: [1x64]\n  export: {tolerance: 0.1}\n"),
    ("suite.yaml", "twin: finetune\n", "twin: kd\n"),
    ("suite.yaml", "twin: finetune\n", ""),
    ("distil.yaml", "teacher: t\n", "teacher: t\ntwin: kd\n"),
    ("teachers/t.yaml", "  sentiment: 0.8\n", "  sentiment: 0.9\n"),
    ("teachers/t.yaml", "optimise:\n  epochs: 2\n", "note: x\noptimise:\n  epochs: 2.0\n"),
    ("teachers/t.yaml", "    kind: words\n", "    kind: words\n    path:\n"),
    ("teachers/t.yaml", "    heads: 4\n", "    heads: 4\n    family: bert\n"),
]


@pytest.mark.parametrize(("file", "old", "new"), COSMETIC)
def test_cosmetic_edits_keep_every_digest(
    load: Load, edit: Edit, digests: Look, file: str, old: str, new: str
) -> None:
    """Comments, order, quotes, spelled-out defaults, notes, gates, twins and benches."""
    assert runs(digests(edit(file, old, new))) == runs(digests(load({})))


def runs(found: Digests) -> Digests:
    return {key: value for key, value in found.items() if key[1]}


def test_known_digests(load: Load, digests: Look) -> None:
    """An accidental change of the schema is noticed before it retrains anything."""
    found = digests(load({}))
    assert {entry: found[entry, "sentiment-1"] for entry in GOLDEN} == GOLDEN


def test_every_digest_is_its_own(load: Load, digests: Look) -> None:
    """No two runs and no two entries share an identity."""
    found = digests(load({}))
    assert len(found) == 4 * 5
    assert len(set(found.values())) == len(found)


ELSEWHERE = [
    (("kd.yaml", "    learning_rate: 1e-4\n", "    learning_rate: 2e-4\n"), {"kd"}),
    (("suite.yaml", "    max_query: 16\n", "    max_query: 17\n"), set(GOLDEN)),
    (("teachers/t.yaml", "    epochs: 4\n", "    epochs: 5\n"), {"t", "kd"}),
]


@pytest.mark.parametrize(("change", "entries"), ELSEWHERE)
def test_another_tasks_settings_leave_a_task_alone(
    load: Load, edit: Edit, digests: Look, change: tuple[str, str, str], entries: set[str]
) -> None:
    """What is said of span changes the span runs, and no run on sentiment."""
    before, after = runs(digests(load({}))), runs(digests(edit(*change)))
    touched = {key for key in before if before[key] != after[key]}
    assert touched == {(entry, f"span-{seed}") for entry in entries for seed in (1, 2)}


def test_another_entry_and_another_task_leave_a_run_alone(
    load: Load, edit: Edit, digests: Look, files: dict[str, str]
) -> None:
    """A suite grows without retraining what it has."""
    before = runs(digests(load({})))
    similarity = "  similarity: {max_length: 32}\n  sentiment:\n"
    grown = runs(digests(load({"kd-2.yaml": files["kd.yaml"]})))
    wider = runs(digests(edit("suite.yaml", "  sentiment:\n", similarity)))
    for after in (grown, wider):
        assert {key: after[key] for key in before} == before
        assert len(after) > len(before)


def test_a_third_seed_leaves_the_others_alone(edit: Edit, load: Load, digests: Look) -> None:
    """More seeds are more runs; another first seed is another teacher, hence other runs."""
    before = runs(digests(load({})))
    more = runs(digests(edit("suite.yaml", "[1, 2]", "[1, 2, 3]")))
    assert {key: more[key] for key in before} == before
    turned = runs(digests(edit("suite.yaml", "[1, 2]", "[2, 1]")))
    assert all(turned[key] != before[key] for key in before)


def test_an_entrys_name_is_no_part_of_its_digest(
    load: Load, digests: Look, files: dict[str, str]
) -> None:
    """The same content under two names is one identity."""
    found = digests(load({"same.yaml": files["kd.yaml"]}))
    assert found["same", "span-1"] == found["kd", "span-1"]


def runs_of(job: Job) -> tuple[RunRecipe, ...]:
    return job.runs if isinstance(job, TrainJob) else ()


def test_jobs_read_back_from_json_have_the_same_digests(load: Load, tmp_path: Path) -> None:
    """What a stage reads from params.json is what the specs said, tuples and methods included."""
    project, seen = Project(tmp_path), 0
    for pipeline in compile_suite(resolve_suite(load({"listed.yaml": LISTED}))):
        path = params_path(project, pipeline.suite, pipeline.entry)
        write_file(path, params_text(pipeline))
        params = ParamsFile(project, pipeline.suite, pipeline.entry)
        for stage in pipeline.stages:
            again = params.job(stage.name, stage.kind.job)
            assert again == stage.job
            assert [run.declared for run in runs_of(again)] == [
                r.declared for r in runs_of(stage.job)
            ]
            seen += isinstance(stage.job, PretrainJob | TransferJob | TrainJob)
    assert seen == 1 + 1 + 5 * 4


LISTED = """\
teacher: t
student: {layers: 2, start: [0, 3]}
method: {name: kd}
"""
