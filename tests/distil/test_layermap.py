"""Which of the teacher's layers each student layer learns from, where they are several."""

import pytest

from zoo.distil.layermap import LayerBuckets, bucketed, mapped
from zoo.distil.method import MisfitError


@pytest.mark.parametrize(
    ("layers", "student", "teacher", "expected"),
    [
        ("all", 2, 3, ((0, 1, 2), (0, 1, 2))),
        ("all", 3, 2, ((0, 1), (0, 1), (0, 1))),
        ("blocks", 2, 6, ((0, 1, 2), (3, 4, 5))),
        ("blocks", 4, 4, ((0,), (1,), (2,), (3,))),
        (((0, 1, 2), (1, 3)), 2, 4, ((0, 1, 2), (1, 3))),
    ],
)
def test_buckets(
    layers: LayerBuckets, student: int, teacher: int, expected: tuple[tuple[int, ...], ...]
) -> None:
    """All of the teacher, its blocks, or the lists as they are: they may overlap."""
    assert bucketed(layers, student, teacher) == expected


@pytest.mark.parametrize(("student", "teacher"), [(6, 12), (4, 12), (3, 3)])
def test_a_block_ends_where_the_uniform_map_is(student: int, teacher: int) -> None:
    """And blocks are a partition of the teacher's layers."""
    blocks = bucketed("blocks", student, teacher)
    assert tuple(block[-1] for block in blocks) == mapped("uniform", student, teacher)
    assert [layer for block in blocks for layer in block] == list(range(teacher))


@pytest.mark.parametrize(("student", "teacher"), [(5, 12), (12, 6)])
def test_unequal_blocks_are_refused(student: int, teacher: int) -> None:
    """The message says what else there is."""
    with pytest.raises(MisfitError) as caught:
        bucketed("blocks", student, teacher)
    assert (caught.value.key, caught.value.given, caught.value.allowed) == (
        "layers",
        f"{teacher} teacher layers cannot be split into {student} equal blocks",
        "all, a list of teacher layers for each, or a depth that divides the teacher's",
    )


@pytest.mark.parametrize(
    "layers",
    [
        ((0, 1),),
        ((0, 1), (2, 3), (3,)),
        ((0, 1), ()),
        ((0, 1), (2, 4)),
        ((-1, 1), (2, 3)),
        ((1, 0), (2, 3)),
        ((0, 0), (2, 3)),
    ],
)
def test_lists_that_name_no_layers_are_refused(layers: tuple[tuple[int, ...], ...]) -> None:
    """Too few or too many lists, none or strange layers in one, or not in their order."""
    with pytest.raises(MisfitError) as caught:
        bucketed(layers, 2, 4)
    assert (caught.value.key, caught.value.given, caught.value.allowed) == (
        "layers",
        f"{[list(bucket) for bucket in layers]} for a student of 2 layers",
        "2 lists of ascending teacher layers from 0 to 3, none empty",
    )
