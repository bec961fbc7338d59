"""What a suite's pipelines consist of, and what an edit of the specs changes in them."""

import json
from pathlib import Path
from typing import Any

import pytest

from zoo.errors import SpecError
from zoo.methods import METHODS
from zoo.paths import Project
from zoo.pipeline.compile import Pipeline, PipelineStage, compile_suite
from zoo.pipeline.recipes import run_recipes
from zoo.pipeline.sync import LARGEST, pipeline_files
from zoo.spec.jobs import TrainJob
from zoo.spec.load import load_suites
from zoo.spec.measuring import BoardJob

CHECKOUT = Project(Path(__file__).parents[2])
DIGITS = 64


def stages(pipelines: list[Pipeline]) -> dict[str, PipelineStage]:
    return {f"{p.entry}/{stage.name}": stage for p in pipelines for stage in p.stages}


def params(load: Any, **changes: str | None) -> dict[str, dict]:
    """Every job of the tiny suite as it stands in params.json, by `<entry>/<stage>`."""
    loaded = load(**changes)
    files = pipeline_files({"tiny": loaded})
    jobs = {}
    for path, text in files.items():
        if path.endswith("/params.json"):
            folder = path.removeprefix("pipelines/tiny").removesuffix("params.json").strip("/")
            jobs |= {f"{folder or 'board'}/{name}": job for name, job in json.loads(text).items()}
    return jobs


def changed(before: dict[str, dict], after: dict[str, dict]) -> set[str]:
    return {key for key in before | after if before.get(key) != after.get(key)}


def test_every_dependency_is_what_another_stage_leaves(load: Any) -> None:
    """No stage waits for a file that nobody makes, none for its own, and no file has two makers."""
    found = stages(compile_suite(load()))
    outputs = [output for stage in found.values() for output in stage.outputs]
    assert len(outputs) == len(set(outputs))
    for stage in found.values():
        assert set(stage.dependencies) <= set(outputs) - set(stage.outputs)


def test_stages_can_run_in_their_order_but_for_the_gate(load: Any) -> None:
    """Within an entry a stage depends only on earlier ones."""
    for pipeline in compile_suite(load()):
        made: set[str] = set()
        own = {output for stage in pipeline.stages for output in stage.outputs}
        for stage in pipeline.stages:
            assert set(stage.dependencies) & own <= made
            made |= set(stage.outputs)


def test_a_job_is_the_same_after_its_trip_through_json(load: Any) -> None:
    """A stage reads its job from params.json: nothing is lost on the way, digests least of all."""
    for stage in stages(compile_suite(load())).values():
        text = json.dumps(stage.job.model_dump(mode="json"))
        back = type(stage.job).model_validate_json(text, context={"methods": METHODS.classes})
        assert back == stage.job
        if isinstance(back, TrainJob) and isinstance(stage.job, TrainJob):
            assert [run.declared for run in back.runs] == [run.declared for run in stage.job.runs]


def test_a_measured_run_has_the_digest_of_the_trained_one(load: Any) -> None:
    """Scores, exports and timings name the checkpoint that training left."""
    loaded = load()
    for name in (*loaded.teachers, *loaded.entries):
        digests = {run.key: run.declared for run in run_recipes(loaded, name)}
        assert all(len(digest) == DIGITS for digest in digests.values())
        for stage in stages(compile_suite(loaded)).values():
            if stage.job.entry == name and stage.kind in ("score", "export", "latency"):
                assert {run.key: run.declared for run in stage.job.runs} == digests


def test_only_distilled_runs_wait_for_the_teacher(load: Any) -> None:
    """`finetune` needs pretrained weights, `kd` the gate and the teacher of each of its tasks."""
    found = stages(compile_suite(load()))
    teacher = "build/tiny/teacher"
    assert found["finetune/train"].dependencies == (f"{teacher}/pretrained",)
    assert found["kd/train"].dependencies == (
        f"{teacher}/pretrained",
        f"{teacher}/gate.json",
        f"{teacher}/runs/sentiment-1/checkpoint",
    )
    assert found["distilbert/transfer"].dependencies == (f"{teacher}/pretrained",)
    assert found["distilbert/train"].dependencies == ("build/tiny/distilbert/transferred",)


def test_kd_waits_for_the_teacher_of_every_task_of_its_stage(
    load: Any, files: dict[str, str]
) -> None:
    """A stage that trains one task waits for that task's teacher only."""
    suite = two_tasks(files["suite.yaml"])
    found = stages(compile_suite(load(suite=suite)))
    assert [d for d in found["kd/train"].dependencies if "/runs/" in d] == [
        f"build/tiny/teacher/runs/{task}-1/checkpoint" for task in ("sentiment", "inference")
    ]
    apart = suite.replace("per: entry", "per: task")
    found = stages(compile_suite(load(suite=apart)))
    assert [d for d in found["kd/train-inference"].dependencies if "/runs/" in d] == [
        "build/tiny/teacher/runs/inference-1/checkpoint"
    ]


