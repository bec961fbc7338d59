"""Every loss on what a model holds inside, with every way it can be set: the laws' subjects."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor

from tests.reference import losses as reference
from zoo.losses.attention import attention_kl, attention_mse
from zoo.losses.contrast import label_contrast
from zoo.losses.hidden import first_cosine, first_mse, hidden_mse, mixture_mse, token_cosine
from zoo.losses.relations import relation_kl, sample_relation_kl
from zoo.tensors.batch import Batch, Layout

SIZES = ((2, 3), (3, 5), (1, 1))
"""Batch and length; row r ends in r tokens of padding."""


@dataclass(frozen=True)
class Subject:
    """A loss, how it is set, and what its two sides look like.

    `student` and `teacher` are the sizes that follow the batch: "S" stands for the length.
    A teacher of one size more has layers side by side. `apart` says that a student equal to its
    teacher still has something to learn, `padded` that padding counts.
    """

    loss: Callable[..., Tensor]
    student: tuple[int | str, ...]
    teacher: tuple[int | str, ...]
    keywords: dict[str, object] = field(default_factory=dict)
    apart: bool = False
    padded: bool = False

    def __str__(self) -> str:
        stated = ",".join(f"{key}={value}" for key, value in self.keywords.items())
        sides = (
            f"{list(self.student)}{list(self.teacher)}" if self.over_layers else list(self.student)
        )
        return f"{self.loss.__name__}({stated}){sides}".replace("'", "")

    def __call__(self, student: Tensor, teacher: Tensor, batch: Batch) -> Tensor:
        return self.loss(student, teacher, batch, **self.keywords)

    def itself(self, teacher: Tensor) -> Tensor:
        """The teacher's side as a student has it; of several layers, the last."""
        return teacher[:, -1] if self.over_layers else teacher

    @property
    def over_layers(self) -> bool:
        """Whether the teacher's layers stand side by side."""
        return len(self.teacher) > len(self.student)

    def expected(self, student: Tensor, teacher: Tensor, batch: Batch) -> float:
        """What the loop gives."""
        loop = getattr(reference, self.loss.__name__)
        return float(loop(student, teacher, batch, **self.keywords))


@dataclass(frozen=True)
class Sides:
    """A student's and a teacher's tensors, and the batch they are of."""

    student: Tensor
    teacher: Tensor
    batch: Batch


def sides(subject: Subject, size: tuple[int, int], seed: int = 0) -> Sides:
    """Normal numbers in double precision; labels repeat."""
    generator = torch.Generator().manual_seed(seed)
    rows, length = size
    mask = (torch.arange(length) < length - torch.arange(rows)[:, None]).long()
    batch = Batch(Layout.CLASSES, mask * 5, mask, torch.zeros_like(mask), torch.arange(rows) % 2)

    def made(shape: tuple[int | str, ...]) -> Tensor:
        numbers = [length if entry == "S" else int(entry) for entry in shape]
        return torch.randn(rows, *numbers, generator=generator, dtype=torch.float64)

    return Sides(made(subject.student), made(subject.teacher), batch)


def padding(tensor: Tensor, batch: Batch) -> Tensor:
    """Where (B, S, H), (B, A, S, D) or (B, A, S, S) numbers belong to padding."""
    if tensor.dim() == 3:
        return (~batch.real)[:, :, None].expand_as(tensor)
    rows = (~batch.real)[:, None, :, None].expand_as(tensor)
    if tensor.shape[2] != tensor.shape[3]:
        return rows
    return rows | (~batch.real)[:, None, None, :].expand_as(tensor)


def _subjects() -> Iterator[Subject]:
    alike, narrow, wide = ("S", 6), ("S", 6), ("S", 12)
    yield Subject(token_cosine, alike, alike)
    yield Subject(first_cosine, alike, alike)
    for normalise in (True, False):
        yield Subject(first_mse, alike, alike, {"normalise": normalise})
        for scaled in (True, False):
            keywords = {"normalise": normalise, "scale_scores": scaled}
            yield Subject(mixture_mse, alike, (3, *alike), keywords, apart=True)
            yield Subject(mixture_mse, alike, (1, *alike), keywords)
    for counted in (False, True):
        keywords = {"padding": "counted" if counted else "left out"}
        yield Subject(hidden_mse, alike, alike, keywords, padded=counted)
        yield Subject(attention_mse, (3, "S", "S"), (3, "S", "S"), keywords, padded=counted)
    for temperature in (0.1, 1.0):
        keywords = {"temperature": temperature}
        yield Subject(label_contrast, alike, alike, keywords, apart=True)
    yield Subject(sample_relation_kl, narrow, wide)
    for mean in ("tokens", "samples"):
        yield Subject(attention_kl, (3, "S", "S"), (3, "S", "S"), {"mean": mean})
        related = partial(Subject, relation_kl)
        yield related(narrow, wide, {"mean": mean})
        yield related((3, "S", 2), (3, "S", 4), {"mean": mean})
        yield related(narrow, wide, {"mean": mean, "heads": 3})
        yield related((3, "S", 2), (4, "S", 7), {"mean": mean, "heads": 2})
        yield related((3, "S", 2), wide, {"mean": mean, "heads": 1})


SUBJECTS = tuple(_subjects())
