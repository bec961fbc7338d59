"""ALP-KD: which layers of the teacher are mixed for which student layer, and what is left of it."""

import math
from pathlib import Path
from typing import Any, get_args

import pytest
from transformers import PreTrainedModel

from tests import tiny
from tests.methods import terms as at
from zoo.distil.layermap import LayerBuckets
from zoo.distil.method import Kind, Method, MisfitError, Setting
from zoo.distil.stage import Stage
from zoo.distil.term import Term
from zoo.methods import stages_of
from zoo.methods.alp import Alp
from zoo.methods.kd import Kd
from zoo.methods.pkd import Pkd
from zoo.models.tap import Site, Tap
from zoo.training.loop import train

BERT6 = at.with_(at.BASE, layers=6)
WIDE = at.with_(at.TEACHER, layers=2)
"""As wide as the teacher of `terms`, and half as deep."""
TASK = {"classification": "sentiment", "regression": "similarity", "span": "span"}


def stage(
    student: Any = BERT6, teacher: Any = at.BASE, kind: Kind = "classification", **fields: Any
) -> Stage:
    (only,) = stages_of(Alp(**fields), Setting(student, teacher, kind))
    return only


def mixtures(table: Stage) -> list[Term]:
    return [term for term in table.terms if term.family == "mixture"]


def trained(folder: Path, method: Method, kind: Kind) -> PreTrainedModel:
    table = stages_of(method, Setting(tiny.STUDENT, tiny.TEACHER, kind))
    return train(tiny.Setup(folder, table, TASK[kind]).work()).model


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        ("all", [tuple(range(12))] * 6),
        ("blocks", [(layer, layer + 1) for layer in range(0, 12, 2)]),
        (
            ((0, 1, 2), (2, 3, 4), (4, 5), (6,), (8, 10), (10, 11)),
            [(0, 1, 2), (2, 3, 4), (4, 5), (6,), (8, 10), (10, 11)],
        ),
    ],
)
def test_every_student_layer_has_its_bucket(
    layers: LayerBuckets, expected: list[tuple[int, ...]]
) -> None:
    """The last student layer too; a bucket of one may be met exactly, others may not."""
    found = mixtures(stage(layers=layers))
    assert [term.name for term in found] == [f"mixture[{layer}]" for layer in range(6)]
    assert [term.student for term in found] == [Tap(Site.HIDDEN, layer) for layer in range(6)]
    assert [term.teacher for term in found] == [Tap(Site.HIDDEN, bucket) for bucket in expected]
    assert [term.vanishes for term in found] == [len(bucket) == 1 for bucket in expected]


def test_weights_are_the_equations() -> None:
    """(1 - a) on labels, a on soft labels, b in all on mixtures; settings reach the losses."""
    table = stage(
        temperature=10.0, soft_weight=0.25, mixture_weight=60, normalise=False, scale_scores=True
    )
    weights = {term.name: term.weight_at(0.0) for term in table.terms}
    assert (weights.pop("labels"), weights.pop("soft")) == (0.75, 0.25)
    assert list(weights.values()) == pytest.approx([10.0] * 6)
    assert table.terms[1].settings == "soft_labels(temperature=10.0, scaled=True, over=rows)"
    settings = {term.settings for term in mixtures(table)}
    assert settings == {"mixture_mse(normalise=False, scale_scores=True)"}


