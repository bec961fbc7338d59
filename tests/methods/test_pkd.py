"""PKD: which layers are patient with which, and what is left without patience (methods.md 5.3)."""

import math
from pathlib import Path
from typing import Any, get_args

import pytest
import torch
from torch import Tensor
from transformers import PreTrainedModel

from tests import tiny
from zoo.distil.method import Kind, Method, MisfitError, Setting
from zoo.distil.stage import Stage
from zoo.distil.term import Term
from zoo.methods import stages_of
from zoo.methods.finetune import Finetune
from zoo.methods.kd import Kd
from zoo.methods.pkd import Pkd
from zoo.models.capture import Capture
from zoo.models.tap import LOGITS, Site, Tap
from zoo.spec.shape import Shape
from zoo.tensors.batch import Batch
from zoo.training.loop import train

BERT12 = Shape(layers=12, hidden=768, heads=12, intermediate=3072, vocabulary=30522)
TASK = {"classification": "sentiment", "regression": "similarity", "span": "span"}
every_kind = pytest.mark.parametrize("kind", get_args(Kind))


def stage(depth: int, whole: int, kind: Kind = "classification", **fields: Any) -> Stage:
    """The one stage for a student of `depth` layers beside a teacher of `whole`."""
    student, teacher = (BERT12.model_copy(update={"layers": layers}) for layers in (depth, whole))
    (only,) = stages_of(Pkd(**fields), Setting(student, teacher, kind))
    return only


def patience(table: Stage) -> list[Term]:
    return [term for term in table.terms if term.family == "patience"]


def trained(folder: Path, method: Method, kind: Kind) -> PreTrainedModel:
    table = stages_of(method, Setting(tiny.STUDENT, tiny.TEACHER, kind))
    return train(tiny.Setup(folder, table, TASK[kind]).work()).model


def states(model: PreTrainedModel, tap: Tap, batch: Batch) -> Tensor:
    with torch.no_grad(), Capture(model, [tap]) as capture:
        return capture(batch)[tap]


@pytest.mark.parametrize(
    ("layers", "student", "teacher", "expected"),
    [
        ("skip", 6, 12, [2, 4, 6, 8, 10]),
        ("last", 6, 12, [7, 8, 9, 10, 11]),
        ("skip", 3, 12, [4, 8]),
        ("last", 3, 12, [10, 11]),
        ("skip", 12, 24, list(range(2, 24, 2))),
        ("skip", 6, 6, [1, 2, 3, 4, 5]),
        ("last", 5, 12, [8, 9, 10, 11]),
    ],
)
def test_layers_are_the_papers(
    layers: str, student: int, teacher: int, expected: list[int]
) -> None:
    """Invariant 3: k - 1 layers are matched, with the teacher's layers of 5.3 (from 1)."""
    terms = patience(stage(student, teacher, layers=layers))
    assert [term.name for term in terms] == [f"patience[{layer}]" for layer in range(student - 1)]
    assert [term.student for term in terms] == [Tap(Site.HIDDEN, j) for j in range(student - 1)]
    assert [term.teacher for term in terms] == [Tap(Site.HIDDEN, g - 1) for g in expected]


def test_weights_are_the_equations() -> None:
    """(1 - a) on labels, a on soft labels, b in all on patience; settings reach the losses."""
    table = stage(
        6, 12, temperature=10.0, soft_weight=0.25, patience_weight=500, normalise_patience=False
    )
    weights = {term.name: term.weight_at(0.0) for term in table.terms}
    assert (weights.pop("labels"), weights.pop("soft")) == (0.75, 0.25)
    assert list(weights.values()) == pytest.approx([100.0] * 5)
    assert table.terms[1].settings == "soft_labels(temperature=10.0, scaled=True, over=rows)"
    assert {term.settings for term in patience(table)} == {"first_mse(normalise=False)"}


@pytest.mark.parametrize("normalise", [True, False])
def test_patience_is_the_codes_mean(normalise: bool) -> None:
    """b PT, PT the mean over examples, matched layers and width, computed number by number."""
    depths = (tiny.STUDENT.model_copy(update={"layers": layers}) for layers in (3, 6))
    student, teacher = (tiny.model(shape, "sentiment", seed=3).eval() for shape in depths)
    batch = tiny.batch()
    found, squares = 0.0, []
    table = stage(3, 6, patience_weight=10.0, normalise_patience=normalise)
    for layer, term in enumerate(patience(table)):
        captured = states(student, term.student, batch)
        target = states(teacher, Tap(Site.HIDDEN, 2 * layer + 1), batch)
        found += term.weight_at(0.0) * float(term.loss(captured, target, batch))
        for u, v in zip(captured[:, 0].tolist(), target[:, 0].tolist(), strict=True):
            lengths = (math.hypot(*u), math.hypot(*v)) if normalise else (1.0, 1.0)
            squares += [(a / lengths[0] - b / lengths[1]) ** 2 for a, b in zip(u, v, strict=True)]
    assert len(squares) == 2 * len(batch.input_ids) * tiny.STUDENT.hidden
    assert found == pytest.approx(10.0 * math.fsum(squares) / len(squares), rel=1e-5)


