"""Internal representations: what each schedule opens, and when it goes on (methods.md 4)."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import PreTrainedModel

from tests import tiny
from zoo.distil.method import Setting
from zoo.distil.stage import Below, Stage
from zoo.errors import TrainingError
from zoo.methods import stages_of
from zoo.methods.internal import Internal
from zoo.models.anatomy import layers_of, part_parameters
from zoo.models.capture import Capture
from zoo.models.tap import Site
from zoo.records.training import PhaseRecord
from zoo.spec.optimise import Optimise
from zoo.spec.shape import Shape
from zoo.tensors.batch import Batch
from zoo.training.loop import train
from zoo.training.resume import Scratch

BERT12 = Shape(layers=12, hidden=768, heads=12, intermediate=3072, vocabulary=30522)
DEPTH = 3
STUDENT = tiny.STUDENT.model_copy(update={"layers": DEPTH})
TEACHER = tiny.STUDENT.model_copy(update={"layers": 2 * DEPTH})
BATCHES = 4
"""Batches of an epoch in `setup`."""
phased = pytest.mark.parametrize("schedule", ["progressive", "stacked"])


def stages(student: Shape = STUDENT, teacher: Shape = TEACHER, **fields: Any) -> tuple[Stage, ...]:
    return stages_of(Internal(**fields), Setting(student, teacher, "classification"))


def student() -> PreTrainedModel:
    return tiny.model(STUDENT, "sentiment", seed=1).eval()


def teacher() -> PreTrainedModel:
    return tiny.frozen(tiny.model(TEACHER, "sentiment", seed=7))


def losses(
    stage: Stage, ours: PreTrainedModel, theirs: PreTrainedModel, batch: Batch
) -> dict[str, Tensor]:
    """Each term's value, with its graph."""
    with Capture(ours, {term.student for term in stage.terms}) as capture:
        captured = capture(batch)
    taps = {term.teacher for term in stage.terms if term.teacher is not None}
    with torch.no_grad(), Capture(theirs, taps) as capture:
        targets = capture(batch)
    return {
        term.name: term.loss(captured[term.student], targets[term.teacher], batch)
        for term in stage.terms
        if term.teacher is not None
    }


def setup(folder: Path, epochs_per_stage: int = 1, **fields: Any) -> tiny.Setup:
    """As many epochs for each of DEPTH + 1 stages, 4 steps in an epoch."""
    made = tiny.Setup(
        folder, stages(**fields), student_shape=STUDENT, teacher_shape=TEACHER, examples=8 * BATCHES
    )
    made.optimise = Optimise(
        epochs=epochs_per_stage * len(made.stages), batch_size=8, learning_rate=1e-3, max_length=32
    )
    return made


def told(phases: list[PhaseRecord]) -> list[tuple[str, int, str]]:
    return [(phase.name, phase.steps, phase.left) for phase in phases]


def test_twelve_to_six_is_every_other_layer() -> None:
    """Attention and [CLS] of student layers 1..6 look at teacher layers 2, 4, .., 12."""
    (stage,) = stages(BERT12.model_copy(update={"layers": 6}), BERT12, schedule="all")
    for name, site in (("attention", Site.SCORES), ("cosine", Site.HIDDEN)):
        terms = [term for term in stage.terms if term.family == name]
        assert [term.name for term in terms] == [f"{name}[{layer}]" for layer in range(6)]
        assert {term.student.site for term in terms} == {site}
        assert [term.student.layer + 1 for term in terms] == [1, 2, 3, 4, 5, 6]
        assert [term.teacher.layer + 1 for term in terms if term.teacher] == [2, 4, 6, 8, 10, 12]
    assert stage.terms[-1].name == "soft"
    assert len(stage.terms) == 13


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [("progressive", [[0], [1], [2], []]), ("stacked", [[0], [0, 1], [0, 1, 2], []])],
)
def test_schedules_open_their_layers(schedule: str, expected: list[list[int]]) -> None:
    """The table of "algorithms": ell(k) alone or all up to k, then the soft labels alone."""
    table = stages(schedule=schedule)
    assert [stage.name for stage in table] == ["layer[0]", "layer[1]", "layer[2]", "classifier"]
    for stage, layers in zip(table, expected, strict=True):
        names = [f"{family}[{layer}]" for layer in layers for family in ("attention", "cosine")]
        assert [term.name for term in stage.terms] == (names or ["soft"])
    assert [stage.share for stage in table] == [0.25] * 4
    assert [stage.optimiser for stage in table] == ["fresh", "carry", "carry", "carry"]
    assert [stage.leave for stage in table] == [None] * 4


