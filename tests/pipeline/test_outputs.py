"""What is a part of what among the outputs of stages."""

import pytest

from zoo.pipeline.outputs import Output, OutputKind


def runs(*place: str, entry: str = "e", kind: OutputKind = OutputKind.RUNS) -> Output:
    return Output(kind, "s", entry, place)


@pytest.mark.parametrize(
    ("one", "other", "holds", "held"),
    [
        (runs(), runs("span", "1"), True, False),
        (runs("span"), runs("span", "1"), True, False),
        (runs("span", "1"), runs("span", "1"), True, True),
        (runs("span"), runs("sentiment", "1"), False, False),
        (runs("span", "1"), runs("span", "2"), False, False),
        (runs(), runs("span", entry="other"), False, False),
        (runs(), runs("span", kind=OutputKind.TRAINING), False, False),
    ],
)
def test_a_folder_holds_what_lies_in_it(
    one: Output, other: Output, holds: bool, held: bool
) -> None:
    """Of its own kind and entry; what holds or is held is touched."""
    assert (one.holds(other), other.holds(one)) == (holds, held)
    assert one.touches(other) is other.touches(one) is (holds or held)


def test_paths_are_relative_to_the_root() -> None:
    assert runs("span", "1").path == "build/s/e/runs/span/1"
    assert runs("span", kind=OutputKind.TRAINING).path == "build/s/e/training/span"
    assert runs("sst2", "train.txt", kind=OutputKind.INPUT).path == "build/s/inputs/sst2/train.txt"
