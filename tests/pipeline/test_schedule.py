"""Which stages run beside each other, and what is left of the time."""

import pytest

from zoo.pipeline.schedule import StageSchedule, at_pace

NEEDS = {
    "t/train": [],
    "t/gate": ["t/train"],
    "t/export": ["t/train"],
    "a/train": ["t/gate"],
    "b/train": ["t/gate"],
    "a/latency": ["a/train", "t/export"],
    "b/latency": ["b/train", "t/export"],
    "board/board": ["a/latency", "b/latency", "t/export"],
}
EACH = dict.fromkeys(NEEDS, 10.0)


def schedule(jobs: int) -> StageSchedule:
    needs = {stage: frozenset(needed) for stage, needed in NEEDS.items()}
    return StageSchedule(needs, frozenset({"a/latency", "b/latency"}), jobs)


def order(jobs: int) -> list[list[str]]:
    """What is started together, if what was started together ends together."""
    plan, waiting, found = schedule(jobs), list(NEEDS), []
    while waiting:
        found.append(plan.next_stages(waiting, []))
        waiting = [stage for stage in waiting if stage not in found[-1]]
    return found


def test_stages_start_after_what_they_need_and_timed_ones_last_and_alone() -> None:
    assert order(2) == [
        ["t/train"],
        ["t/gate", "t/export"],
        ["a/train", "b/train"],
        ["a/latency"],
        ["b/latency"],
        ["board/board"],
    ]
    assert [len(together) for together in order(1)] == [1] * len(NEEDS)


def test_a_timed_stage_waits_for_what_runs_and_nothing_starts_beside_it() -> None:
    plan = schedule(2)
    assert plan.next_stages(["a/latency", "b/latency", "board/board"], ["b/train"]) == []
    assert plan.next_stages(["b/train", "b/latency", "board/board"], ["a/latency"]) == []


def test_no_more_than_so_many_run_at_once() -> None:
    plan = schedule(2)
    assert plan.next_stages(["a/train", "b/train"], ["t/export"]) == ["a/train"]
    assert plan.next_stages(["a/train"], ["t/export", "b/train"]) == []


@pytest.mark.parametrize(("jobs", "seconds"), [(1, 80.0), (2, 60.0), (8, 60.0)])
def test_what_runs_beside_each_other_is_counted_once(jobs: int, seconds: float) -> None:
    assert schedule(jobs).seconds_left(NEEDS, {}, EACH) == seconds


def test_what_runs_already_counts_by_its_rest() -> None:
    """One that takes longer than expected is not taken to end at once."""
    late = ["a/latency", "b/latency", "board/board"]
    assert schedule(2).seconds_left(late, {"a/train": 4.0, "b/train": 7.0}, EACH) == 36.0
    assert schedule(2).seconds_left(late, {"a/train": 50.0}, EACH) == 35.0


def test_the_pace_of_what_has_ended_corrects_what_is_expected() -> None:
    """The more time it covers, the more it counts."""
    assert at_pace({"a": 10.0, "b": 40.0}, {}) == {"a": 10.0, "b": 40.0}
    assert at_pace({"a": 10.0, "b": 40.0}, {"a": 40.0})["b"] == 80.0
    assert at_pace({"a": 980.0, "b": 40.0}, {"a": 1980.0})["b"] == 80.0
