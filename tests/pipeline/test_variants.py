"""A study's pipeline: which variants are built, from what, and what is shared with the entry."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.pipeline.conftest import SUITE
from tests.pipeline.test_compile import leaves, needs, refuse_orphans
from zoo.errors import SpecError
from zoo.paths import Project, write_file
from zoo.pipeline.compile import compile_suite
from zoo.pipeline.params import ParamsFile, params_path, params_text
from zoo.pipeline.pending import pending
from zoo.pipeline.sync import pipeline_files, write_pipelines
from zoo.pipeline.variants import compile_study, expand
from zoo.resolve.entry import read_suites

KD = "entry: kd\naxes:\n  method.temperature: [1, 2, 4]\n"
ATTENTION = "entry: kd\nattention: true\naxes:\n  method.temperature: [1]\n"
CORPUS = "entry: distilbert\naxes:\n  optimise.learning_rate: [2e-3]\n  student.heads: [1]\n"


@pytest.fixture
def studied(load: Any) -> Any:
    """Loads the tiny suite with a study called `s`."""
    return lambda text, **changes: load(studies__s=text, **changes)


def names(loaded: Any) -> list[str]:
    return [stage.name for stage in compile_study(loaded, "s").stages]


def stages(loaded: Any) -> dict[str, Any]:
    return {stage.name: stage for stage in compile_study(loaded, "s").stages}


def test_a_value_of_the_base_is_not_built_again(studied: Any) -> None:
    """kd's own temperature is 4: the entry itself is that variant, and has its digests."""
    loaded = studied(KD)
    base, *others = expand(loaded, "s")
    assert [v.name for v in others] == ["temperature-1", "temperature-2"]
    assert (base.name, base.entry.name) == ("base", "kd")
    assert base.runs == {run.key: run.declared for run in loaded.entries["kd"].runs}
    assert set(base.runs.values()).isdisjoint(others[0].runs.values())
    assert names(loaded) == [
        *("train-temperature-1", "score-temperature-1"),
        *("train-temperature-2", "score-temperature-2"),
        "study",
    ]


def test_a_base_with_other_seeds_is_built(studied: Any) -> None:
    """The entry has no run of them; the teacher stays that of the suite's first seed."""
    loaded = studied(KD + "seeds: [2, 3]\n")
    base = expand(loaded, "s")[0]
    assert (base.entry.name, list(base.runs)) == ("s.base", ["sentiment-2", "sentiment-3"])
    train = stages(loaded)["train-base"]
    assert [(run.seed, run.teacher_seed) for run in train.job.runs] == [(2, 1), (3, 1)]
    assert needs(train) == (
        "build/tiny/teacher/pretrained",
        "build/tiny/teacher/gate.json",
        "build/tiny/teacher/runs/sentiment/1",
    )


def test_seeds_of_a_task_are_the_studys_unless_it_states_its_own(studied: Any) -> None:
    tasks = SUITE.replace("max_length: 16}\n", "max_length: 16, seeds: [4, 1]}\n", 1)
    base, *others = expand(studied(KD, suite=tasks), "s")
    assert base.entry.name == "kd"
    assert {tuple(one.runs) for one in others} == {("sentiment-4", "sentiment-1")}
    base, *_ = expand(studied(KD + "seeds: [2, 3]\n", suite=tasks), "s")
    assert list(base.runs) == ["sentiment-2", "sentiment-3"]


def test_a_timed_base_is_the_entry_only_with_its_first_seed(
    studied: Any, files: dict[str, str]
) -> None:
    """One seed is timed, the first: of the suite's second there are scores, but no latency."""
    suite = files["suite.yaml"].replace("seeds: [1]", "seeds: [1, 2]")
    built = {
        (seeds, timed): expand(
            studied(f"{KD}seeds: [{seeds}]\nlatency: {timed}\n", suite=suite), "s"
        )[0].entry.name
        for seeds in ("1", "2")
        for timed in ("false", "true")
    }
    assert built == {
        ("1", "false"): "kd",
        ("1", "true"): "kd",
        ("2", "false"): "kd",
        ("2", "true"): "s.base",
    }


def test_a_variant_that_the_suite_has_as_an_entry_is_that_entry(
    studied: Any, files: dict[str, str]
) -> None:
    """Whose pipeline leaves all that the study reads; one of its variants shares its weights."""
    heads = files["distilbert.yaml"].replace("layers: 1}", "layers: 1, heads: 1}")
    text = CORPUS.replace("[2e-3]", "[1e-3, 2e-3]") + "combine: product\n"
    loaded = studied(text, narrow=heads)
    found = expand(loaded, "s")
    assert [v.entry.name for v in found] == [
        "distilbert",
        "narrow",
        "s.learning-rate-0.002.heads-1",
    ]
    assert found[1].runs == loaded.entries["narrow"].declared_runs
    built = stages(loaded)
    assert list(built) == [
        *("train-learning-rate-0_002_heads-1", "score-learning-rate-0_002_heads-1"),
        "study",
    ]
    assert built["train-learning-rate-0_002_heads-1"].job.start == "narrow"
    _, narrow, faster = built["study"].job.variants
    transfer = loaded.entries["narrow"].transfer
    assert transfer is not None
    assert transfer.declared in narrow.records["narrow"]
    assert faster.records["narrow"] == (transfer.declared,)
    needed = needs(built["study"])
    assert {"build/tiny/narrow/score", "build/tiny/narrow/transfer"} <= set(needed)


