"""TinyBERT keeps the invariants of methods.md 5.4, with the paper's and the code's ways apart."""

import copy
from typing import get_args

import pytest
import torch

from tests import tiny
from tests.methods import terms as at
from zoo.distil.method import Kind, MisfitError
from zoo.distil.stage import Stage
from zoo.methods import stages_of
from zoo.methods.tinybert import TinyBert
from zoo.models.anatomy import part_parameters
from zoo.models.tap import EMBEDDINGS, Site, Tap
from zoo.tensors.batch import Batch, Layout

LAYERS = ("embeddings", "attention[0]", "attention[1]", "hidden[0]", "hidden[1]")


def table(kind: Kind = "classification", **fields: object) -> tuple[Stage, ...]:
    return TinyBert(**fields).stages(at.setting(at.STUDENT, at.TEACHER, kind))


def layer_values(batch: Batch, **fields: object) -> dict[str, float]:
    """The stage "intermediate" between the narrow student and the wide teacher."""
    stages = table(**fields)
    maps = at.projections(stages, at.STUDENT, at.TEACHER)
    student = at.model(at.STUDENT, 1)
    return at.plain(at.values(stages[1], student, at.teacher(), batch, maps))


def test_layers_twice_then_the_prediction() -> None:
    """General and intermediate have the same terms; prediction has one, and it alone has logits."""
    general, intermediate, prediction = table()
    assert [general.name, intermediate.name, prediction.name] == [
        "general",
        "intermediate",
        "prediction",
    ]
    assert tuple(term.name for term in general.terms) == LAYERS
    assert [(t.name, t.settings, t.project) for t in general.terms] == [
        (t.name, t.settings, t.project) for t in intermediate.terms
    ]
    assert [term.name for term in prediction.terms] == ["soft"]
    assert {term.weight for term in general.terms + prediction.terms} == {1.0}
    assert (general.frozen, intermediate.frozen, prediction.frozen) == (("head",), ("head",), ())


@pytest.mark.parametrize("kind", get_args(Kind))
@pytest.mark.parametrize("augment", [True, False])
def test_data_are_augmented_but_for_spans(kind: Kind, *, augment: bool) -> None:
    """Both steps read augmented data unless told otherwise; SQuAD's are never augmented."""
    wanted = "augmented" if augment and kind != "span" else "task"
    assert [stage.data for stage in table(kind, augment=augment)] == ["corpus", wanted, wanted]


def test_equals_the_equations() -> None:
    """L_embd, L_hidn and L_attn as sums over real tokens, pairs, heads and units."""
    batch, student, teacher = at.labelled(0, 1, 1), at.model(at.STUDENT, 1), at.teacher()
    stages = table()
    maps = at.projections(stages, at.STUDENT, at.TEACHER)
    found = at.plain(at.values(stages[1], student, teacher, batch, maps))
    pairs = {0: 1, 1: 3}
    sites = (Site.HIDDEN, Site.SCORES)
    ours = at.captured(student, batch, {EMBEDDINGS, *(Tap(s, n) for s in sites for n in pairs)})
    theirs = at.captured(
        teacher, batch, {EMBEDDINGS, *(Tap(s, n) for s in sites for n in pairs.values())}
    )

    def states(first: Tap, second: Tap, through: str) -> float:
        apart = (maps[through](ours[first]) - theirs[second]).square()
        return float(
            torch.cat([apart[n][real] for n, real in enumerate(batch.real)]).mean().detach()
        )

    expected = {"embeddings": states(EMBEDDINGS, EMBEDDINGS, "embeddings")}
    for layer, other in pairs.items():
        here, there = Tap(Site.HIDDEN, layer), Tap(Site.HIDDEN, other)
        expected[f"hidden[{layer}]"] = states(here, there, "states")
        squares = [
            (ours[Tap(Site.SCORES, layer)] - theirs[Tap(Site.SCORES, other)])[row]
            .square()[:, real][:, :, real]
            .flatten()
            for row, real in enumerate(batch.real)
        ]
        expected[f"attention[{layer}]"] = float(torch.cat(squares).mean().detach())
    assert found == pytest.approx(expected, rel=1e-9)


def test_a_student_that_equals_its_teacher_is_at_rest() -> None:
    """All losses are 0 with W = I, and so are their gradients."""
    teacher = at.teacher()
    student = copy.deepcopy(teacher).requires_grad_(requires_grad=True)
    stages = TinyBert().stages(at.setting(at.TEACHER, at.TEACHER))
    maps = at.projections(stages, at.TEACHER, at.TEACHER)
    for stage in stages:
        found = at.values(stage, student, teacher, at.labelled(0, 1, 1), maps)
        assert max(map(abs, at.plain(found).values())) < 1e-12
        at.backward(found)
        assert at.largest_gradient(student, maps) < 1e-9


@pytest.mark.parametrize(
    ("layers", "student", "expected"),
    [
        ("uniform", 4, (3, 6, 9, 12)),
        ("uniform", 6, (2, 4, 6, 8, 10, 12)),
        ("top", 4, (9, 10, 11, 12)),
        ("bottom", 4, (1, 2, 3, 4)),
    ],
)
def test_the_mapping_table(layers: str, student: int, expected: tuple[int, ...]) -> None:
    """12 -> 4 is 3m, 12 -> 6 is 2m (counted from 1); embeddings go to embeddings."""
    shape = at.with_(at.SMALL, layers=student)
    for stage in TinyBert(layers=layers).stages(at.setting(shape, at.BASE))[:2]:
        for family in ("attention", "hidden"):
            pairs = [(t.student, t.teacher) for t in stage.terms if t.family == family]
            assert [ours.layer for ours, _ in pairs] == list(range(student))
            assert tuple(theirs.layer + 1 for _, theirs in pairs if theirs) == expected
        assert (stage.terms[0].student, stage.terms[0].teacher) == (EMBEDDINGS, EMBEDDINGS)


