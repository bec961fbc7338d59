"""MiniLM keeps the invariants of methods.md 5.5, on real taps of tiny models."""

import pytest
import torch

from tests.methods import terms as at
from tests.reference import losses as reference
from zoo.distil.method import MisfitError
from zoo.distil.stage import Stage
from zoo.methods.minilm import MiniLm
from zoo.models.anatomy import part_parameters
from zoo.models.tap import Site, Tap
from zoo.spec.shape import Shape
from zoo.tensors.batch import Batch


def relations(student: Shape = at.STUDENT, **fields: object) -> Stage:
    return MiniLm(**fields).stages(at.setting(student, at.TEACHER))[0]


def values(batch: Batch, student: Shape = at.STUDENT, seed: int = 1) -> dict[str, float]:
    """The stage "relations" between a student of a shape and the wide teacher."""
    return at.plain(at.values(relations(student), at.model(student, seed), at.teacher(), batch))


def test_text_first_then_labels() -> None:
    """Two terms of weight 1 on unmasked text, with the head out of training; labels on a task."""
    text, task = MiniLm().stages(at.setting(at.STUDENT, at.TEACHER))
    assert (text.name, text.data, text.frozen) == ("relations", "corpus", ("head",))
    assert [(term.name, term.weight) for term in text.terms] == [
        ("attention", 1.0),
        ("value_relation", 1.0),
    ]
    assert text.masking.fraction == 0.0
    assert (task.name, task.data, task.needs_teacher) == ("labels", "task", False)


def test_only_the_last_layers_are_looked_at() -> None:
    """Attention and values of the last layers, no other hook and no projection."""
    terms = MiniLm().stages(at.setting(at.SMALL, at.BASE))[0].terms
    assert [(term.student, term.teacher) for term in terms] == [
        (Tap(Site.SCORES, 3), Tap(Site.SCORES, 11)),
        (Tap(Site.VALUE, 3), Tap(Site.VALUE, 11)),
    ]
    assert {term.project for term in terms} == {None}


def test_equals_the_equations() -> None:
    """1/(A|x|) sum_a sum_t KL over each head's attention and value relations, padding aside."""
    batch, student, teacher = at.labelled(0, 1, 1), at.model(at.STUDENT, 1), at.teacher()
    found = values(batch)
    ours = at.captured(student, batch, {Tap(Site.SCORES, 1), Tap(Site.VALUE, 1)})
    theirs = at.captured(teacher, batch, {Tap(Site.SCORES, 3), Tap(Site.VALUE, 3)})
    attention = value = 0.0
    for row, real in enumerate(batch.real):
        for head in range(12):
            p, q = (
                side[Tap(Site.SCORES, layer)][row, head][real][:, real].softmax(-1)
                for side, layer in ((theirs, 3), (ours, 1))
            )
            attention += at.divergence(p, q)
            p, q = (
                at.relation(side[Tap(Site.VALUE, layer)][row, head][real])
                for side, layer in ((theirs, 3), (ours, 1))
            )
            value += at.divergence(p, q)
    rows = 12 * int(batch.real.sum())
    expected = {"attention": attention / rows, "value_relation": value / rows}
    assert found == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("mean", ["tokens", "samples"])
def test_both_means_are_the_loops(mean: str) -> None:
    """Over all tokens of a batch, or over samples of each one's: both terms follow the field."""
    batch, student, teacher = at.labelled(0, 1, 1), at.model(at.STUDENT, 1), at.teacher()
    stage = relations(mean=mean)
    found = at.plain(at.values(stage, student, teacher, batch))
    loops = {"attention": reference.attention_kl, "value_relation": reference.relation_kl}
    for term in stage.terms:
        ours = at.captured(student, batch, {term.student})[term.student].detach()
        theirs = at.captured(teacher, batch, {term.teacher})[term.teacher]
        expected = loops[term.name](ours, theirs, batch, mean=mean)
        assert found[term.name] == pytest.approx(expected, rel=1e-9), term.name


def test_the_mean_is_over_tokens_unless_stated() -> None:
    """The default, and that the two differ where rows are differently long."""
    batch, student, teacher = at.labelled(0, 1, 1), at.model(at.STUDENT, 1), at.teacher()
    default, tokens, samples = (
        at.plain(at.values(relations(**fields), student, teacher, batch))
        for fields in ({}, {"mean": "tokens"}, {"mean": "samples"})
    )
    assert default == tokens
    assert all(abs(default[name] - samples[name]) > 1e-4 for name in default)


@pytest.mark.parametrize("width", [12, 24, 48, 96])
def test_any_width_will_do(width: int) -> None:
    """Invariant: the loss is defined between any widths of equally many heads."""
    found = values(at.labelled(0, 1, 1), at.with_(at.STUDENT, hidden=width))
    assert all(0.0 < value < float("inf") for value in found.values())


def test_the_width_itself_leaves_no_trace() -> None:
    """Invariant: units that are 0 widen every head without changing its relation, scale aside."""
    loss, batch = relations().terms[1].loss, at.labelled(0, 1, 1)
    student, teacher = (torch.randn(3, 12, 7, d, dtype=torch.float64) for d in (2, 4))
    wider = torch.cat([student, torch.zeros_like(student)], dim=-1) * 2.0**0.25
    torch.testing.assert_close(loss(wider, teacher, batch), loss(student, teacher, batch))


def test_value_relations_have_the_attentions_heads() -> None:
    """Invariant: as many relations as attention heads, so that heads in another order count."""
    batch, student, teacher = at.labelled(0, 1, 1), at.model(at.STUDENT, 1), at.teacher()
    order = [*range(1, 12), 0]
    other = at.with_heads_in_order(teacher, 3, order)
    both = at.with_heads_in_order(student, 1, order)
    stage, before = relations(), values(batch)
    apart = at.plain(at.values(stage, student, other, batch))
    alike = at.plain(at.values(stage, both, other, batch))
    assert alike == pytest.approx(before, rel=1e-9)
    for name, value in apart.items():
        assert value != pytest.approx(before[name], rel=1e-3), name


def test_heads_must_be_equal() -> None:
    """The message names the way out."""
    with pytest.raises(MisfitError) as raised:
        MiniLm().stages(at.setting(at.with_(at.STUDENT, heads=3), at.TEACHER))
    assert raised.value.key == "name"
    assert raised.value.given == "minilm compares head by head, but the heads are 3 and 12"
    assert raised.value.allowed == "a student of 12 heads, or minilm2, which takes any number"


def test_more_padding_changes_no_term() -> None:
    """Appended padding is not there."""
    batch = at.labelled(0, 1, 1)
    assert values(at.padded(batch)) == pytest.approx(values(batch), rel=1e-9)


def test_the_last_layers_queries_keys_and_values_learn_and_nothing_above_them() -> None:
    """The head and what follows the last attention get no gradient; all below does."""
    student = at.model(at.STUDENT, 1)
    at.backward(at.values(relations(), student, at.teacher(), at.labelled(0, 1, 1)))
    assert at.untouched(list(part_parameters(student, "head")))
    named = dict(student.named_parameters())
    for name in ("query", "key", "value"):
        assert named[f"bert.encoder.layer.1.attention.self.{name}.weight"].grad is not None
    assert named["bert.encoder.layer.1.intermediate.dense.weight"].grad is None
    assert named["bert.encoder.layer.0.output.dense.weight"].grad is not None
