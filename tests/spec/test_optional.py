"""Seeds per task and optional tasks: what is declared of runs, and where something must be left."""

from collections.abc import Callable

import pytest

from zoo.errors import SpecError
from zoo.resolve.entry import resolve_suite
from zoo.spec.load import LoadedSuite

Load = Callable[[dict[str, str]], LoadedSuite]
RTE = "  rte: {max_length: 64, optional: true}\nseeds: [1, 2]\n"
STUDY = "entry: kd\naxes:\n  method.temperature: [1]\n"


@pytest.fixture
def suite(files: dict[str, str]) -> str:
    """The suite with an optional task."""
    return files["suite.yaml"].replace("seeds: [1, 2]\n", RTE)


def refused(load: Load, changes: dict[str, str]) -> str:
    with pytest.raises(SpecError) as told:
        load(changes)
    return str(told.value)


def test_seeds_of_a_task_are_more_runs_and_change_no_other(load: Load, suite: str) -> None:
    """Nor does `optional`: it says nothing of a run."""
    plain = suite.replace(", optional: true", "")
    more = suite.replace("optional: true", "optional: true, seeds: [3, 1]")
    for name, before in resolve_suite(load({"suite.yaml": plain})).entries.items():
        after = resolve_suite(load({"suite.yaml": more})).entries[name]
        kept = {run for run in before.declared_runs if run != "rte-2"}
        assert set(after.declared_runs) == {*kept, "rte-3"}
        assert {run: after.declared_runs[run] for run in kept} == {
            run: before.declared_runs[run] for run in kept
        }
        assert [run.key for run in after.first_runs] == ["sentiment-1", "span-1", "rte-1"]
        assert {run.teacher_seed for run in after.runs} == {1}


def test_something_must_be_left_of_an_entry_and_of_the_bench(
    load: Load, suite: str, files: dict[str, str]
) -> None:
    entry = files["kd.yaml"] + "only: [rte]\n"
    bench = suite.replace("shapes: [1x64]\n", "shapes: [1x64]\n  tasks: [rte]\n")
    allowed = "  allowed: at least one task that is not\n"
    assert (
        "only: all tasks of this entry are optional: nothing may be left of it\n"
        f"{allowed}  fix: add a task, or remove `optional` from one"
    ) in refused(load, {"suite.yaml": suite, "kd.yaml": entry})
    told = refused(load, {"suite.yaml": bench})
    assert "bench.tasks: all tasks of this bench are optional" in told
    alone = suite[: suite.index("  sentiment:")] + suite[suite.index("  rte:") :]
    told = refused(load, {"suite.yaml": alone})
    assert "tasks: all tasks of this suite are optional" in told
    # Trained on both kinds, but timed on the optional one alone.
    timed = suite.replace("shapes: [1x64]\n", "shapes: [1x64]\n  tasks: [rte, span]\n")
    entry = files["kd.yaml"] + "only: [rte, sentiment]\n"
    told = refused(load, {"suite.yaml": timed, "kd.yaml": entry})
    assert "only: all timed tasks of this entry are optional" in told


def test_a_study_lists_no_optional_task(load: Load, suite: str) -> None:
    study = {"suite.yaml": suite, "studies/s.yaml": STUDY}
    assert (
        "studies/s.yaml:1: tasks: a study compares what is always there, and rte may be skipped\n"
        "  allowed: sentiment, span\n"
        "  fix: list tasks that are not optional"
    ) in refused(load, study)
    study["studies/s.yaml"] = f"{STUDY}tasks: [span]\n"
    assert load(study).studies["s"].tasks == ("span",)