def test_terms_stay_in_their_ranges() -> None:
    """Invariant 2: ell_kl >= 0, ell_cos in [0, 2] and blind to positive scaling of [CLS]."""
    (stage,) = stages(schedule="all")
    for seed in range(3):
        ours = tiny.model(STUDENT, "sentiment", seed=seed).eval()
        for name, value in losses(stage, ours, teacher(), tiny.batch()).items():
            assert 0.0 <= value.item() <= (2.0 if name.startswith("cosine") else float("inf"))
    cosine = next(term.loss for term in stage.terms if term.family == "cosine")
    states = torch.randn(2, 3, 7, 8, generator=torch.Generator().manual_seed(0))
    batch = tiny.batch()
    assert float(cosine(5.0 * states[0], states[1], batch)) == pytest.approx(
        float(cosine(*states, batch)), abs=1e-6
    )
    assert float(cosine(-states[0], states[0], batch)) == pytest.approx(2.0)


@phased
@pytest.mark.parametrize("epochs", [1, 2])
def test_without_a_threshold_budgets_decide(tmp_path: Path, schedule: str, epochs: int) -> None:
    """Invariant 3: transitions after e, 2e, .., Me epochs, one stage at a time, never back."""
    phases = train(setup(tmp_path, epochs, schedule=schedule).work()).phases
    names = ["layer[0]", "layer[1]", "layer[2]", "classifier"]
    assert told(list(phases)) == [
        (name, epochs * BATCHES, "step budget exhausted") for name in names
    ]


@phased
def test_a_threshold_ends_a_stage_at_an_epochs_end(tmp_path: Path, schedule: str) -> None:
    """Invariant 3: left early, with the reason, after whole epochs; a low one is never met."""
    phases = train(setup(tmp_path, 2, schedule=schedule, threshold=2.5).work()).phases
    reasons = [f"cosine[{layer}] fell below 2.5" for layer in range(DEPTH)]
    assert told(list(phases)) == [
        *((f"layer[{layer}]", BATCHES, reason) for layer, reason in enumerate(reasons)),
        ("classifier", 2 * BATCHES, "step budget exhausted"),
    ]
    phases = train(setup(tmp_path, 2, schedule=schedule, threshold=1e-6).work()).phases
    assert {phase.left for phase in phases} == {"step budget exhausted"}


@phased
@pytest.mark.parametrize("stated", ["steps", "epochs"])
def test_a_threshold_that_is_never_asked_is_refused(
    tmp_path: Path, schedule: str, stated: str
) -> None:
    """A stage of one epoch or less ends before its rule could end it: told before any step."""
    made = setup(tmp_path, 1, schedule=schedule, threshold=2.5)
    if stated == "steps":
        made.optimise = made.optimise.model_copy(update={"epochs": None, "steps": 4 * BATCHES})
    with pytest.raises(TrainingError) as raised:
        train(made.work())
    assert str(raised.value) == "\n".join(
        f"stage 'layer[{layer}]': {BATCHES} steps end before the check whether"
        f" cosine[{layer}] is below 2.5, at the end of an epoch of {BATCHES}\n"
        f"  allowed: more than {BATCHES} steps\n"
        "  fix: set a longer budget, or no threshold"
        for layer in range(DEPTH)
    )


@phased
def test_the_newest_cosine_is_watched(schedule: str) -> None:
    """A stage's rule reads the layer it opens; the classifier has none."""
    rules = [stage.leave for stage in stages(schedule=schedule, threshold=0.1)]
    assert rules == [*(Below(f"cosine[{layer}]", 0.1) for layer in range(DEPTH)), None]


@phased
@pytest.mark.parametrize("newest", range(DEPTH))
def test_later_parts_get_no_gradient(schedule: str, newest: int) -> None:
    """Invariant 4: in phase k all above layer k and the head is untouched, layer k is not."""
    ours = student()
    stage = stages(schedule=schedule)[newest]
    values = losses(stage, ours, teacher(), tiny.batch())
    sum(values.values()).backward()  # type: ignore[union-attr]
    above = [p for layer in layers_of(ours)[newest + 1 :] for p in layer.parameters()]
    untouched = [*above, *part_parameters(ours, "head")]
    assert len(untouched) > 2
    assert all(p.grad is None or not p.grad.any() for p in untouched)
    moved = [p.grad for p in layers_of(ours)[newest].parameters()]
    assert all(grad is not None and grad.any() for grad in moved)
    assert stage.frozen == ("head",)
    reached = {name.partition("[")[2] for name, value in values.items() if value.item() > 0}
    opened = range(newest + 1) if schedule == "stacked" else [newest]
    assert reached == {f"{layer}]" for layer in opened}


