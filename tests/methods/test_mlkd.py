"""MLKD-BERT keeps the invariants of methods.md section 3, on real taps of tiny models."""

import copy
from itertools import pairwise
from pathlib import Path
from typing import get_args

import pytest
import torch

from tests import tiny
from tests.methods import terms as at
from zoo.distil.layermap import LayerMap, mapped
from zoo.distil.method import Kind, MisfitError
from zoo.errors import TrainingError
from zoo.methods import stages_of
from zoo.methods.mlkd import Mlkd
from zoo.models.anatomy import part_parameters
from zoo.models.tap import EMBEDDINGS, Site, Tap
from zoo.tensors.batch import Layout
from zoo.training.loop import train

TOKENS = ("embeddings", "attention[0]", "attention[1]", "hidden[0]", "hidden[1]")
SAMPLES = ("sample_relation", "sample_contrast", "soft")


def names(stage: object) -> tuple[str, ...]:
    return tuple(term.name for term in stage.terms)  # type: ignore[attr-defined]


def rotation(width: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    square = torch.randn(width, width, generator=generator, dtype=torch.float64)
    return torch.linalg.qr(square)[0]


def token_values(batch: object, student_seed: int = 1, **fields: object) -> dict[str, float]:
    """The stage "tokens" between the narrow student and the wide teacher."""
    table = Mlkd(**fields).stages(at.setting(at.STUDENT, at.TEACHER))
    maps = at.projections(table, at.STUDENT, at.TEACHER)
    student = at.model(at.STUDENT, student_seed)
    return at.plain(at.values(table[0], student, at.teacher(), batch, maps))


def test_six_losses_in_two_stages() -> None:
    """Three families of token terms, then three of sample terms, each of weight 1."""
    tokens, samples = Mlkd().stages(at.setting(at.STUDENT, at.TEACHER))
    assert (tokens.name, names(tokens)) == ("tokens", TOKENS)
    assert (samples.name, names(samples)) == ("samples", SAMPLES)
    assert len({term.family for term in tokens.terms + samples.terms}) == 6
    assert {term.weight for term in tokens.terms + samples.terms} == {1.0}
    assert (tokens.frozen, samples.frozen) == (("head",), ())
    assert {tokens.data, samples.data} == {"task"}


def test_equals_the_equations() -> None:
    """L_EMB, L_MHA (a sum over layers), L_FFN and L_SS as loops over rows, slices and layers."""
    batch, student, teacher = at.labelled(0, 1, 1), at.model(at.STUDENT, 1), at.teacher()
    table = Mlkd(split=4).stages(at.setting(at.STUDENT, at.TEACHER))
    maps = at.projections(table, at.STUDENT, at.TEACHER)
    found = at.plain(at.values(table[0], student, teacher, batch, maps))
    found |= at.plain(at.values(table[1], student, teacher, batch, maps))
    pairs = {0: 1, 1: 3}
    ours = at.captured(
        student,
        batch,
        {EMBEDDINGS, *(Tap(s, n) for s in (Site.CONTEXT, Site.HIDDEN) for n in pairs)},
    )
    theirs = at.captured(
        teacher,
        batch,
        {EMBEDDINGS, *(Tap(s, n) for s in (Site.CONTEXT, Site.HIDDEN) for n in pairs.values())},
    )
    tokens = int(batch.real.sum())

    def over_rows(first: Tap, second: Tap, parts: int) -> float:
        total = 0.0
        for row, real in enumerate(batch.real):
            cut = zip(
                at.slices(theirs[second][row][real], parts),
                at.slices(ours[first][row][real], parts),
                strict=True,
            )
            total += sum(at.divergence(at.relation(t), at.relation(s)) for t, s in cut)
        return total / (parts * tokens)

    expected = {"embeddings": over_rows(EMBEDDINGS, EMBEDDINGS, 1)}
    for layer, other in pairs.items():
        expected[f"attention[{layer}]"] = over_rows(
            Tap(Site.CONTEXT, layer), Tap(Site.CONTEXT, other), 4
        )
        states = maps["states"](ours[Tap(Site.HIDDEN, layer)])
        squares = (states - theirs[Tap(Site.HIDDEN, other)]).square()[batch.real]
        expected[f"hidden[{layer}]"] = float(squares.detach().sum()) / (tokens * at.TEACHER.hidden)
    first = ours[Tap(Site.HIDDEN, 1)][:, 0], theirs[Tap(Site.HIDDEN, 3)][:, 0]
    expected["sample_relation"] = at.divergence(at.relation(first[1]), at.relation(first[0])) / 3
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, rel=1e-9), name


