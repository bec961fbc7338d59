"""Internal representations: the variants of the ablation, and the fields that do not fit."""

from typing import Any

import pytest

from zoo.distil.method import MisfitError, Setting
from zoo.distil.stage import Stage
from zoo.methods import stages_of
from zoo.methods.internal import Internal
from zoo.spec.shape import Shape

BERT12 = Shape(layers=12, hidden=768, heads=12, intermediate=3072, vocabulary=30522)


def stages(shape: dict[str, int], **fields: Any) -> tuple[Stage, ...]:
    """For a student of 6 layers, or of another shape, beside BERT base."""
    student = BERT12.model_copy(update={"layers": 6, **shape})
    return stages_of(Internal(**fields), Setting(student, BERT12, "classification"))


@pytest.mark.parametrize(
    ("fields", "families"),
    [
        ({"cosine_weight": 0.0}, ["attention", "soft"]),
        ({"attention_weight": 0.0}, ["cosine", "soft"]),
        ({"leave_out": ("attention",)}, ["cosine", "soft"]),
    ],
)
def test_variants_of_the_ablation(fields: dict[str, Any], families: list[str]) -> None:
    """Divergence only and cosine only, by weight or by name."""
    for schedule in ("all", "progressive", "stacked"):
        table = stages({}, schedule=schedule, **fields)
        found = dict.fromkeys(term.family for stage in table for term in stage.terms)
        assert list(found) == families


@pytest.mark.parametrize(
    ("shape", "fields", "key", "given", "allowed"),
    [
        (
            {"layers": 5},
            {},
            "layers",
            "12 teacher layers are not a multiple of 5",
            "",
        ),
        (
            {"heads": 6},
            {},
            "attention_weight",
            "attention is compared head by head: 6 and 12 heads",
            "0, or a student with its teacher's heads",
        ),
        (
            {"hidden": 384},
            {},
            "cosine_weight",
            "the cosine term compares hidden sizes 384 and 768",
            "0, or a student as wide as its teacher",
        ),
        (
            {},
            {"attention_weight": 0.0, "cosine_weight": 0.0},
            "attention_weight",
            "cosine_weight is 0 too: no layer would have a term",
            "more than 0 for one of them, or the method kd",
        ),
        (
            {},
            {"cosine_weight": 0.0, "threshold": 0.1},
            "threshold",
            "it watches the cosine, whose weight is 0",
            "null",
        ),
        (
            {},
            {"schedule": "all", "threshold": 0.1},
            "threshold",
            "with schedule: all no layer's stage ends early",
            "null",
        ),
        (
            {},
            {"schedule": "all", "final_phase": "classifier_only"},
            "final_phase",
            "schedule: all has no final phase",
            "full",
        ),
    ],
)
def test_misfits_are_told(
    shape: dict[str, int], fields: dict[str, Any], key: str, given: str, allowed: str
) -> None:
    """What does not fit, and what would."""
    with pytest.raises(MisfitError) as caught:
        stages(shape, **fields)
    assert (caught.value.key, caught.value.given) == (key, given)
    assert allowed in caught.value.allowed