@phased
def test_later_parts_keep_their_bits(tmp_path: Path, schedule: str) -> None:
    """Invariant 4 in training: after phase 1 layers 2 and 3 and the head are as they started."""
    made = setup(tmp_path, schedule=schedule)
    made.stages = made.stages[:1]
    start, model = tiny.build_student(made), train(made.work()).model
    assert not tiny.same_weights(layers_of(model)[0], layers_of(start)[0])
    assert all(
        tiny.same_weights(ours, theirs)
        for ours, theirs in zip(layers_of(model)[1:], layers_of(start)[1:], strict=True)
    )
    heads = zip(part_parameters(model, "head"), part_parameters(start, "head"), strict=True)
    assert all(torch.equal(*pair) for pair in heads)


@pytest.mark.parametrize("newest", range(DEPTH))
def test_stacked_adds_the_lower_layers(newest: int) -> None:
    """Invariant 5: SID at phase k = PID at phase k + the sum of all lower ell."""
    models = student(), teacher()
    batch = tiny.batch()

    def total(schedule: str, phase: int) -> float:
        stage = stages(schedule=schedule)[phase]
        values = losses(stage, *models, batch)
        return sum(term.weight_at(0.0) * values[term.name].item() for term in stage.terms)

    lower = [total("progressive", phase) for phase in range(newest)]
    assert total("stacked", newest) == pytest.approx(total("progressive", newest) + sum(lower))
    assert newest == 0 or sum(lower) > 0.1


@phased
@pytest.mark.parametrize("final_phase", ["full", "classifier_only"])
def test_the_final_phase(tmp_path: Path, schedule: str, final_phase: str) -> None:
    """Invariant 6: soft labels alone; `classifier_only` leaves the encoder bit-identical."""
    made = setup(tmp_path, schedule=schedule, final_phase=final_phase)
    whole = train(made.work()).model
    assert [term.name for term in made.stages[-1].terms] == ["soft"]
    made.stages = made.stages[:-1]
    before = train(made.work()).model
    kept = final_phase == "classifier_only"
    for part in ("embeddings", "encoder", "head"):
        pairs = zip(part_parameters(whole, part), part_parameters(before, part), strict=True)
        assert all(torch.equal(*pair) for pair in pairs) == (kept and part != "head"), part


def test_padding_changes_nothing() -> None:
    """Invariant 7: with three more columns of padding, full of pieces, every term is the same."""
    (stage,) = stages(schedule="all")
    models, batch = (student(), teacher()), tiny.batch()

    def longer(tensor: Tensor, fill: int) -> Tensor:
        return torch.nn.functional.pad(tensor, (0, 3), value=fill)

    padded = replace(
        batch,
        input_ids=longer(batch.input_ids, 17),
        attention_mask=longer(batch.attention_mask, 0),
        token_type_ids=longer(batch.token_type_ids, 0),
    )
    found = losses(stage, *models, padded)
    for name, value in losses(stage, *models, batch).items():
        assert found[name].item() == pytest.approx(value.item(), rel=1e-4, abs=1e-6), name


@pytest.mark.parametrize(
    ("schedule", "killed_at", "phase", "step"),
    [
        ("progressive", 3, 0, 2),
        ("progressive", 11, 1, 2),
        ("progressive", 17, 1, 8),
        ("stacked", 7, 0, 6),
        ("stacked", 19, 2, 2),
        ("stacked", 23, 3, 2),
    ],
)
def test_resuming_restores_the_phase(
    tmp_path: Path, schedule: str, killed_at: int, phase: int, step: int
) -> None:
    """Invariant 8: killed within any phase or epoch, it goes on there, to the same bits."""
    fields = {"epochs_per_stage": 2, "schedule": schedule, "threshold": 0.63}
    whole = train(setup(tmp_path, **fields).work())
    # Not below, below with the last of the budget, below after half of it: every rule is at work.
    assert [done.steps for done in whole.phases] == [8, 8, 4, 8]
    scratch = Scratch(tmp_path / "scratch", every_seconds=0.0)
    with pytest.raises(tiny.Stopped):
        train(setup(tmp_path, **fields).work(stop_after=killed_at, scratch=scratch))
    saved = scratch.saved()
    assert saved is not None
    assert (len(saved.place.finished), saved.place.step) == (phase, step)
    resumed = train(setup(tmp_path, **fields).work(scratch=scratch))
    assert tiny.same_weights(whole.model, resumed.model)
    assert resumed.phases == whole.phases
