"""MiniLMv2 keeps the invariants of methods.md 5.6, on real taps of tiny models."""

import pytest

from tests.methods import terms as at
from zoo.distil.method import MisfitError
from zoo.distil.stage import Stage
from zoo.methods.minilm2 import MiniLm2
from zoo.models.anatomy import part_parameters
from zoo.models.tap import Site, Tap
from zoo.spec.shape import Shape
from zoo.tensors.batch import Batch

SITES = {
    "query_relation": Site.QUERY,
    "key_relation": Site.KEY,
    "value_relation": Site.VALUE,
}


def relations(student: Shape = at.STUDENT, teacher: Shape = at.TEACHER, **fields: object) -> Stage:
    return MiniLm2(**fields).stages(at.setting(student, teacher))[0]


def values(
    batch: Batch, student: Shape = at.STUDENT, teacher: Shape = at.TEACHER, **fields: object
) -> dict[str, float]:
    """The stage "relations" between a student and a teacher of two shapes."""
    stage = relations(student, teacher, **fields)
    return at.plain(at.values(stage, at.model(student, 1), at.teacher(teacher), batch))


def test_text_first_then_labels() -> None:
    """Three terms on unmasked text, with the head out of training; labels on a task."""
    text, task = MiniLm2(key_weight=0.5).stages(at.setting(at.STUDENT, at.TEACHER))
    assert (text.name, text.data, text.frozen) == ("relations", "corpus", ("head",))
    assert [(term.name, term.weight) for term in text.terms] == [
        ("query_relation", 1.0),
        ("key_relation", 0.5),
        ("value_relation", 1.0),
    ]
    assert text.masking.fraction == 0.0
    assert (task.name, task.data, task.needs_teacher) == ("labels", "task", False)


@pytest.mark.parametrize(("stated", "layer"), [(None, 11), (9, 9), (0, 0)])
def test_one_teacher_layer_and_the_students_last(stated: int | None, layer: int) -> None:
    """Invariant: no other layer is looked at, and nothing is projected."""
    terms = relations(at.SMALL, at.BASE, teacher_layer=stated).terms
    assert {(term.name, term.student, term.teacher) for term in terms} == {
        (name, Tap(site, 3), Tap(site, layer)) for name, site in SITES.items()
    }
    assert {term.project for term in terms} == {None}


def test_a_teacher_layer_that_is_not_there() -> None:
    """Layers count from 0, and the message says so."""
    with pytest.raises(MisfitError) as raised:
        relations(teacher_layer=4)
    assert raised.value.key == "teacher_layer"
    assert raised.value.given == "layer 4 of a teacher of 4 layers"
    assert raised.value.allowed == "0 to 3, counted from 0"


@pytest.mark.parametrize("mean", ["tokens", "samples"])
@pytest.mark.parametrize("heads", [1, 3, 8])
def test_equals_the_equations(heads: int, mean: str) -> None:
    """The sum over relation heads and tokens, and both means of 10.1."""
    batch, student, teacher = at.labelled(0, 1, 1), at.model(at.STUDENT, 1), at.teacher()
    found = values(batch, relation_heads=heads, mean=mean)
    ours = at.captured(student, batch, {Tap(site, 1) for site in SITES.values()})
    theirs = at.captured(teacher, batch, {Tap(site, 3) for site in SITES.values()})
    for name, site in SITES.items():
        per_row = []
        for row, real in enumerate(batch.real):
            sides = (theirs[Tap(site, 3)], ours[Tap(site, 1)])
            flat = [side[row].transpose(0, 1).flatten(1)[real] for side in sides]
            cut = zip(*(at.slices(side, heads) for side in flat), strict=True)
            per_row.append(sum(at.divergence(at.relation(t), at.relation(s)) for t, s in cut))
        tokens = [int(real.sum()) for real in batch.real]
        expected = sum(per_row) / sum(tokens) / heads
        if mean == "samples":
            expected = sum(r / n for r, n in zip(per_row, tokens, strict=True)) / heads / 3
        assert found[name] == pytest.approx(expected, rel=1e-9), name


@pytest.mark.parametrize("heads", [1, 3, 6])
def test_neither_head_count_matters(heads: int) -> None:
    """Invariant: the same weights under other head counts make the same relations.

    In one layer, where queries, keys and values do not yet depend on attention.
    """
    batch = at.labelled(0, 1, 1)
    one, other = (at.with_(shape, layers=1) for shape in (at.STUDENT, at.TEACHER))
    expected = values(batch, one, other, relation_heads=heads)
    for ours, theirs in ((3, 12), (12, 3), (2, 16)):
        shapes = at.with_(one, heads=ours), at.with_(other, heads=theirs)
        assert values(batch, *shapes, relation_heads=heads) == pytest.approx(expected, rel=1e-9)


def test_one_relation_head_collapses_heads() -> None:
    """Invariant: with A_r = 1 the heads have no order; with as many as heads they have."""
    batch, student, teacher = at.labelled(0, 1, 1), at.model(at.STUDENT, 1), at.teacher()
    other = at.with_heads_in_order(teacher, 3, [*range(1, 12), 0])
    for heads, same in ((1, True), (12, False)):
        stage = relations(relation_heads=heads)
        before = at.plain(at.values(stage, student, teacher, batch))
        after = at.plain(at.values(stage, student, other, batch))
        assert (after == pytest.approx(before, rel=1e-6)) == same


@pytest.mark.parametrize("mean", ["tokens", "samples"])
def test_more_padding_changes_no_term(mean: str) -> None:
    """Appended padding is not there, for either mean."""
    batch = at.labelled(0, 1, 1)
    before = values(batch, mean=mean)
    assert values(at.padded(batch), mean=mean) == pytest.approx(before, rel=1e-9)


@pytest.mark.parametrize(
    ("student", "teacher", "expected"),
    [
        (768, 768, 48),
        (384, 768, 48),
        (768, 1024, 64),
        (384, 1024, 64),
        (312, 768, 24),
        (192, 768, 32),
        (32, 32, 4),
        (48, 48, 8),
        (5, 7, 1),
    ],
)
def test_the_usual_number_of_relation_heads(student: int, teacher: int, expected: int) -> None:
    """48 for base, 64 for large teachers; elsewhere what divides both into at least 6 units."""
    shapes = (at.with_(at.STUDENT, hidden=width, heads=1) for width in (student, teacher))
    settings = {term.settings for term in relations(*shapes).terms}
    assert settings == {f"relation_kl(heads={expected}, mean=tokens)"}


def test_relation_heads_that_do_not_divide() -> None:
    """The message lists the common divisors."""
    with pytest.raises(MisfitError) as raised:
        relations(relation_heads=48)
    assert raised.value.key == "relation_heads"
    assert raised.value.given == "48 relation heads do not divide the widths 24 and 48"
    assert raised.value.allowed == "1, 2, 3, 4, 6, 8, 12, 24"


def test_the_head_gets_no_gradient() -> None:
    """Only the base model runs on text."""
    student = at.model(at.STUDENT, 1, task=None)
    at.backward(at.values(relations(), student, at.teacher(), at.labelled(0, 1, 1)))
    assert at.untouched(list(part_parameters(student, "head")))
    assert at.largest_gradient(student) > 0.0
