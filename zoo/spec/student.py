"""Students: the shape they have and where their first weights come from."""

from typing import Literal

from pydantic import Field

from zoo.spec.base import Spec
from zoo.spec.bounds import Depth, Size
from zoo.spec.shape import Family, Shape
from zoo.spec.weights import DistilledWeights, FolderWeights, GivenWeights, HubWeights

Start = Literal["first", "last", "uniform", "spaced", "fresh"] | tuple[int, ...]
"""How a student begins that is not given weights."""


class Student(Spec):
    """The shape of a student; absent keys are as in the teacher."""

    family: Family | None = None
    """Hugging Face architecture; `distilbert` has no token types and no pooler."""
    layers: Depth
    """Transformer layers."""
    hidden: Size | None = None
    """Hidden size."""
    heads: Size | None = None
    """Attention heads per layer."""
    intermediate: Size | None = None
    """Intermediate size of the feed-forward network."""
    start: Start | GivenWeights = Field("first", union_mode="left_to_right")
    """Which teacher layers are copied: `first` k, `last` k, every n/k-th (`uniform`), DistilBERT's
    spacing (`spaced`), a list counted from 0, or none (`fresh`: random weights). Or given
    weights of its own shape, with its teacher's tokenizer: another entry's after its corpus stages
    (`kind: distilled`), from the hub or from a folder; only the number of heads may differ."""

    @property
    def given(self) -> HubWeights | FolderWeights | DistilledWeights | None:
        """The weights it takes, where its start names some."""
        start = self.start
        return None if isinstance(start, str | tuple) else start

    def shape(self, teacher: Shape) -> Shape:
        """The student's full shape for this teacher."""
        family = self.family or teacher.family
        return Shape(
            family=family,
            layers=self.layers,
            hidden=self.hidden or teacher.hidden,
            heads=self.heads or teacher.heads,
            intermediate=self.intermediate or teacher.intermediate,
            vocabulary=teacher.vocabulary,
            positions=teacher.positions,
            token_types=teacher.token_types if family == teacher.family else None,
        )


def copied_layers(start: Start, student_layers: int, teacher_layers: int) -> tuple[int, ...]:
    """Teacher layers (from 0) that the student's layers begin as; empty for `fresh`.

    `spaced` takes the first and the last layer and those nearest to equal distances between, which
    is DistilBERT's list 0,2,4,7,9,11 for 12 to 6 (its released code; the paper says "one out of
    two").

    Raises:
        ValueError: the start does not fit the two depths.
    """
    if start == "fresh":
        return ()
    if student_layers > teacher_layers:
        message = (
            f"{student_layers} layers cannot be copied from a teacher of {teacher_layers};"
            f" allowed: up to {teacher_layers}, or start: fresh"
        )
        raise ValueError(message)
    if isinstance(start, tuple):
        return _listed(start, student_layers, teacher_layers)
    if start == "uniform" and teacher_layers % student_layers:
        message = (
            f"{teacher_layers} layers are not a multiple of {student_layers};"
            " allowed: first, last, spaced, fresh, or a list of layers"
        )
        raise ValueError(message)
    gap = teacher_layers - student_layers
    rule = {
        "first": range(student_layers),
        "last": range(gap, teacher_layers),
        "uniform": range(
            teacher_layers // student_layers - 1, teacher_layers, teacher_layers // student_layers
        ),
        "spaced": _spaced(student_layers, teacher_layers),
    }
    return tuple(rule[start])


def _spaced(student_layers: int, teacher_layers: int) -> list[int]:
    if student_layers == 1:
        return [teacher_layers - 1]
    gaps = student_layers - 1
    return [
        (2 * layer * (teacher_layers - 1) + gaps) // (2 * gaps) for layer in range(student_layers)
    ]


def _listed(start: tuple[int, ...], student_layers: int, teacher_layers: int) -> tuple[int, ...]:
    if len(start) != student_layers:
        message = (
            f"{len(start)} layers are listed for a student of {student_layers};"
            f" allowed: {student_layers} layers"
        )
        raise ValueError(message)
    if list(start) != sorted(set(start)) or start[0] < 0 or start[-1] >= teacher_layers:
        message = (
            f"the layers {', '.join(map(str, start))} are not ascending layers of the teacher;"
            f" allowed: 0 to {teacher_layers - 1}, each once, in ascending order"
        )
        raise ValueError(message)
    return start
