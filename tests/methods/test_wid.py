"""WID: what is trained is the student to come, and the report says how it came about."""

from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest
import torch
from transformers import PreTrainedModel

from tests import tiny
from zoo.compact.surgery import Compaction
from zoo.compact.trainee import ledger_of
from zoo.distil.method import MisfitError, Setting
from zoo.distil.stage import Stage
from zoo.distil.surgery import ReportColumns, Seat, StageProgress
from zoo.methods import stages_of
from zoo.methods.wid import Wid
from zoo.models.build import MASKED_LM, load_weights, shape_of
from zoo.models.capture import model_inputs
from zoo.resolve.plan import Phase
from zoo.spec.optimise import Optimise
from zoo.spec.shape import Shape
from zoo.tensors.batch import Batch
from zoo.training.loop import Outcome, train
from zoo.training.resume import Scratch

SMALL = Wid.example(tiny.TEACHER)
FAST = Optimise(
    steps=40, batch_size=4, learning_rate=4e-3, max_length=32, dropout=0.0, warmup=0.0, clip=None
)
QUICK = Wid(window=2, linear_updates=4, fuse="decoupled", decay=150.0)


class Watched(Compaction):
    """The surgery, whose trainee can be looked at afterwards."""

    trainee: ClassVar[list[PreTrainedModel]] = []

    def open(self, seat: Seat) -> PreTrainedModel:
        opened = super().open(seat)
        self.trainee[:] = [opened]
        return opened


def compact(method: Wid, student: Shape = SMALL) -> Stage:
    return stages_of(method, Setting(student, tiny.TEACHER, "classification"))[0]


def setup(folder: Path, method: Wid, optimise: Optimise = FAST) -> tiny.Setup:
    stage = compact(method)
    watched = Watched(**vars(stage.surgery))
    stage = replace(stage, surgery=watched)
    return tiny.Setup(folder, (stage,), student_shape=SMALL, optimise=optimise)


def report_of(outcome: Outcome) -> ReportColumns:
    report = outcome.phases[0].report
    assert report is not None
    return report


def rows(report: ReportColumns, event: str, group: str) -> list[dict[str, float | int | str]]:
    table = [dict(zip(report, row, strict=True)) for row in zip(*report.values(), strict=True)]
    return [row for row in table if (row["event"], row["group"]) == (event, group)]


def first_batch(made: tiny.Setup) -> Batch:
    return made.feed(Phase(made.stages[0], made.optimise)).batch(0)


def logits(model: PreTrainedModel, batch: Batch) -> torch.Tensor:
    with torch.no_grad():
        found: torch.Tensor = model.eval()(**model_inputs(model, batch)).logits
    return found


def test_the_table() -> None:
    """One loss on the corpus, the labels on a task."""
    stages = stages_of(Wid(), Setting(SMALL, tiny.TEACHER, "span"))
    assert [(stage.name, stage.data) for stage in stages] == [
        ("compact", "corpus"),
        ("labels", "task"),
    ]
    assert [[term.name for term in stage.terms] for stage in stages] == [["mlm"], ["labels"]]
    assert stages[0].masking.smoothing is None
    assert stages[0].needs_teacher


def test_a_training_ends_in_what_it_trained(tmp_path: Path) -> None:
    """Invariants 2 and 9: pruned entries are near 0 after training, and merging changes little."""
    made = setup(tmp_path, QUICK)
    outcome = train(made.work())
    trainee = Watched.trainee[0]
    assert shape_of(outcome.model.config) == SMALL
    for name, size in (("hidden", 16), ("attention", 16), ("inner", 32), ("head", 16)):
        for row in rows(report_of(outcome), "merge", name):
            assert row["kept"] == size
            assert row["largest_entry"] < 1e-4
    batch = first_batch(made)
    masked = logits(trainee, batch)[batch.real]
    merged = (masked - logits(outcome.model, batch)[batch.real]).abs().max()
    unscaled = replace(made.stages[0].surgery, rescale_query=False).close(trainee)
    assert merged < 1e-4
    assert (masked - logits(unscaled, batch)[batch.real]).abs().max() > 10 * merged


