"""What a suite's pipelines consist of, and what an edit of the specs changes in them."""

import json
from collections.abc import Iterable
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from zoo.errors import SpecError
from zoo.paths import Project
from zoo.pipeline import kinds
from zoo.pipeline.compile import Pipeline, PipelineStage, compile_suite
from zoo.pipeline.outputs import Output
from zoo.pipeline.sync import LARGEST, pipeline_files
from zoo.pipeline.variants import compile_study
from zoo.resolve.entry import read_suites
from zoo.spec.measuring import BoardJob

CHECKOUT = Project(Path(__file__).parents[2])
DIGITS = 64


def stages(pipelines: list[Pipeline]) -> dict[str, PipelineStage]:
    return {f"{p.entry}/{stage.name}": stage for p in pipelines for stage in p.stages}


def needs(stage: PipelineStage) -> tuple[str, ...]:
    """Its dependencies as DVC names them."""
    return tuple(output.path for output in stage.dependencies)


def leaves(stage: PipelineStage) -> tuple[str, ...]:
    """Its outputs as DVC names them."""
    return tuple(output.path for output in stage.outputs)


def made_by(makers: Iterable[Output], needed: Output) -> bool:
    """Whether what is needed is an output, a part of one, or a folder of some."""
    return any(made.touches(needed) for made in makers)


def refuse_orphans(ours: list[PipelineStage], everybody: list[PipelineStage]) -> None:
    """Every dependency of `ours` is what others leave, by its type and by its path."""
    outputs = [output for stage in everybody for output in stage.outputs]
    for one, other in permutations(outputs, 2):
        assert not one.holds(other)
        assert not Path(other.path).is_relative_to(one.path)
    for stage in ours:
        for needed in stage.dependencies:
            assert made_by(outputs, needed), needed
            assert not made_by(stage.outputs, needed)
            for made in outputs:
                paths = Path(made.path), Path(needed.path)
                inside = any(a.is_relative_to(b) for a, b in permutations(paths))
                assert made.touches(needed) == inside
        assert len(set(needs(stage))) == len(stage.dependencies)


def params(load: Any, **changes: str | None) -> dict[str, dict]:
    """What DVC sees of every job of the tiny suite, by `<entry>/<stage>`."""
    files = pipeline_files({"tiny": load(**changes)})
    jobs = {}
    for path, text in files.items():
        if path.endswith("/params.json"):
            folder = path.removeprefix("pipelines/tiny").removesuffix("params.json").strip("/")
            held = json.loads(text)["stages"]
            jobs |= {f"{folder or 'board'}/{name}": job for name, job in held.items()}
    return jobs


def changed(before: dict[str, dict], after: dict[str, dict]) -> set[str]:
    return {key for key in before | after if before.get(key) != after.get(key)}


@pytest.mark.parametrize("per", ["entry", "task", "run"])
def test_every_dependency_is_what_another_stage_leaves(
    load: Any, files: dict[str, str], per: str
) -> None:
    """No stage waits for a file that nobody makes, none for its own, and no file has two makers."""
    found = list(stages(compile_suite(load(suite=suite_trained_per(per, files)))).values())
    refuse_orphans(found, found)


def suite_trained_per(per: str, files: dict[str, str]) -> str:
    return two_tasks(files["suite.yaml"]).replace("per: entry", f"per: {per}")


def test_stages_can_run_in_their_order_but_for_the_gate(load: Any) -> None:
    """Within an entry a stage depends only on earlier ones."""
    for pipeline in compile_suite(load()):
        made: list[Output] = []
        own = [output for stage in pipeline.stages for output in stage.outputs]
        for stage in pipeline.stages:
            ours = [needed for needed in stage.dependencies if made_by(own, needed)]
            assert all(made_by(made, needed) for needed in ours), stage.name
            made += stage.outputs


def test_a_measured_run_has_the_digest_of_the_trained_one(load: Any) -> None:
    """Scores, exports and timings name the checkpoint that training left."""
    suite = load()
    measuring = (kinds.SCORE, kinds.EXPORT, kinds.LATENCY)
    measured = [s for s in stages(compile_suite(suite)).values() if s.kind in measuring]
    assert {stage.job.entry for stage in measured} == set(suite.entries)
    for stage in measured:
        digests = {run.key: run.declared for run in suite.entries[stage.job.entry].runs}
        assert {len(digest) for digest in digests.values()} == {DIGITS}
        assert {run.key: run.declared for run in stage.job.runs} == digests


def test_only_distilled_runs_wait_for_the_teacher(load: Any) -> None:
    """`finetune` needs pretrained weights, `kd` the gate and the teacher of each of its tasks."""
    found = stages(compile_suite(load()))
    teacher = "build/tiny/teacher"
    assert needs(found["finetune/train"]) == (f"{teacher}/pretrained",)
    assert needs(found["kd/train"]) == (
        f"{teacher}/pretrained",
        f"{teacher}/gate.json",
        f"{teacher}/runs/sentiment/1",
    )
    assert needs(found["distilbert/transfer"]) == (f"{teacher}/pretrained",)
    assert needs(found["distilbert/train"]) == ("build/tiny/distilbert/transferred",)


def test_kd_waits_for_the_teacher_of_every_task_of_its_stage(
    load: Any, files: dict[str, str]
) -> None:
    """A stage that trains one task waits for that task's teacher only."""
    suite = two_tasks(files["suite.yaml"])
    found = stages(compile_suite(load(suite=suite)))
    assert [d for d in needs(found["kd/train"]) if "/runs/" in d] == [
        f"build/tiny/teacher/runs/{task}/1" for task in ("sentiment", "inference")
    ]
    apart = suite.replace("per: entry", "per: task")
    found = stages(compile_suite(load(suite=apart)))
    assert [d for d in needs(found["kd/train-inference"]) if "/runs/" in d] == [
        "build/tiny/teacher/runs/inference/1"
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
    trains = [stage for stage in found if stage.kind is kinds.TRAIN]
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
    for suite in read_suites(CHECKOUT).values():
        studies = [compile_study(suite, name) for name in suite.loaded.studies]
        for pipeline in (*compile_suite(suite), *studies):
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
        "  fix: set train_stage_per to task or entry"
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
    assert {name: needs(stage) for name, stage in found.items() if "pretrain" in name} == {
        "teacher/pretrain": (),
        "assistant/pretrain": (f"{ours}/distilbert/transferred",),
        "started/pretrain": (f"{ours}/distilbert/transferred", f"{teacher}/pretrained"),
        "fetched/pretrain": (f"{ours}/inputs/weights-of-fetched.txt", f"{teacher}/pretrained"),
    }
    assert leaves(found["started/pretrain"]) == (f"{ours}/started/pretrained",)
    assert needs(found["started/train"]) == (f"{ours}/started/pretrained",)
    assert needs(found["fetched/transfer"]) == (
        f"{teacher}/pretrained",
        f"{ours}/fetched/pretrained",
    )
    assert needs(found["fetched/train"]) == (f"{ours}/fetched/transferred",)
    assert needs(found["below/train"]) == (
        f"{ours}/assistant/pretrained",
        f"{ours}/assistant/gate.json",
        f"{ours}/assistant/runs/sentiment/1",
    )


def test_no_stage_comes_before_what_it_depends_on(load: Any) -> None:
    """Also across pipelines, where an assistant is a teacher that comes after an entry."""
    made: list[Output] = []
    pipelines = compile_suite(load(**ASSISTED))
    for stage in (stage for pipeline in pipelines for stage in pipeline.stages):
        assert all(made_by(made, needed) for needed in stage.dependencies), stage.name
        made += stage.outputs
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
