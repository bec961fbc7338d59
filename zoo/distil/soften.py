"""Soft labels on a task, with only the settings that matter for its kind."""

from functools import partial
from typing import Literal

from zoo.distil.method import Kind
from zoo.distil.term import Loss
from zoo.losses.logits import output_mse, soft_labels


def soft_loss(
    kind: Kind,
    *,
    temperature: float,
    scaled: bool,
    over: Literal["rows", "elements"] = "rows",
) -> Loss:
    """The loss between a student's and a teacher's answers on a task of this kind.

    A number has no distribution: neither temperature nor scale nor mean decides anything. Over
    "elements", a span's loss would depend on the padding of its batch: its rows are averaged.
    """
    if kind == "regression":
        return output_mse
    return partial(
        soft_labels,
        temperature=temperature,
        scaled=scaled and temperature != 1.0,
        over=over if kind == "classification" else "rows",
    )
