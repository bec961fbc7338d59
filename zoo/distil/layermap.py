"""The teacher layer, or layers, each student layer learns from."""

from typing import Annotated, Literal

from pydantic import Field

from zoo.distil.method import MisfitError

LayerMap = Annotated[
    Literal["uniform", "top", "bottom"] | tuple[int, ...], Field(union_mode="left_to_right")
]
"""`uniform`: the last of every n layers; `top`: the last ones; `bottom`: the first ones; or the
teacher's layers one by one, counted from 0, ascending."""

LayerBuckets = Annotated[
    Literal["all", "blocks"] | tuple[tuple[int, ...], ...], Field(union_mode="left_to_right")
]
"""`all`: every layer of the teacher for each of the student's; `blocks`: equal blocks of them, from
the first to the last; or a list for each, of layers counted from 0, ascending."""


def mapped(layers: LayerMap, student: int, teacher: int) -> tuple[int, ...]:
    """The teacher's layer, counted from 0, of each of the student's layers.

    `student` and `teacher` are depths. With layers counted from 1 (docs/methods), uniform is
    g(m) = m N / M, top m + N - M and bottom m, for a teacher of N layers and a student of M.

    Raises:
        MisfitError: the map does not exist between these depths; its key is `layers`.
    """
    if isinstance(layers, tuple):
        return _listed(layers, student, teacher)
    if student > teacher:
        raise MisfitError(
            "layers",
            f"{student} student layers cannot each map to one of the teacher's {teacher}",
            f"a student of at most {teacher} layers",
        )
    if layers == "uniform":
        return _uniform(student, teacher)
    first = teacher - student if layers == "top" else 0
    return tuple(range(first, first + student))


def bucketed(layers: LayerBuckets, student: int, teacher: int) -> tuple[tuple[int, ...], ...]:
    """The teacher's layers, counted from 0, of each of the student's layers.

    `student` and `teacher` are depths. The last layer of each block is the uniform map's.

    Raises:
        MisfitError: there are no such buckets between these depths; its key is `layers`.
    """
    if isinstance(layers, tuple):
        return _listed_buckets(layers, student, teacher)
    if layers == "all":
        return (tuple(range(teacher)),) * student
    if teacher % student:
        raise MisfitError(
            "layers",
            f"{teacher} teacher layers cannot be split into {student} equal blocks",
            "all, a list of teacher layers for each, or a depth that divides the teacher's",
        )
    size = teacher // student
    return tuple(tuple(range(first, first + size)) for first in range(0, teacher, size))


def _uniform(student: int, teacher: int) -> tuple[int, ...]:
    if teacher % student:
        raise MisfitError(
            "layers",
            f"{teacher} teacher layers are not a multiple of {student}",
            "top, bottom, a list of teacher layers from 0, or a depth that divides the teacher's",
        )
    # The last of each block, so that the deepest student layer learns from the deepest teacher's.
    block = teacher // student
    return tuple(range(block - 1, teacher, block))


def _listed(layers: tuple[int, ...], student: int, teacher: int) -> tuple[int, ...]:
    if len(layers) != student or not _ascending(layers, teacher):
        raise MisfitError(
            "layers",
            f"{list(layers)} for a student of {student} layers",
            f"{student} ascending teacher layers from 0 to {teacher - 1}",
        )
    return layers


def _listed_buckets(
    layers: tuple[tuple[int, ...], ...], student: int, teacher: int
) -> tuple[tuple[int, ...], ...]:
    if len(layers) != student or not all(_ascending(bucket, teacher) for bucket in layers):
        raise MisfitError(
            "layers",
            f"{[list(bucket) for bucket in layers]} for a student of {student} layers",
            f"{student} lists of ascending teacher layers from 0 to {teacher - 1}, none empty",
        )
    return layers


def _ascending(layers: tuple[int, ...], depth: int) -> bool:
    """Whether these are some of `depth` layers, in their order."""
    return bool(layers) and list(layers) == sorted(set(layers) & set(range(depth)))
