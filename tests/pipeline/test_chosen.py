"""Which seed, task and setting a stage takes where there are several."""

from typing import Any

import pytest

from tests.pipeline.test_compile import needs, stages, two_tasks
from zoo.documents.table_of_terms import entry_text
from zoo.pipeline.compile import compile_suite


def test_the_first_seed_is_distilled_gated_exported_and_timed(
    load: Any, files: dict[str, str]
) -> None:
    """Wherever it stands among numbers; every seed is trained and scored."""
    suite = files["suite.yaml"].replace("seeds: [1]", "seeds: [7, 3, 9]")
    found = stages(compile_suite(load(suite=suite)))
    assert found["teacher/gate"].job.seed == 7
    assert {run.teacher_seed for run in found["kd/train"].job.runs} == {7}
    teachers = [d for d in needs(found["kd/train"]) if "/runs/" in d]
    assert teachers == ["build/tiny/teacher/runs/sentiment/7"]
    assert found["distilbert/transfer"].job.seed == 7
    for entry in ("teacher", "kd"):
        assert [run.seed for run in found[f"{entry}/score"].job.runs] == [7, 3, 9]
        assert [run.seed for run in found[f"{entry}/export"].job.runs] == [7]
        assert [d for d in needs(found[f"{entry}/export"]) if "/runs/" in d] == [
            f"build/tiny/{entry}/runs/sentiment/7"
        ]
    latency = found["kd/latency"]
    assert ([run.seed for run in latency.job.runs], [run.seed for run in latency.job.beside]) == (
        [7],
        [7],
    )
    assert set(needs(latency)) >= {
        "build/tiny/kd/runs/sentiment/7",
        "build/tiny/teacher/runs/sentiment/7",
        "build/tiny/kd/export",
        "build/tiny/teacher/export",
    }


@pytest.mark.parametrize("per", ["run", "task", "entry"])
def test_every_stage_waits_for_the_teacher_of_the_gate(
    load: Any, files: dict[str, str], per: str
) -> None:
    """However many seeds it trains, and whichever they are."""
    suite = files["suite.yaml"].replace("seeds: [1]", "seeds: [7, 3]")
    found = stages(compile_suite(load(suite=suite.replace("per: entry", f"per: {per}"))))
    trained = {name: stage for name, stage in found.items() if name.startswith("kd/train")}
    assert sum(len(stage.job.runs) for stage in trained.values()) == 2
    for stage in trained.values():
        assert [d for d in needs(stage) if "/runs/" in d] == ["build/tiny/teacher/runs/sentiment/7"]


def test_only_the_tasks_that_the_bench_names_are_timed(load: Any, files: dict[str, str]) -> None:
    """All where it names none; every task is exported."""
    suite = two_tasks(files["suite.yaml"])
    named = suite.replace("bench:\n", "bench:\n  tasks: [inference]\n")
    for text, timed in ((suite, ["sentiment", "inference"]), (named, ["inference"])):
        found = stages(compile_suite(load(suite=text)))
        assert [run.task for run in found["kd/latency"].job.runs] == timed
        assert [run.task for run in found["kd/export"].job.runs] == ["sentiment", "inference"]


def test_what_an_entry_states_goes_before_the_suites(load: Any, files: dict[str, str]) -> None:
    """Its twin, and how it is trained on tasks and on the corpus."""
    own = "twin: kd\noptimise: {steps: 9}\ncorpus_optimise: {steps: 8, max_length: 16}\n"
    found = stages(compile_suite(load(distilbert=files["distilbert.yaml"] + own)))
    assert found["distilbert/score"].job.twin == "kd"
    assert found["distilbert/transfer"].job.optimise.steps == 8
    (run,) = found["distilbert/train"].job.runs
    assert (run.recipe.optimise.steps, run.recipe.corpus_optimise.steps) == (9, 8)
    (other,) = found["kd/train"].job.runs
    assert (found["kd/score"].job.twin, other.recipe.optimise.steps) == ("finetune", 4)
    assert found["teacher/score"].job.twin is None


def test_a_tasks_own_budget_is_shown(load: Any, files: dict[str, str]) -> None:
    """Apart from the tasks that keep the entry's; a teacher's own is in its recipe."""
    own = "tasks: {inference: {epochs: 7, learning_rate: 0.25, batch_size: 3}}\n"
    suite = two_tasks(files["suite.yaml"])
    teacher = files["teachers/teacher.yaml"] + own
    loaded = load(suite=suite, kd=files["kd.yaml"] + own, teachers__teacher=teacher)
    shown = entry_text(loaded.entries["kd"])
    kept, changed = shown.split("on inference (classification):")
    assert "4 steps, batch size 16, learning rate 0.001, " in kept
    assert "7 epochs, batch size 3, learning rate 0.25, " in changed
    recipe = loaded.entries["teacher"].recipe
    found = {task: recipe.task_optimise(task) for task in ("sentiment", "inference")}
    assert (found["sentiment"].steps, found["sentiment"].epochs) == (4, None)
    assert (found["inference"].steps, found["inference"].epochs) == (None, 7)
    assert (found["inference"].learning_rate, found["inference"].batch_size) == (0.25, 3)


def test_augmented_data_is_the_entrys_own_and_waits_for_who_makes_it(
    load: Any, files: dict[str, str]
) -> None:
    """The suite's where the entry states none; copies are made by the pretrained teacher."""
    suite = files["suite.yaml"] + "augment: {copies: 2}\n"
    tinybert = "teacher: teacher\nstudent: {layers: 1}\nmethod: {name: tinybert}\n"
    for own, copies in (("", 2), ("augment: {copies: 3}\n", 3)):
        found = stages(compile_suite(load(suite=suite, tinybert=tinybert + own)))["tinybert/train"]
        (run,) = found.job.runs
        assert run.recipe.augment.copies == copies
        assert {"build/tiny/tinybert/transferred", "build/tiny/teacher/pretrained"} <= set(
            needs(found)
        )