@pytest.mark.parametrize(
    ("old", "new", "kinds"),
    [
        ("seeds: [1]", "note: another\nseeds: [1]", set()),
        ("samples: 20", "samples: 30", {"latency"}),
        ("examples: 32", "examples: 33", {"export", "latency"}),
        ("twin: finetune\n", "", {"score"}),
        ("documents: 60", "documents: 61", None),
    ],
)
def test_a_suite_edit_reaches_the_stages_it_concerns(
    load: Any, files: dict[str, str], old: str, new: str, kinds: Any
) -> None:
    """Notes and bench settings retrain nothing; the corpus concerns who reads it."""
    suite = files["suite.yaml"].replace(old, new)
    assert suite != files["suite.yaml"]
    touched = changed(params(load), params(load, suite=suite))
    if kinds is None:
        assert touched == {
            f"distilbert/{n}" for n in ("transfer", "train", "score", "export", "latency")
        }
    else:
        assert {key.rpartition("/")[2] for key in touched} == kinds


def test_a_gate_changes_the_gate_alone(load: Any, files: dict[str, str]) -> None:
    """Raising what a teacher must reach trains nothing."""
    gated = files["teachers/teacher.yaml"] + "gates: {sentiment: 0.4}\n"
    assert changed(params(load), params(load, teachers__teacher=gated)) == {"teacher/gate"}


def test_an_entry_edit_changes_that_entry_alone(load: Any, files: dict[str, str]) -> None:
    """Neither other entries nor the board's job; a new name changes the board's."""
    edited = files["kd.yaml"].replace("kd}", "kd, temperature: 2.0}")
    before = params(load)
    mine = {f"kd/{name}" for name in ("train", "score", "export", "latency")}
    assert changed(before, params(load, kd=edited)) == mine
    assert changed(before, params(load, kd="note: x\n" + files["kd.yaml"])) == set()
    added = changed(before, params(load, another=files["kd.yaml"]))
    assert {key for key in added if not key.startswith("another/")} == {"board/board"}


@pytest.mark.parametrize(
    ("per", "names"),
    [
        ("entry", ["train"]),
        ("task", ["train-squad-v1_1", "train-inference"]),
        ("run", [f"train-{t}-{s}" for t in ("squad-v1_1", "inference") for s in (1, 2)]),
    ],
)
def test_a_stage_trains_as_many_runs_as_declared(
    load: Any, files: dict[str, str], per: str, names: Any
) -> None:
    """Names have no dots, which DVC refuses, and together the stages train every run once."""
    suite = two_tasks(files["suite.yaml"]).replace("sentiment:", "squad-v1.1:")
    suite = suite.replace("max_length: 16}\n  inf", "max_length: 16, max_query: 8}\n  inf")
    suite = suite.replace("seeds: [1]", "seeds: [1, 2]").replace("per: entry", f"per: {per}")
    found = next(s for s in compile_suite(load(suite=suite)) if s.entry == "kd").stages
    trains = [stage for stage in found if stage.kind == "train"]
    assert [stage.name for stage in trains] == names
    keys = sorted(run.key for stage in trains for run in stage.job.runs)
    assert keys == sorted(f"{t}-{s}" for t in ("squad-v1.1", "inference") for s in (1, 2))


def test_commands_are_the_same_on_every_machine(load: Any, tmp_path: Path) -> None:
    """The text is part of the run cache's key: no path, no device, no worker count."""
    for path, text in pipeline_files({"tiny": load()}).items():
        assert str(tmp_path) not in text
        assert "cuda" not in text
        if path.endswith("dvc.yaml"):
            lines = [line.strip() for line in text.splitlines()]
            commands = [line for line in lines if line.startswith("cmd:")]
            assert commands
            for command in commands:
                words = command.split()
                assert words[:3] == ["cmd:", "zoo", "stage"]
                assert words[3].startswith("tiny/")
                assert len(words) == len(["cmd:", "zoo", "stage", "ENTRY", "NAME"])


def test_no_pipeline_of_the_checkout_is_too_large() -> None:
    """DVC's own work grows faster than the stages of one dvc.yaml."""
    for loaded in load_suites(CHECKOUT, METHODS).values():
        for pipeline in compile_suite(loaded):
            assert len(pipeline.stages) <= LARGEST
            assert not [stage.name for stage in pipeline.stages if "." in stage.name]


