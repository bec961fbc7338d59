"""What a model reads and a loss sees: one padded batch."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor, device


class Layout(StrEnum):
    """How logits and labels are laid out.

    CLASSES  logits (B, C), labels (B,) class ids
    VALUE    logits (B, 1), labels (B,) numbers
    SPAN     logits (B, S, 2) of start and end, labels (B, 2) token positions
    TOKENS   logits (B, S, V), labels (B, S) piece ids, -100 where nothing is asked
    """

    CLASSES = "classes"
    VALUE = "value"
    SPAN = "span"
    TOKENS = "tokens"


@dataclass(frozen=True)
class Batch:
    """A padded batch of B sequences of length S.

    `input_ids`, `attention_mask` (1 real, 0 pad) and `token_type_ids` are (B, S) integers;
    `answerable` (B, S) marks the positions a span may start or end at (None elsewhere);
    `rows` are the indices of the features in their data set.
    """

    layout: Layout
    input_ids: Tensor
    attention_mask: Tensor
    token_type_ids: Tensor
    labels: Tensor
    answerable: Tensor | None = None
    rows: tuple[int, ...] = ()

    @property
    def real(self) -> Tensor:
        """(B, S) booleans: True for real tokens, False for padding."""
        return self.attention_mask.bool()

    def at(self, places: Tensor) -> Batch:
        """N of its positions side by side, as one row (1, N); of labelled tokens only.

        `places` (N,) counts positions along the rows, from 0 to B S - 1.
        """
        return Batch(
            self.layout,
            self.input_ids.reshape(1, -1)[:, places],
            self.attention_mask.reshape(1, -1)[:, places],
            self.token_type_ids.reshape(1, -1)[:, places],
            self.labels.reshape(1, -1)[:, places],
        )

    def to(self, target: device) -> Batch:
        """The same batch on the device `target`."""
        return self.each(lambda tensor: tensor.to(target))

    def each(self, change: Callable[[Tensor], Tensor]) -> Batch:
        """The batch with every tensor changed in the same way."""
        return Batch(
            self.layout,
            change(self.input_ids),
            change(self.attention_mask),
            change(self.token_type_ids),
            change(self.labels),
            None if self.answerable is None else change(self.answerable),
            self.rows,
        )