def test_a_student_that_equals_its_teacher_is_at_rest() -> None:
    """Invariant 1: relation terms, L_FFN with W = I, L_SS and L_KD are 0, with no gradient."""
    teacher = at.teacher()
    student = copy.deepcopy(teacher).requires_grad_(requires_grad=True)
    table = Mlkd(leave_out=("sample_contrast",))
    stages = stages_of(table, at.setting(at.TEACHER, at.TEACHER))
    maps = at.projections(stages, at.TEACHER, at.TEACHER)
    for stage in stages:
        found = at.values(stage, student, teacher, at.labelled(0, 1, 1), maps)
        assert max(map(abs, at.plain(found).values())) < 1e-12
        at.backward(found)
        assert at.largest_gradient(student, maps) < 1e-9


def test_no_term_is_below_zero() -> None:
    """Invariant 1: every term is at least 0, and above it for two strangers."""
    for seed in range(3):
        assert min(token_values(at.labelled(0, 1, 1), seed).values()) > 0.0


def test_relations_need_no_projection_and_see_no_rotation() -> None:
    """Invariant 2: L_EMB, L_MHA and L_SS compare widths 24 and 48; turned vectors are the same."""
    stages = Mlkd(split=3).stages(at.setting(at.STUDENT, at.TEACHER))
    batch = at.labelled(0, 1, 1)
    student, teacher = (torch.randn(3, 7, width, dtype=torch.float64) for width in (24, 48))
    within = torch.block_diag(*(rotation(8, seed) for seed in range(3)))
    turned = {"embeddings": rotation(24, 5), "sample_relation": rotation(24, 6)}
    turned |= {"attention[0]": within, "attention[1]": within}
    for term in (term for stage in stages for term in stage.terms if term.name in turned):
        assert term.project is None
        value = term.loss(student, teacher, batch)
        assert float(value) > 0.0
        again = term.loss(student @ turned[term.name], teacher, batch)
        torch.testing.assert_close(again, value)
        if term.family == "attention":
            across = term.loss(student @ rotation(24, 7), teacher, batch)
            assert abs(float(across - value)) > 1e-3


@pytest.mark.parametrize("split", [1, 2, 3, 4, 6, 12])
@pytest.mark.parametrize("heads", [3, 12])
def test_the_split_does_not_depend_on_heads(split: int, heads: int) -> None:
    """Invariant 3: any A_s that divides both widths, beside any number of heads."""
    shape = at.with_(at.STUDENT, heads=heads)
    table = Mlkd(split=split).stages(at.setting(shape, at.TEACHER))
    maps = at.projections(table, shape, at.TEACHER)
    found = at.values(table[0], at.model(shape, 1), at.teacher(), at.labelled(0, 1, 1), maps)
    assert all(0.0 < value < float("inf") for value in at.plain(found).values())


@pytest.mark.parametrize("heads", [3, 12])
def test_the_split_is_the_students_heads_unless_stated(heads: int) -> None:
    """Invariant 3: A_s = A_S is the suggested value."""
    setting = at.setting(at.with_(at.STUDENT, heads=heads), at.TEACHER)
    attention = Mlkd().stages(setting)[0].terms[1]
    assert attention.settings == f"relation_kl(mean=tokens, heads={heads})"


@pytest.mark.parametrize(
    ("split", "order", "same"),
    [
        (1, [11, 4, 0, 7, 2, 9, 10, 1, 3, 8, 6, 5], True),
        (3, [3, 1, 0, 2, 5, 4, 7, 6, 10, 11, 8, 9], True),
        (3, [4, 1, 2, 3, 0, 5, 6, 7, 8, 9, 10, 11], False),
        (12, [3, 1, 0, 2, 5, 4, 7, 6, 10, 11, 8, 9], False),
    ],
)
def test_heads_may_change_places_within_a_slice(
    split: int, order: list[int], *, same: bool
) -> None:
    """Invariant 3: A_s = 1 sees no order of heads, A_s = 3 none among the 4 teacher heads of one
    slice; orders across slices are seen."""
    shape = at.with_(at.STUDENT, heads=3)
    table = Mlkd(split=split).stages(at.setting(shape, at.TEACHER))
    maps = at.projections(table, shape, at.TEACHER)
    student, teacher, batch = at.model(shape, 1), at.teacher(), at.labelled(0, 1, 1)
    before = at.plain(at.values(table[0], student, teacher, batch, maps))
    other = at.with_heads_in_order(teacher, 1, order)
    after = at.plain(at.values(table[0], student, other, batch, maps))
    assert (after["attention[0]"] == pytest.approx(before["attention[0]"], rel=1e-9)) == same
    for name in ("attention[1]", "hidden[0]", "hidden[1]"):
        assert after[name] == pytest.approx(before[name], rel=1e-9)