def test_too_large_a_pipeline_is_refused_with_a_way_out(load: Any, files: dict[str, str]) -> None:
    """The suite is told which key makes fewer stages of the same runs."""
    seeds = ", ".join(map(str, range(48)))
    suite = files["suite.yaml"].replace("[1]", f"[{seeds}]").replace("per: entry", "per: run")
    with pytest.raises(SpecError) as caught:
        pipeline_files({"tiny": load(suite=suite)})
    assert str(caught.value) == (
        "specs/tiny/suite.yaml: train_stage_per: the pipeline of teacher would have 52 stages\n"
        "  allowed: at most 50\n"
        "  do: state train_stage_per: task, or entry"
    )


ASSISTED = {
    "teachers__assistant": """\
source:
  kind: distilled
  entry: distilbert
  shape:
    {family: distilbert, layers: 1, hidden: 32, heads: 2, intermediate: 64, vocabulary: 352,
     positions: 16}
optimise: {steps: 4, batch_size: 16}
""",
    "below": "teacher: assistant\nstudent: {layers: 1}\nmethod: {name: kd}\n",
    "started": """\
teacher: teacher
student: {family: distilbert, layers: 1, start: {kind: distilled, entry: distilbert}}
method: {name: finetune}
""",
    "fetched": f"""\
teacher: teacher
student: {{layers: 1, start: {{kind: hub, id: someone/general, revision: {"a" * 40}}}}}
method: {{name: distilbert}}
""",
}
"""Entries of the tiny suite that are made of each other's weights, or of the hub's."""


def test_weights_are_brought_before_they_are_used(load: Any) -> None:
    """An assistant waits for its entry, a student for its given weights and their tokenizer."""
    found = stages(compile_suite(load(**ASSISTED)))
    teacher, ours = "build/tiny/teacher", "build/tiny"
    assert {name: stage.dependencies for name, stage in found.items() if "pretrain" in name} == {
        "teacher/pretrain": (),
        "assistant/pretrain": (f"{ours}/distilbert/transferred",),
        "started/pretrain": (f"{ours}/distilbert/transferred", f"{teacher}/pretrained"),
        "fetched/pretrain": (f"{ours}/inputs/weights-of-fetched.txt", f"{teacher}/pretrained"),
    }
    assert found["started/pretrain"].outputs == (f"{ours}/started/pretrained",)
    assert found["started/train"].dependencies == (f"{ours}/started/pretrained",)
    assert found["fetched/transfer"].dependencies == (
        f"{teacher}/pretrained",
        f"{ours}/fetched/pretrained",
    )
    assert found["fetched/train"].dependencies == (f"{ours}/fetched/transferred",)
    assert found["below/train"].dependencies == (
        f"{ours}/assistant/pretrained",
        f"{ours}/assistant/gate.json",
        f"{ours}/assistant/runs/sentiment-1/checkpoint",
    )


def test_no_stage_comes_before_what_it_depends_on(load: Any) -> None:
    """Also across pipelines, where an assistant is a teacher that comes after an entry."""
    made: set[str] = set()
    pipelines = compile_suite(load(**ASSISTED))
    for stage in (stage for pipeline in pipelines for stage in pipeline.stages):
        assert set(stage.dependencies) <= made, stage.name
        made |= set(stage.outputs)
    board = pipelines[-1].stages[-1].job
    assert isinstance(board, BoardJob)
    assert board.entries == tuple(pipeline.entry for pipeline in pipelines[1:-1])


def test_given_weights_leave_the_other_stages_as_they_were(load: Any) -> None:
    """What an entry became is a new use of it: nothing of the entry itself changes."""
    added = changed(params(load), params(load, **ASSISTED))
    new = ("assistant/", "below/", "started/", "fetched/")
    assert {key for key in added if not key.startswith(new)} == {"board/board", "inputs/inputs"}


def test_a_change_of_an_entry_reaches_what_is_made_of_it(load: Any, files: dict[str, str]) -> None:
    """The assistant is pretrained again when the entry's corpus stages change, not otherwise."""
    before = params(load, **ASSISTED)
    longer = files["distilbert.yaml"] + "corpus_optimise: {steps: 5, max_length: 16}\n"
    touched = changed(before, params(load, **ASSISTED, distilbert=longer))
    assert {"assistant/pretrain", "started/pretrain", "below/train"} <= touched
    assert not [key for key in touched if key.startswith(("teacher/", "fetched/", "kd/"))]
    tuned = files["distilbert.yaml"] + "optimise: {steps: 5}\n"
    touched = changed(before, params(load, **ASSISTED, distilbert=tuned))
    assert {key.partition("/")[0] for key in touched} == {"distilbert"}


def two_tasks(suite: str) -> str:
    line = "  sentiment: {train: 48, dev: 32, max_length: 16}\n"
    return suite.replace(line, line + line.replace("sentiment", "inference"))