def test_the_loss_is_the_papers_number_by_number() -> None:
    """c_j is the mixture by softmax(h_S . h_T), compared over [CLS], examples, layers and width."""
    student, teacher, batch = at.model(WIDE, 3), at.teacher(), tiny.batch()
    table = stage(WIDE, at.TEACHER, mixture_weight=10.0, normalise=False, layers=((0, 1), (1, 3)))
    found = at.plain(at.values(table, student, teacher, batch))
    ours = at.captured(student, batch, {Tap(Site.HIDDEN, layer) for layer in range(2)})
    theirs = at.captured(teacher, batch, {Tap(Site.HIDDEN, layer) for layer in range(4)})
    squares = []
    for layer, bucket in enumerate(((0, 1), (1, 3))):
        for row in range(len(batch.input_ids)):
            own = ours[Tap(Site.HIDDEN, layer)][row, 0].tolist()
            pair = [theirs[Tap(Site.HIDDEN, each)][row, 0].tolist() for each in bucket]
            scores = [math.fsum(a * b for a, b in zip(own, each, strict=True)) for each in pair]
            first = 1.0 / (1.0 + math.exp(scores[1] - scores[0]))
            mixed = [first * a + (1.0 - first) * b for a, b in zip(*pair, strict=True)]
            squares += [(a - b) ** 2 for a, b in zip(own, mixed, strict=True)]
    loss = sum(term.weight_at(0.0) * found[term.name] for term in mixtures(table))
    assert len(squares) == 2 * 3 * at.TEACHER.hidden
    assert loss == pytest.approx(10.0 * math.fsum(squares) / len(squares), rel=1e-9)


def test_buckets_of_one_layer_are_pkds_patience() -> None:
    """Where PKD has a term, at PKD's layers, it is the same number."""
    student, teacher, batch = at.model(WIDE, 3), at.teacher(), tiny.batch()
    ours = stage(WIDE, at.TEACHER, layers=((1,), (3,)))
    (theirs,) = stages_of(Pkd(), Setting(WIDE, at.TEACHER, "classification"))
    found = at.plain(at.values(ours, student, teacher, batch))
    expected = at.plain(at.values(theirs, student, teacher, batch))
    # Not to the bit: PKD reads no state of the last layer, which is then not computed for all.
    expected["mixture[0]"] = expected["patience[0]"]
    for name in ("labels", "soft", "mixture[0]"):
        assert found[name] == pytest.approx(expected[name], rel=1e-12)


def test_narrow_students_learn_through_a_map() -> None:
    """One for all layers; equally wide students have none, as in the paper."""
    assert {term.project for term in mixtures(stage(at.SMALL))} == {"states"}
    assert {term.project for term in mixtures(stage())} == {None}
    maps = at.projections((stage(at.STUDENT, at.TEACHER),), at.STUDENT, at.TEACHER)
    table, student, teacher = stage(at.STUDENT, at.TEACHER), at.model(at.STUDENT, 3), at.teacher()
    found = at.values(table, student, teacher, tiny.batch(), maps)
    at.backward({name: value for name, value in found.items() if name.startswith("mixture")})
    assert at.largest_gradient(maps) > 0
    assert at.untouched(list(teacher.parameters()))


def test_padding_does_not_reach_the_mixture() -> None:
    """A longer batch of the same tokens, full of another piece: every term keeps its value."""
    table, batch = stage(WIDE, at.TEACHER), tiny.batch()
    models = at.model(WIDE, 3), at.teacher()
    before = at.plain(at.values(table, *models, batch))
    after = at.plain(at.values(table, *models, at.padded(batch)))
    assert after == pytest.approx(before, rel=1e-9)


@pytest.mark.parametrize("kind", get_args(Kind))
def test_without_mixtures_it_is_plain_distillation(tmp_path: Path, kind: Kind) -> None:
    """b = 0 trains the same bits as `kd` with the same T and a, and asks nothing of widths."""
    shared = {"temperature": 3.0, "soft_weight": 0.4}
    alp = trained(tmp_path, Alp(mixture_weight=0.0, **shared), kind)
    assert tiny.same_weights(alp, trained(tmp_path, Kd(**shared), kind))
    assert not tiny.same_weights(alp, trained(tmp_path, Alp(**shared), kind))
    assert not mixtures(stage(at.with_(BERT6, layers=5), layers="blocks", mixture_weight=0.0))


def test_unequal_blocks_are_told() -> None:
    """With the key that decides."""
    with pytest.raises(MisfitError) as caught:
        stage(at.with_(BERT6, layers=5), layers="blocks")
    assert caught.value.key == "layers"
    assert caught.value.given == "12 teacher layers cannot be split into 5 equal blocks"