@pytest.mark.parametrize("mean", ["tokens", "samples"])
def test_more_padding_changes_no_token_term(mean: str) -> None:
    """Invariant 4: appended padding is not there, for either mean."""
    batch = at.labelled(0, 1, 1)
    before = token_values(batch, relation_mean=mean)
    after = token_values(at.padded(batch), relation_mean=mean)
    assert after == pytest.approx(before, rel=1e-9)


def test_the_relation_mean_is_the_one_stated() -> None:
    """Rows of unequal length weigh alike under `samples`, tokens under `tokens`."""
    batch = at.labelled(0, 1, 1)
    found = {mean: token_values(batch, relation_mean=mean) for mean in ("tokens", "samples")}
    assert found["tokens"]["hidden[0]"] == found["samples"]["hidden[0]"]
    assert found["tokens"]["embeddings"] != pytest.approx(found["samples"]["embeddings"], rel=1e-3)


def sample_values(batch: object) -> dict[str, float]:
    table = Mlkd().stages(at.setting(at.STUDENT, at.TEACHER))
    maps = at.projections(table, at.STUDENT, at.TEACHER)
    return at.plain(at.values(table[1], at.model(at.STUDENT, 1), at.teacher(), batch, maps))


def test_samples_have_no_order() -> None:
    """Invariant 5: the batch's order changes neither L_SS nor the terms beside it."""
    batch = at.labelled(0, 1, 1, 0)
    after = sample_values(at.reordered(batch, [2, 0, 3, 1]))
    assert after == pytest.approx(sample_values(batch), rel=1e-9)


def test_a_batch_of_one_is_finite() -> None:
    """Invariant 5: L_SS is 0 for b = 1; every other term is finite."""
    found = sample_values(at.labelled(1))
    assert found["sample_relation"] == pytest.approx(0.0, abs=1e-12)
    assert all(value == value and abs(value) < 1e6 for value in found.values())  # noqa: PLR0124  (not NaN)


def test_with_all_labels_different_the_counterpart_is_the_only_positive() -> None:
    """Invariant 6: L_SC is the mean InfoNCE of each vector with its own in the other network."""
    stage = Mlkd().stages(at.setting(at.TEACHER, at.TEACHER))[1]
    contrast = next(term for term in stage.terms if term.name == "sample_contrast")
    student, teacher = (torch.randn(3, 7, 5, dtype=torch.float64) for _ in range(2))
    both = torch.nn.functional.normalize(torch.cat([student[:, 0], teacher[:, 0]]), dim=-1)
    total = 0.0
    for i in range(6):
        others = [float(both[i] @ both[a]) / 0.1 for a in range(6) if a != i]
        alike = float(both[i] @ both[(i + 3) % 6]) / 0.1
        total += float(torch.tensor(others, dtype=torch.float64).logsumexp(0)) - alike
    value = contrast.loss(student, teacher, at.labelled(0, 1, 2))
    assert float(value) == pytest.approx(total / 6, rel=1e-9)


def test_a_batch_of_one_class_is_finite() -> None:
    """Invariant 6: all labels alike, and every gradient is finite too."""
    table = Mlkd().stages(at.setting(at.STUDENT, at.TEACHER))
    maps = at.projections(table, at.STUDENT, at.TEACHER)
    student = at.model(at.STUDENT, 1)
    found = at.values(table[1], student, at.teacher(), at.labelled(1, 1, 1), maps)
    assert all(torch.isfinite(value) for value in found.values())
    at.backward(found)
    assert 0.0 < at.largest_gradient(student, maps) < float("inf")


