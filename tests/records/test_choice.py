"""The rule that chooses the int8 file, on figures made by hand."""

from typing import Any

import pytest

from zoo.records.choice import Candidate, choose

GOOD = {"bytes": 100, "cpu_ms": 10.0, "score": 0.9, "loss": 0.0, "flips": 5, "mean_abs_error": 0.5}


def candidates(**changes: dict[str, Any]) -> list[Candidate]:
    """One for each scheme named, good unless said otherwise."""
    return [
        Candidate.model_validate(GOOD | own | {"scheme": name}) for name, own in changes.items()
    ]


@pytest.mark.parametrize(
    ("dynamic", "mixed", "chosen"),
    [
        ({}, {}, "dynamic"),
        ({"loss": 0.006}, {"cpu_ms": 90.0, "bytes": 900}, "mixed"),
        ({"loss": 0.005}, {"cpu_ms": 11.1, "mean_abs_error": 0.0}, "dynamic"),
        ({"loss": None}, {"cpu_ms": 90.0}, "mixed"),
        ({"loss": -0.01}, {"cpu_ms": 11.1}, "dynamic"),
        ({"cpu_ms": 10.9, "mean_abs_error": 0.9}, {}, "mixed"),
        ({"mean_abs_error": 0.9}, {"bytes": 111, "cpu_ms": 9.5}, "dynamic"),
        ({}, {"bytes": 109, "cpu_ms": 10.9, "mean_abs_error": 0.4}, "mixed"),
        ({}, {"mean_abs_error": 0.4, "flips": 6}, "mixed"),
        ({"loss": 0.03}, {"loss": 0.02, "cpu_ms": 90.0}, "mixed"),
        ({"loss": 0.02, "cpu_ms": 11.0}, {"loss": 0.02}, "mixed"),
        ({"loss": None}, {"loss": 0.5}, "mixed"),
        ({"mean_abs_error": None}, {"loss": 0.5}, "mixed"),
        ({"loss": None}, {"loss": None, "cpu_ms": 9.0}, "mixed"),
    ],
)
def test_quality_comes_first_then_time_size_and_error(
    dynamic: dict[str, Any], mixed: dict[str, Any], chosen: str
) -> None:
    """Within 10 % times and sizes count as equal; an undefined score is no quality."""
    assert choose(candidates(dynamic=dynamic, mixed=mixed), 0.005)[0].scheme == chosen


def test_the_reason_counts_what_is_left_at_each_step() -> None:
    """A reader sees which step decided."""
    found = candidates(
        dynamic={},
        mixed={"cpu_ms": 10.5},
        blockwise={"cpu_ms": 10.9, "bytes": 200},
        static={"loss": 1},
    )
    best, why = choose(found, 0.005)
    assert best.scheme == "dynamic"
    assert why == (
        "3 of 4 lose at most 0.5 points; within 10 % of the fastest: 3; of these within 10 % of the"
        " smallest: 2; smallest error of logits"
    )
    assert choose(found[3:], 0.005)[1] == (
        "none of 1 loses at most 0.5 points; this one loses least"
    )