def test_depths_that_do_not_divide() -> None:
    """Uniform needs N % M == 0."""
    with pytest.raises(MisfitError, match="12 teacher layers are not a multiple of 5"):
        TinyBert().stages(at.setting(at.with_(at.SMALL, layers=5), at.BASE))


def test_heads_must_be_equal() -> None:
    """Scores are compared head by head, unless that term is left out."""
    setting = at.setting(at.with_(at.STUDENT, heads=3), at.TEACHER)
    with pytest.raises(MisfitError) as raised:
        TinyBert().stages(setting)
    assert raised.value.key == "leave_out"
    assert raised.value.given == ("attention is compared head by head, but the heads are 3 and 12")
    assert raised.value.allowed == "a student of 12 heads, or leave_out: [attention]"
    stages = stages_of(TinyBert(leave_out=("attention",)), setting)
    families = {term.family for stage in stages for term in stage.terms}
    assert families == {"embeddings", "hidden", "soft"}


def test_more_padding_changes_no_term() -> None:
    """Masked columns and rows contribute 0: appended padding is not there."""
    batch = at.labelled(0, 1, 1)
    assert layer_values(at.padded(batch)) == pytest.approx(layer_values(batch), rel=1e-9)


def test_padding_counts_as_in_the_code() -> None:
    """Parity: scores of padded columns are 0 on both sides, every mean is over all elements."""
    batch, student, teacher = at.labelled(0, 1, 1), at.model(at.STUDENT, 1), at.teacher()
    found = layer_values(batch, padding="counted")
    stages = table()
    maps = at.projections(stages, at.STUDENT, at.TEACHER)
    taps = Tap(Site.HIDDEN, 0), Tap(Site.SCORES, 0)
    others = Tap(Site.HIDDEN, 1), Tap(Site.SCORES, 1)
    ours = at.captured(student, batch, set(taps))
    theirs = at.captured(teacher, batch, set(others))
    columns = batch.real[:, None, None, :]
    scores = (ours[taps[1]] * columns - theirs[others[1]] * columns).square().mean()
    states = (maps["states"](ours[taps[0]]) - theirs[others[0]]).square().mean()
    assert found["attention[0]"] == pytest.approx(float(scores.detach()), rel=1e-9)
    assert found["hidden[0]"] == pytest.approx(float(states.detach()), rel=1e-9)
    assert found["embeddings"] != pytest.approx(layer_values(batch)["embeddings"], rel=1e-3)


@pytest.mark.parametrize("stage", [0, 1])
def test_layer_stages_leave_the_classifier_untouched(stage: int) -> None:
    """Stages general and intermediate give the pooler and the classifier no gradient."""
    stages = table()
    maps = at.projections(stages, at.STUDENT, at.TEACHER)
    student = at.model(at.STUDENT, 1)
    at.backward(at.values(stages[stage], student, at.teacher(), at.labelled(0, 1, 1), maps))
    assert at.untouched(list(part_parameters(student, "head")))
    assert at.largest_gradient(student, maps) > 0.0


@pytest.mark.parametrize(("projections", "expected"), [("one", 1), ("two", 2)])
def test_one_or_two_maps(projections: str, expected: int) -> None:
    """The paper's W_e and W_h, or the code's single one; at equal widths too, shared by all."""
    for student in (at.STUDENT, at.TEACHER):
        stages = TinyBert(projections=projections).stages(at.setting(student, at.TEACHER))
        maps = at.projections(stages, student, at.TEACHER)
        assert len(maps) == expected
        assert all(m.weight.shape == (at.TEACHER.hidden, student.hidden) for m in maps.values())
        states = [t for t in stages[1].terms if t.family in ("embeddings", "hidden")]
        assert all(term.project is not None for term in states)


def test_the_mean_of_soft_labels_is_over_rows_or_elements() -> None:
    """Parity: the code also divides by the number of classes; spans stay rows."""
    logits = torch.tensor([[0.0, 1.0], [2.0, -1.0]]), torch.tensor([[1.0, 0.5], [0.0, 3.0]])
    rows, elements = (
        float(table(soft_over=over)[2].terms[0].loss(*logits, at.labelled(0, 1)))
        for over in ("rows", "elements")
    )
    assert rows == pytest.approx(2.0 * elements)
    expected = at.divergence(logits[1].softmax(-1), logits[0].softmax(-1)) / 2
    assert rows == pytest.approx(expected, rel=1e-6)
    assert "over=rows" in table("span", soft_over="elements")[2].terms[0].settings


def test_numbers_follow_the_teacher_or_the_label() -> None:
    """Parity: the code trains STS-B on the gold scores; classes never see them."""
    batch = tiny.batch(Layout.VALUE, 2)
    ours, theirs = torch.tensor([[1.0], [2.0]]), torch.tensor([[0.0], [5.0]])
    (soft,) = table("regression")[2].terms
    assert float(soft.loss(ours, theirs, batch)) == pytest.approx(5.0)
    (gold,) = table("regression", stsb_target="gold")[2].terms
    assert (gold.name, gold.teacher) == ("labels", None)
    assert float(gold.loss(ours, batch.labels, batch)) == pytest.approx(2.5)
    assert table(stsb_target="gold")[2].terms[0].name == "soft"


def test_text_is_masked_as_in_the_code() -> None:
    """General distillation reads BERT's masked pieces, 15 % of them."""
    assert table()[0].masking.fraction == 0.15
    assert table(mask_fraction=0.0)[0].masking.fraction == 0.0