def test_tokens_leave_the_classifier_alone() -> None:
    """Invariant 7: stage 1 gives the classifier and the pooler no gradient."""
    table = Mlkd().stages(at.setting(at.STUDENT, at.TEACHER))
    maps = at.projections(table, at.STUDENT, at.TEACHER)
    student = at.model(at.STUDENT, 1)
    at.backward(at.values(table[0], student, at.teacher(), at.labelled(0, 1, 1), maps))
    assert at.untouched(list(part_parameters(student, "head")))
    assert at.largest_gradient(student, maps) > 0.0


@pytest.mark.parametrize("width", [24, 48])
def test_samples_reach_the_map_only_through_the_contrast(width: int) -> None:
    """Invariant 7: stage 2 gives W_h a gradient where L_SC maps unequal widths, else none."""
    shape = at.with_(at.STUDENT, hidden=width)
    table = Mlkd().stages(at.setting(shape, at.TEACHER))
    maps = at.projections(table, shape, at.TEACHER)
    student = at.model(shape, 1)
    at.backward(at.values(table[1], student, at.teacher(), at.labelled(0, 1, 1), maps))
    assert list(maps) == ["states"]
    assert at.untouched(list(maps.parameters())) == (width == 48)
    assert {term.project for term in table[1].terms if term.name != "sample_contrast"} == {None}


@pytest.mark.parametrize(
    ("layers", "student", "expected"),
    [
        ("uniform", 4, (3, 6, 9, 12)),
        ("uniform", 6, (2, 4, 6, 8, 10, 12)),
        ("uniform", 3, (4, 8, 12)),
        ("uniform", 1, (12,)),
        ("uniform", 12, tuple(range(1, 13))),
        ("top", 4, (9, 10, 11, 12)),
        ("bottom", 4, (1, 2, 3, 4)),
        ("top", 5, (8, 9, 10, 11, 12)),
        ((0, 1, 5, 11), 4, (1, 2, 6, 12)),
    ],
)
def test_layer_maps(layers: LayerMap, student: int, expected: tuple[int, ...]) -> None:
    """Invariant 8: 12 -> 4 is {1: 3, 2: 6, 3: 9, 4: 12}; the tables of 0.3, counted from 1."""
    found = mapped(layers, student, 12)
    assert tuple(layer + 1 for layer in found) == expected
    assert all(first < second for first, second in pairwise(found))
    stage = Mlkd(layers=layers).stages(at.setting(at.with_(at.SMALL, layers=student), at.BASE))[0]
    for family in ("attention", "hidden"):
        pairs = [term for term in stage.terms if term.family == family]
        assert [term.student.layer for term in pairs] == list(range(student))
        assert tuple(term.teacher.layer for term in pairs if term.teacher) == found


@pytest.mark.parametrize(
    ("layers", "student", "given", "allowed"),
    [
        (
            "uniform",
            5,
            "12 teacher layers are not a multiple of 5",
            "top, bottom, a list of teacher layers from 0, or a depth that divides the teacher's",
        ),
        (
            "top",
            13,
            "13 student layers cannot each map to one of the teacher's 12",
            "a student of at most 12 layers",
        ),
        (
            (0, 12),
            2,
            "[0, 12] for a student of 2 layers",
            "2 ascending teacher layers from 0 to 11",
        ),
        (
            (-1, 2),
            2,
            "[-1, 2] for a student of 2 layers",
            "2 ascending teacher layers from 0 to 11",
        ),
        ((3, 2), 2, "[3, 2] for a student of 2 layers", "2 ascending teacher layers from 0 to 11"),
        ((3,), 2, "[3] for a student of 2 layers", "2 ascending teacher layers from 0 to 11"),
        ((), 1, "[] for a student of 1 layers", "1 ascending teacher layers from 0 to 11"),
    ],
)
def test_layers_that_do_not_map(layers: LayerMap, student: int, given: str, allowed: str) -> None:
    """Invariant 8: pairs that do not divide raise, and so do lists that are none."""
    with pytest.raises(MisfitError) as raised:
        mapped(layers, student, 12)
    assert (raised.value.key, raised.value.given, raised.value.allowed) == (
        "layers",
        given,
        allowed,
    )