def test_a_longer_vector_is_no_impatience() -> None:
    """Invariant 2: PT is 0 for a positively scaled [CLS] when normalised, and not otherwise."""
    batch, states = tiny.batch(), torch.randn(3, 7, 8, generator=torch.Generator().manual_seed(0))
    for normalise in (True, False):
        for term in patience(stage(3, 6, normalise_patience=normalise)):
            value = float(term.loss(3.0 * states, states, batch))
            assert (value < 1e-12) == normalise


@every_kind
def test_without_patience_it_is_plain_distillation(tmp_path: Path, kind: Kind) -> None:
    """Invariant 1: b = 0 trains the same bits as `kd` with the same T and a."""
    shared = {"temperature": 3.0, "soft_weight": 0.4}
    pkd = trained(tmp_path, Pkd(patience_weight=0.0, **shared), kind)
    assert tiny.same_weights(pkd, trained(tmp_path, Kd(**shared), kind))
    assert not tiny.same_weights(pkd, trained(tmp_path, Pkd(**shared), kind))


def test_without_anything_it_is_fine_tuning(tmp_path: Path) -> None:
    """methods.md 5.1: a = b = 0 trains the same bits as labels alone."""
    pkd = trained(tmp_path, Pkd(patience_weight=0.0, soft_weight=0.0), "classification")
    assert tiny.same_weights(pkd, trained(tmp_path, Finetune(), "classification"))


def test_a_single_layer_has_no_patience() -> None:
    """Plain distillation is left, the table says so, and any width will do."""
    table = stage(1, 12)
    assert [term.name for term in table.terms] == ["labels", "soft"]
    assert table.note == "patience is left out: the only layer is the last, which the logits teach"
    assert stage(6, 12).note == stage(1, 12, patience_weight=0.0).note == ""


@every_kind
def test_the_codes_reduction_divides_by_the_classes(kind: Kind) -> None:
    """`soft_over: elements` is KLDivLoss' `mean`; numbers and spans stay as they are."""
    losses = [
        next(term.loss for term in stage(6, 12, kind, soft_over=over).terms if term.name == "soft")
        for over in ("rows", "elements")
    ]
    if kind != "classification":
        assert repr(losses[0]) == repr(losses[1])
        return
    ours, theirs = torch.randn(2, 3, 5, generator=torch.Generator().manual_seed(0))
    rows, elements = (float(loss(ours, theirs, tiny.batch())) for loss in losses)
    assert rows == pytest.approx(5.0 * elements)


@pytest.mark.parametrize(
    ("student", "fields", "key", "given", "allowed"),
    [
        (
            {"layers": 5},
            {},
            "layers",
            "12 teacher layers are not a multiple of 5",
            "last, or a student whose depth divides its teacher's",
        ),
        (
            {"layers": 24},
            {"layers": "last"},
            "layers",
            "24 student layers cannot each map to one of the teacher's 12",
            "a student of at most 12 layers",
        ),
        (
            {"layers": 6, "hidden": 384, "heads": 12},
            {},
            "patience_weight",
            "patience compares hidden sizes 384 and 768",
            "0, or a student as wide as its teacher",
        ),
    ],
)
def test_misfits_are_told(
    student: dict[str, int], fields: dict[str, Any], key: str, given: str, allowed: str
) -> None:
    """What does not fit, and what would."""
    setting = Setting(BERT12.model_copy(update=student), BERT12, "classification")
    with pytest.raises(MisfitError) as caught:
        stages_of(Pkd(**fields), setting)
    assert (caught.value.key, caught.value.given, caught.value.allowed) == (key, given, allowed)


def test_narrow_students_may_go_without_patience() -> None:
    """The remedy that the misfit names works."""
    narrow = BERT12.model_copy(update={"layers": 5, "hidden": 384})
    (table,) = stages_of(Pkd(patience_weight=0.0), Setting(narrow, BERT12, "span"))
    assert [term.student for term in table.terms] == [LOGITS, LOGITS]