def test_an_entry_keeps_its_own_weights_beside_equal_ones(
    studied: Any, files: dict[str, str]
) -> None:
    """Its pipeline made them in its own folder."""
    other = (
        files["distilbert.yaml"]
        + "optimise: {steps: 4, learning_rate: 2.0e-3, batch_size: 16, dropout: 0.0}\n"
    )
    loaded = studied("entry: distilbert\naxes:\n  optimise.learning_rate: [2e-3]\n", faster=other)
    job = stages(loaded)["study"].job
    assert [set(variant.records) for variant in job.variants] == [{"distilbert"}, {"faster"}]


def test_train_sets_the_size_of_every_task(studied: Any) -> None:
    """And of nothing else: the recipe is the base's; null is all there is."""
    loaded = studied("entry: kd\naxes:\n  train: [24, 48, null]\n")
    found = {v.name: v.entry.runs[0] for v in expand(loaded, "s")}
    assert {name: run.settings.train for name, run in found.items()} == {
        "base": 48,
        "train-24": 24,
        "train-none": None,
    }
    assert len({run.recipe.model_dump_json() for run in found.values()}) == 1
    settings = {run.settings.model_copy(update={"train": 1}) for run in found.values()}
    assert len(settings) == 1


def test_tasks_are_the_studys(studied: Any, files: dict[str, str]) -> None:
    """A run of a task is the same run whether or not the entry has other tasks."""
    line = "  sentiment: {train: 48, dev: 32, max_length: 16}\n"
    suite = files["suite.yaml"].replace(line, line + line.replace("sentiment", "inference"))
    loaded = studied(KD + "tasks: [inference]\n", suite=suite)
    base, other, _ = expand(loaded, "s")
    assert (list(base.runs), list(other.runs)) == (["inference-1"], ["inference-1"])
    assert base.entry.name == "kd"
    assert compile_study(loaded, "s").stages[-1].job.tasks == ("inference",)
    assert needs(stages(loaded)["train-temperature-1"])[2:] == (
        "build/tiny/teacher/runs/inference/1",
    )


def test_weights_from_the_corpus_are_made_once(studied: Any) -> None:
    """A change on tasks starts from the entry's transfer; a change of the student has its own."""
    loaded = studied(CORPUS)
    found = stages(loaded)
    assert list(found) == [
        *("train-learning-rate-0_002", "score-learning-rate-0_002"),
        *("transfer-heads-1", "train-heads-1", "score-heads-1"),
        "study",
    ]
    shared, own = found["train-learning-rate-0_002"], found["train-heads-1"]
    assert needs(shared) == ("build/tiny/distilbert/transferred",)
    assert shared.job.start == "distilbert"
    assert needs(own) == ("build/tiny/s.heads-1/transferred",)
    assert own.job.start is None
    needed = needs(found["study"])
    assert "build/tiny/distilbert/transfer" in needed
    assert "build/tiny/s.heads-1/transfer" in needed
    base, rate, heads = found["study"].job.variants
    transfer = loaded.entries["distilbert"].transfer
    assert transfer is not None
    assert rate.records["distilbert"] == (transfer.declared,)
    assert transfer.declared in base.records["distilbert"]
    assert set(heads.records) == {"s.heads-1"}


def test_two_variants_share_what_the_base_has_not(studied: Any) -> None:
    """Of a product, those that differ after the corpus only."""
    text = CORPUS.replace("[2e-3]", "[1e-3, 2e-3]").replace("[1]", "[1, 2]")
    found = stages(studied(text + "combine: product\n"))
    assert [name for name in found if name.startswith("transfer")] == [
        "transfer-learning-rate-0_001_heads-1"
    ]
    other = found["train-learning-rate-0_002_heads-1"]
    assert other.job.start == "s.learning-rate-0.001.heads-1"
    assert needs(other) == ("build/tiny/s.learning-rate-0.001.heads-1/transferred",)


def test_latency_is_measured_where_it_is_asked_for(studied: Any) -> None:
    """Beside the teacher of the suite's first seed, whatever the study's seeds are."""
    assert not [name for name in names(studied(KD)) if name.startswith(("export", "latency"))]
    found = stages(studied(KD + "latency: true\nseeds: [2]\n"))
    assert {"export-base", "latency-base", "latency-temperature-1"} <= set(found)
    latency = found["latency-temperature-1"]
    assert [run.seed for run in latency.job.beside] == [1]
    assert set(needs(latency)) == {
        "build/tiny/s.temperature-1/runs/sentiment/2",
        "build/tiny/teacher/runs/sentiment/1",
        "build/tiny/s.temperature-1/export",
        "build/tiny/teacher/export",
    }
    assert "build/tiny/s.temperature-1/latency" in needs(found["study"])