@pytest.mark.parametrize("split", [5, None])
def test_a_split_that_does_not_divide(split: int | None) -> None:
    """A_s must divide both widths, stated or the student's heads."""
    student = at.with_(at.STUDENT, hidden=40, heads=5)
    with pytest.raises(MisfitError) as raised:
        Mlkd(split=split).stages(at.setting(student, at.TEACHER))
    assert raised.value.key == "split"
    assert raised.value.given == "5 slices do not divide the widths 40 and 48"
    assert raised.value.allowed == "1, 2, 4, 8"


@pytest.mark.parametrize("kind", get_args(Kind))
def test_the_contrast_needs_classes(kind: Kind) -> None:
    """Off for numbers and spans, and the table says so; never without a word."""
    _, samples = Mlkd().stages(at.setting(at.STUDENT, at.TEACHER, kind))
    off = {"regression": "a regression has no classes", "span": "a span has no class"}
    if kind == "classification":
        assert (names(samples), samples.note) == (SAMPLES, "")
    else:
        assert names(samples) == ("sample_relation", "soft")
        assert samples.note == f"sample_contrast is left out: {off[kind]}"


def test_soft_labels_are_not_scaled_unless_asked_for() -> None:
    """L_KD has no tau^2 in the source; the switch puts it there; numbers are squared apart."""
    at_two = Mlkd(temperature=2.0), Mlkd(temperature=2.0, scaled=True)
    setting = at.setting(at.STUDENT, at.TEACHER)
    terms = [method.stages(setting)[1].terms[-1] for method in at_two]
    logits = torch.tensor([[0.0, 1.0], [2.0, -1.0]]), torch.tensor([[1.0, 0.5], [0.0, 3.0]])
    plain, scaled = (float(term.loss(*logits, at.labelled(0, 1))) for term in terms)
    assert scaled == pytest.approx(4.0 * plain)
    numbers = at.tiny.batch(Layout.VALUE, 2)
    squares = terms[0].loss(torch.tensor([[1.0], [2.0]]), torch.tensor([[0.0], [5.0]]), numbers)
    assert float(squares) == pytest.approx(5.0)


def test_labels_are_the_seventh_loss_where_asked_for() -> None:
    """7.1: six losses by default; `hard_label_weight` adds the one that would be the seventh."""
    _, samples = Mlkd(hard_label_weight=0.3).stages(at.setting(at.STUDENT, at.TEACHER))
    assert names(samples) == (*SAMPLES, "labels")
    assert (samples.terms[-1].teacher, samples.terms[-1].weight) == (None, 0.3)


def test_one_stage_holds_all_terms() -> None:
    """The ablation: everything at once, nothing frozen."""
    (stage,) = Mlkd(one_stage=True).stages(at.setting(at.STUDENT, at.TEACHER, "regression"))
    assert names(stage) == (*TOKENS, "sample_relation", "soft")
    assert (stage.name, stage.share, stage.frozen) == ("together", 1.0, ())
    assert stage.note == "sample_contrast is left out: a regression has no classes"


@pytest.mark.parametrize("one_stage", [False, True])
def test_fine_tuning_at_the_end_is_off_unless_asked_for(*, one_stage: bool) -> None:
    """7.24: no extra stage by default; the flag adds labels, and the budget is shared alike."""
    setting = at.setting(at.STUDENT, at.TEACHER)
    before = Mlkd(one_stage=one_stage).stages(setting)
    after = Mlkd(one_stage=one_stage, final_finetune=True).stages(setting)
    assert [stage.name for stage in after] == [*(stage.name for stage in before), "labels"]
    for table in (before, after):
        assert {stage.share for stage in table} == {1.0 / len(table)}


@pytest.mark.parametrize("parts", [2, 8])
def test_samples_are_never_compared_in_parts(tmp_path: Path, parts: int) -> None:
    """With as many parts as samples both terms would be exactly 0: refused before any step."""
    table = stages_of(Mlkd(), at.setting(tiny.STUDENT, tiny.TEACHER))
    setup = tiny.Setup(tmp_path, table)
    setup.optimise = setup.optimise.model_copy(update={"batch_size": 8, "accumulate": parts})
    with pytest.raises(TrainingError) as raised:
        train(setup.work())
    assert str(raised.value) == (
        "stage 'samples': sample_relation and sample_contrast would only compare samples within a "
        "part of a batch\n"
        "  allowed: accumulate: 1"
    )
    setup.stages = table[:1]
    assert train(setup.work()).phases[0].name == "tokens"