def test_the_report_tells_every_update(tmp_path: Path) -> None:
    """Kept counts follow the schedule; norms and columns can be drawn over time."""
    made = setup(tmp_path, QUICK.model_copy(update={"report_updates": 6}))
    report = report_of(train(made.work()))
    assert len({len(column) for column in report.values()}) == 1
    schedule = compact(QUICK).surgery.schedule
    for name, size in (("hidden", 32), ("inner", 64), ("head", 32)):
        found = [row for row in rows(report, "update", name) if row["layer"] in (-1, 0)]
        assert [row["step"] for row in found] == [2, 4, 6, 8, 10, 40]
        for row in found:
            cut = schedule.cut(name, int(row["step"]) // 2)
            assert row["kept"] == row["size"] - cut.dimensions(size)
            assert row["smallest_kept"] >= row["largest_pruned"] or name == "hidden"
            assert 0 <= row["stable"] <= 1
    first, *_, last = rows(report, "update", "hidden")
    assert first["stable"] == last["stable"] == 1.0
    assert first["columns"].count("1") == 28
    assert last["columns"].count("1") == 16
    assert all(last["columns"][start : start + 8].count("1") == 4 for start in range(0, 32, 8))
    assert len(first["norms"].split()) == 32
    kept = [
        float(n)
        for n, bit in zip(last["norms"].split(), last["columns"], strict=True)
        if bit == "1"
    ]
    assert min(kept) == pytest.approx(last["smallest_kept"], rel=1e-3)
    assert [row["step"] for row in rows(report, "merge", "hidden")] == [40]
    assert set(report["norms"]) - {""} == {
        row["norms"] for row in rows(report, "update", "hidden")
    } | {row["norms"] for row in rows(report, "merge", "hidden")}


@pytest.mark.parametrize("fuse", ["reference", "decoupled"])
def test_resuming_between_masks_is_exact(fuse: str, tmp_path: Path) -> None:
    """Masks, history, moments: killed anywhere, the same bits and the same report."""
    method = Wid(window=2, linear_updates=4, fuse=fuse, report_updates=3, allow_cut=True)
    short = FAST.model_copy(update={"steps": 9})
    whole = train(setup(tmp_path, method, short).work())
    for killed_at in (1, 2, 5, 8):
        scratch = Scratch(tmp_path / f"scratch-{killed_at}", every_seconds=0.0)
        with pytest.raises(tiny.Stopped):
            train(setup(tmp_path, method, short).work(stop_after=killed_at, scratch=scratch))
        resumed = train(setup(tmp_path, method, short).work(scratch=scratch))
        assert tiny.same_weights(whole.model, resumed.model), killed_at
        assert resumed.phases == whole.phases


def test_a_training_that_is_too_short_may_be_cut_to_size(tmp_path: Path) -> None:
    """The declared shape all the same; report and record say how large the entries are that go."""
    method = Wid(window=500, allow_cut=True)
    outcome = train(setup(tmp_path, method, FAST.model_copy(update={"steps": 2})).work())
    assert shape_of(outcome.model.config) == SMALL
    report = report_of(outcome)
    assert set(report["event"]) == {"merge"}
    assert rows(report, "merge", "hidden")[0]["largest_entry"] > 0.9
    closing = outcome.phases[0].closing
    assert closing is not None
    assert closing.cut > 0.9
    assert closing.mark.startswith(f"cut where {closing.cut:.2g} of the kept norm was left: mlm ")


def test_the_first_mask_acts_from_the_next_step_on() -> None:
    """Invariant 5: up to step `window` only compactors are drawn, and nothing is masked before."""
    surgery = compact(Wid(window=3)).surgery
    teacher = tiny.frozen(tiny.model(tiny.TEACHER, seed=7))
    trainee = surgery.open(Seat(tiny.model(SMALL), lambda: teacher))
    optimiser = torch.optim.AdamW(trainee.parameters(), fused=True)
    for step in range(1, 5):
        for parameter in trainee.parameters():
            parameter.grad = torch.full_like(parameter, 0.5)
        surgery.edit(trainee, optimiser, StageProgress(step, 9))
        masked = not all(mask.all() for mask in ledger_of(trainee).masks.values())
        assert masked == (step >= 3)
        for name, parameter in trainee.named_parameters():
            if step <= 3:
                drawn = parameter.detach() if surgery.pace(name) == 1.0 else 0.0
                assert torch.equal(parameter.grad, 0.5 + drawn * torch.ones_like(parameter)), name
    hidden = ledger_of(trainee).masks["hidden"]
    reader = trainee.get_parameter("bert.encoder.layer.2.intermediate.dense.left.weight")
    assert torch.equal(reader.grad[:, ~hidden], reader.detach()[:, ~hidden])
    assert (reader.grad[:, hidden] == 0.5).all()
    norm = trainee.get_parameter("bert.encoder.layer.3.output.LayerNorm.weight")
    assert torch.equal(norm.grad == 0.5, hidden)
    words = trainee.get_input_embeddings().weight
    assert (words.grad == 0.5).all()


def test_weights_learn_slowly_or_not_at_all() -> None:
    """Compactors have the stated rate, all else a fiftieth; `only_compactors` freezes the rest."""
    teacher = tiny.frozen(tiny.model(tiny.TEACHER, seed=7))
    surgery = compact(Wid()).surgery
    trainee = surgery.open(Seat(tiny.model(SMALL), lambda: teacher))
    paces = {name: surgery.pace(name) for name, _ in trainee.named_parameters()}
    compactors = {name for name in paces if ".left." in name or ".right." in name}
    assert len(compactors) == 2 * 6 * 4 + 2 + 1 + 1
    assert {name for name, pace in paces.items() if pace == 1.0} == compactors
    assert {pace for name, pace in paces.items() if name not in compactors} == {0.02}
    assert all(parameter.requires_grad for parameter in trainee.parameters())
    only = compact(Wid(only_compactors=True)).surgery.open(Seat(tiny.model(SMALL), lambda: teacher))
    assert {name for name, p in only.named_parameters() if p.requires_grad} == compactors


@pytest.mark.parametrize("fuse", ["reference", "decoupled"])
def test_only_compactors_move(fuse: str, tmp_path: Path) -> None:
    """Frozen biases under a mask have no gradient to edit, and stay."""
    method = Wid(window=1, fuse=fuse, only_compactors=True, allow_cut=True)
    made = setup(tmp_path, method, FAST.model_copy(update={"steps": 3}))
    train(made.work())
    trained = dict(Watched.trainee[0].named_parameters())
    theirs = made.teacher.get_parameter("bert.encoder.layer.1.output.dense.bias")
    assert torch.equal(trained["bert.encoder.layer.1.output.dense.linear.bias"], theirs)


def test_the_folder_holds_no_compactor(tmp_path: Path) -> None:
    """A plain checkpoint, as any masked language model of that shape."""
    model = train(setup(tmp_path, QUICK).work()).model
    model.save_pretrained(tmp_path / "saved")
    again = load_weights(tmp_path / "saved", MASKED_LM, seed=0)
    assert tiny.same_weights(again, model)
    assert not [name for name in again.state_dict() if "left" in name or "compaction" in name]


BASE = Shape(layers=12, hidden=768, heads=12, intermediate=3072, vocabulary=30522)


@pytest.mark.parametrize(
    ("method", "change", "key", "given", "allowed"),
    [
        ({}, {"layers": 6}, "name", "a bert of 6 layers", "bert with 12 layers"),
        ({}, {"family": "roberta"}, "name", "a roberta of 12 layers", "bert with 12 layers"),
        ({}, {"hidden": 960}, "name", "960 hidden units", "up to 768"),
        ({}, {"hidden": 192}, "name", "not to 3072", "intermediate: 768"),
        (
            {},
            {"hidden": 192, "intermediate": 768, "heads": 3},
            "strategy",
            "dim keeps all 12 heads, the student has 3",
            "heads: 12, or strategy: head",
        ),
        (
            {"strategy": "head"},
            {"hidden": 516, "intermediate": 2064},
            "strategy",
            "head keeps heads of 64, the student's have 43",
            "hidden = 64 x heads, or strategy: dim",
        ),
    ],
)
def test_misfits(
    method: dict[str, str], change: dict[str, int], key: str, given: str, allowed: str
) -> None:
    """Which shapes a strategy takes is known before any weight is loaded."""
    student = BASE.model_copy(update=change)
    with pytest.raises(MisfitError) as caught:
        stages_of(Wid(**method), Setting(student, BASE, "span"))
    assert caught.value.key == key
    assert given in caught.value.given
    assert caught.value.allowed == allowed


@pytest.mark.parametrize(
    ("strategy", "change"),
    [
        ("dim", {"hidden": 516, "intermediate": 2064}),
        ("dim", {"hidden": 192, "intermediate": 768}),
        ("head", {"hidden": 192, "intermediate": 768, "heads": 3}),
        ("dim", {}),
        ("head", {}),
    ],
)
def test_the_published_students_fit(strategy: str, change: dict[str, int]) -> None:
    """516 and 192 wide, and the teacher's own shape, of which nothing is cut."""
    student = BASE.model_copy(update=change)
    assert len(stages_of(Wid(strategy=strategy), Setting(student, BASE, "span"))) == 2