def test_attention_is_compared_where_it_is_asked_for(studied: Any) -> None:
    """By the study's own stages, of entries too; the teacher's run is that of its first seed."""
    assert not [name for name in names(studied(KD)) if name.startswith("attention")]
    text = f"{ATTENTION}seeds: [2]\n"
    found = stages(studied(text))
    assert [name for name in found if name.startswith("attention")] == [
        "attention-base",
        "attention-temperature-1",
    ]
    job = found["attention-temperature-1"].job
    assert [(run.seed, beside.seed) for run, beside in zip(job.runs, job.beside, strict=True)] == [
        (2, 1)
    ]
    assert set(needs(found["attention-temperature-1"])) == {
        "build/tiny/s.temperature-1/runs/sentiment/2",
        "build/tiny/teacher/runs/sentiment/1",
    }
    own = stages(studied(ATTENTION))["attention-base"]
    assert leaves(own) == ("build/tiny/s/attention/kd",)
    assert {f"build/tiny/s/attention/{name}" for name in ("s.base", "s.temperature-1")} <= set(
        needs(found["study"])
    )
    assert found["study"].job.attention


@pytest.mark.parametrize(
    "text", [KD, KD + "seeds: [1, 2]\nlatency: true\n", CORPUS, KD + "attention: true\n"]
)
def test_every_dependency_is_what_another_stage_leaves(studied: Any, text: str) -> None:
    """Of the study or of the suite; no file has two makers."""
    loaded = studied(text)
    own = list(compile_study(loaded, "s").stages)
    refuse_orphans(own, [*(s for p in compile_suite(loaded) for s in p.stages), *own])


def test_jobs_are_the_same_after_their_trip_through_json(studied: Any, tmp_path: Path) -> None:
    """Values too, of whatever kind they are."""
    text = "entry: kd\naxes:\n  student.start: [[1]]\n  student.heads: [1]\n  train: [9, null]\n"
    pipeline = compile_study(studied(text), "s")
    write_file(params_path(project := Project(tmp_path), "tiny", "s"), params_text(pipeline))
    params = ParamsFile(project, "tiny", "s")
    for stage in pipeline.stages:
        assert params.job(stage.name, stage.kind.job) == stage.job


def test_a_study_stands_apart_from_the_suite(studied: Any, load: Any) -> None:
    """Its own dvc.yaml and params.json; every other file is as without it."""
    before = pipeline_files({"tiny": load()})
    after = pipeline_files({"tiny": studied(KD)})
    added = {path for path in after if after[path] != before.get(path)}
    code = "pipelines/code/study.txt"
    assert added == {code, "pipelines/tiny/s/dvc.yaml", "pipelines/tiny/s/params.json"}
    text = after["pipelines/tiny/s/dvc.yaml"]
    assert text.startswith("# Written by `zoo sync` from specs/tiny/studies/s; edit that, not")
    assert "cmd: zoo stage tiny/s train-temperature-1\n" in text
    assert f"    cmd: zoo stage tiny/s study\n    deps:\n    - {code}\n" in text
    assert "params.json: [stages.study]\n    outs:\n    - build/tiny/s/study\n" in text
    job = json.loads(after["pipelines/tiny/s/params.json"])["stages"]["study"]
    assert (job["kind"], job["axes"]) == ("study", ["method.temperature"])


def test_too_large_a_study_is_refused(studied: Any) -> None:
    """With its file and a way out."""
    values = ", ".join(map(str, range(20, 46)))
    with pytest.raises(SpecError) as caught:
        pipeline_files({"tiny": studied(f"entry: kd\naxes:\n  train: [{values}]\n")})
    assert str(caught.value) == (
        "specs/tiny/studies/s.yaml: axes: the pipeline of s would have 53 stages\n"
        "  allowed: at most 50\n"
        "  fix: use fewer values, or split it into two studies"
    )


def test_names_of_stages_have_no_dots(studied: Any) -> None:
    """DVC refuses them; names of variants may have some."""
    loaded = studied("entry: kd\naxes:\n  method.soft_weight: [0.5]\n")
    assert [v.entry.name for v in expand(loaded, "s")] == ["kd", "s.soft-weight-0.5"]
    assert names(loaded) == ["train-soft-weight-0_5", "score-soft-weight-0_5", "study"]
    assert leaves(stages(loaded)["study"]) == ("build/tiny/s/study",)


def test_a_dry_run_names_what_a_study_needs(one_student: Project) -> None:
    """The teacher's stages that it starts from, and its own; none of the entry's, no board's."""
    specs = one_student.specs / "tiny/studies"
    specs.mkdir()
    (specs / "s.yaml").write_text(KD + "seeds: [2]\n")
    suites = read_suites(one_student)
    write_pipelines(one_student, pipeline_files(suites))
    teacher = [f"tiny/teacher {name}" for name in ("pretrain", "train", "score", "gate")]
    own = [f"tiny/s {name}" for name in names(suites["tiny"])]
    assert [*map(str, pending(one_student, suites["tiny"], "s"))] == [*teacher, *own]
    assert not [one for one in pending(one_student, suites["tiny"], "board") if one.owner == "s"]
