"""The loop does what a stage's table says, in the stated order, and the same way every time."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.optim import Optimizer
from transformers import PreTrainedModel

from tests import tiny
from tests.training.tables import COSINE, LABELS, SOFT, WIDE, plain, task_stage
from zoo.data.batches import TaskFeed
from zoo.distil.stage import Below
from zoo.distil.surgery import Continue, Seat, StageProgress
from zoo.distil.term import Ramp, Term
from zoo.errors import TrainingError
from zoo.losses.hidden import token_cosine
from zoo.losses.logits import hard_labels
from zoo.models.tap import LOGITS, Site, Tap
from zoo.tensors.batch import Batch
from zoo.training import phase as phase_module
from zoo.training.loop import train
from zoo.training.resume import Scratch
from zoo.training.trainee import cut


class Recorder(Continue):
    """Surgery that changes nothing and notes when it is asked."""

    def __init__(self, log: list[str]) -> None:
        self.log = log

    def open(self, seat: Seat) -> PreTrainedModel:
        self.log.append("open")
        return seat.student

    def edit(self, trainee: PreTrainedModel, optimiser: Optimizer, progress: StageProgress) -> None:
        assert optimiser.param_groups
        graded = any(p.grad is not None and p.grad.any() for p in trainee.parameters())
        self.log.append(f"edit {progress.step}/{progress.steps} gradient={graded}")

    def close(self, trainee: PreTrainedModel) -> PreTrainedModel:
        self.log.append("close")
        return trainee


def test_surgery_edits_between_clip_and_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """open, then backward - clip - edit - step at every step, then close."""
    log: list[str] = []
    clip = phase_module.clip_gradients
    monkeypatch.setattr(
        phase_module, "clip_gradients", lambda *given: (log.append("clip"), clip(*given))
    )
    make = phase_module.make_optimiser

    def noted(*given: object) -> Optimizer:
        optimiser = make(*given)
        optimiser.register_step_pre_hook(lambda *_: log.append("step"))
        return optimiser

    monkeypatch.setattr(phase_module, "make_optimiser", noted)

    def loss(student: Tensor, labels: Tensor, batch: Batch) -> Tensor:
        value = hard_labels(student, labels, batch)
        value.register_hook(lambda _: log.append("backward"))
        return value

    stage = task_stage(Term("labels", loss, LOGITS), surgery=Recorder(log))
    train(tiny.Setup(tmp_path, (stage,), optimise=plain(steps=2)).work())
    step = ["backward", "clip", "edit {}/2 gradient=True", "step"]
    assert log == ["open", *(e.format(1) for e in step), *(e.format(2) for e in step), "close"]


def test_cutting_a_batch_changes_nothing(tmp_path: Path) -> None:
    """accumulate = 2 and 4 equal 1 within 1e-5, also where the last batch is smaller."""
    found = []
    for parts in (1, 2, 4):
        setup = tiny.Setup(
            tmp_path,
            (task_stage(LABELS, SOFT),),
            "inference",
            optimise=plain(steps=5, accumulate=parts, learning_rate=1e-4),
            examples=29,
        )
        found.append(train(setup.work()).model)
    for other in found[1:]:
        for name, tensor in found[0].state_dict().items():
            torch.testing.assert_close(other.state_dict()[name], tensor, atol=1e-5, rtol=0)


def test_parts_of_a_batch_are_all_of_it_once() -> None:
    """Rows stay in order, and the last part is smaller."""
    feed = TaskFeed(tiny.encoded("span"), 7, 0)
    whole = feed.batch(0)
    parts = list(cut(whole, 3))
    assert [len(part.rows) for part in parts] == [3, 3, 1]
    for name in ("input_ids", "attention_mask", "token_type_ids", "labels", "answerable"):
        joined = torch.cat([getattr(part, name) for part in parts])
        assert torch.equal(joined, getattr(whole, name))
    assert sum((part.rows for part in parts), ()) == whole.rows


@pytest.mark.parametrize(("threshold", "steps"), [(1e9, 4), (-1.0, 12)])
def test_a_stage_is_left_at_an_epochs_end(threshold: float, steps: int, tmp_path: Path) -> None:
    """Once the term's mean over the epoch is below the threshold, not before an epoch's end."""
    stage = task_stage(LABELS, leave=Below("labels", threshold))
    outcome = train(tiny.Setup(tmp_path, (stage,), optimise=plain(steps=12)).work())
    (phase,) = outcome.phases
    assert phase.steps == steps
    early = f"labels fell below {threshold}"
    assert phase.left == (early if steps < 12 else "step budget exhausted")
    assert set(phase.losses) == {"labels"}


def test_the_rule_looks_at_the_mean_of_the_epoch(tmp_path: Path) -> None:
    """Losses 4, 3, 2, 1 have the mean 2.5: 2.4 keeps the stage for another epoch, 2.6 ends it."""
    for threshold, steps in ((2.6, 4), (2.4, 8)):
        values = iter([4.0, 3.0, 2.0, 1.0, 0.0, 0.0, 0.0, 0.0])

        def loss(
            student: Tensor, _labels: Tensor, _batch: Batch, values: Iterator[float] = values
        ) -> Tensor:
            return 0.0 * student.sum() + next(values)

        stage = task_stage(Term("made", loss, LOGITS), leave=Below("made", threshold))
        outcome = train(tiny.Setup(tmp_path, (stage,), optimise=plain(steps=12)).work())
        assert outcome.phases[0].steps == steps


def test_a_ramp_moves_with_the_stage(tmp_path: Path) -> None:
    """A term that weighs nothing at first: the first step is as without it, the second not."""
    ramped = Term("soft", SOFT.loss, LOGITS, LOGITS, weight=Ramp(0.0, 1.0))
    assert [ramped.weight_at(progress) for progress in (0.0, 0.25, 1.0)] == [0.0, 0.25, 1.0]
    models = {}
    for steps in (1, 2):
        for name, terms in {"with": (LABELS, ramped), "without": (LABELS,)}.items():
            optimise = plain(steps=steps, warmup=0.0, decay="constant")
            setup = tiny.Setup(tmp_path, (task_stage(*terms),), optimise=optimise)
            models[name, steps] = train(setup.work()).model
    assert tiny.same_weights(models["with", 1], models["without", 1])
    assert not tiny.same_weights(models["with", 2], models["without", 2])


def test_projections_are_the_engines(tmp_path: Path) -> None:
    """They fit a narrow student to a wide teacher, are trained, and stay out of the student."""
    pair = Tap(Site.HIDDEN, 0), Tap(Site.HIDDEN, 1)
    terms = (
        Term("first", token_cosine, *pair, project="wider"),
        Term("again", token_cosine, *pair, project="wider"),
    )
    setup = tiny.Setup(
        tmp_path, (task_stage(*terms),), teacher_shape=WIDE, optimise=plain(steps=20)
    )
    scratch = Scratch(tmp_path / "scratch", every_seconds=0.0)
    with pytest.raises(tiny.Stopped):
        train(setup.work(stop_after=19, scratch=scratch))
    outcome = train(setup.work(scratch=scratch))
    assert outcome.phases[0].losses["first"] == outcome.phases[0].losses["again"]
    names = [name for name, _ in outcome.model.named_parameters()]
    assert names == [name for name, _ in tiny.build_student(setup).named_parameters()]
    assert tiny.same_weights(outcome.model, train(setup.work()).model)


@pytest.mark.parametrize("optimiser", ["fresh", "carry"])
def test_moments_are_carried_where_the_stage_says(optimiser: str, tmp_path: Path) -> None:
    """The second stage's first step has counted the first stage's steps, or none of them."""
    seen: list[float] = []

    class Looks(Recorder):
        def edit(
            self, trainee: PreTrainedModel, optimiser: Optimizer, progress: StageProgress
        ) -> None:
            if progress.step == 1:
                state = optimiser.state[trainee.classifier.weight]
                seen.append(float(state["step"]) if state else 0.0)

    stages = (
        task_stage(LABELS, name="one", share=0.5, frozen=("embeddings",)),
        task_stage(LABELS, COSINE, name="two", share=0.5, optimiser=optimiser, surgery=Looks([])),
    )
    setup = tiny.Setup(tmp_path, stages, optimise=plain(steps=6))
    model = train(setup.work()).model
    assert seen == [3.0 if optimiser == "carry" else 0.0]
    # What the first stage had frozen is trained in the second, carried moments or not.
    start = tiny.build_student(setup)
    table = "bert.embeddings.word_embeddings.weight"
    assert not torch.equal(start.state_dict()[table], model.state_dict()[table])


@pytest.mark.parametrize("fault", ["training", "gradients"])
def test_a_teacher_that_could_learn_is_refused(fault: str, tmp_path: Path) -> None:
    """Its targets would carry dropout, or it would be trained."""
    setup = tiny.Setup(tmp_path, (task_stage(SOFT),), optimise=plain())
    if fault == "training":
        setup.teacher.train()
    else:
        setup.teacher.requires_grad_(True)
    with pytest.raises(TrainingError) as raised:
        train(setup.work())
    assert str(raised.value) == (
        "the teacher of stage 'stage': it is in training mode or its parameters require gradients\n"
        "  allowed: a frozen teacher in evaluation mode, so that its targets have no dropout"
    )


def test_a_teacher_nobody_looks_at_is_not_loaded(tmp_path: Path) -> None:
    """A stage on labels alone never asks for one."""
    work = tiny.Setup(tmp_path, (task_stage(LABELS),), optimise=plain()).work()

    def none(_data: object) -> PreTrainedModel:
        raise AssertionError

    work.teacher = none
    train(work)


def test_a_half_precision_teacher_leaves_the_weights_as_they_are(tmp_path: Path) -> None:
    """Surgery of a later stage reads the teacher's own fp32 weights."""
    setup = tiny.Setup(tmp_path, (task_stage(SOFT),), optimise=plain(teacher_precision="bf16"))
    before = tiny.weights(setup.teacher)
    train(setup.work())
    assert all(
        tensor.dtype == before[name].dtype and torch.equal(tensor, before[name])
        for name, tensor in setup.teacher.state_dict().items()
    )


def test_losses_decide_on_their_precision_under_autocast(tmp_path: Path) -> None:
    """With bf16 the model answers in bf16, and products inside a loss stay in fp32."""
    seen: list[torch.dtype] = []

    def loss(student: Tensor, labels: Tensor, batch: Batch) -> Tensor:
        seen.extend([student.dtype, (student.float() @ student.float().mT).dtype])
        return hard_labels(student, labels, batch)

    setup = tiny.Setup(
        tmp_path,
        (task_stage(Term("labels", loss, LOGITS)),),
        optimise=plain(steps=1, precision="bf16"),
    )
    train(setup.work())
    assert seen == [torch.bfloat16, torch.float32]


def test_frozen_parts_are_trained_again_later(tmp_path: Path) -> None:
    """A part stays while its stage lasts; what a training leaves asks for gradients everywhere."""
    stage = task_stage(LABELS, frozen=("encoder", "positions"))
    setup = tiny.Setup(tmp_path, (stage,), optimise=plain())
    start, model = tiny.build_student(setup), train(setup.work()).model
    for name, parameter in model.named_parameters():
        same = torch.equal(parameter, start.get_parameter(name))
        assert same == (".layer." in name or "position" in name), name
        assert parameter.requires_grad


@pytest.mark.parametrize("family", tiny.FAMILIES)
def test_dropout_is_what_is_stated(family: str, tmp_path: Path) -> None:
    """With 0 a training step's loss is the evaluated one; with 0.5 it is not."""
    shape = tiny.STUDENT.model_copy(update={"family": family})
    losses = []
    for rate in (0.0, 0.0, 0.5):
        setup = tiny.Setup(
            tmp_path,
            (task_stage(LABELS),),
            student_shape=shape,
            optimise=plain(steps=1, dropout=rate),
        )
        work = setup.work()
        work.seed = len(losses)
        losses.append(train(work).phases[0].losses["labels"])
    assert losses[0] == losses[1] != losses[2]


@pytest.mark.parametrize("sizes", [(0.5, 0.5), (0.25, 0.5, 0.25)])
def test_stages_read_on_where_those_before_them_stopped(
    tmp_path: Path, sizes: tuple[float, ...]
) -> None:
    """Together they read what one stage would, in its order: every example once in an epoch."""
    read: list[tuple[int, ...]] = []

    def noting(student: Tensor, labels: Tensor, batch: Batch) -> Tensor:
        read.append(batch.rows)
        return hard_labels(student, labels, batch)

    def rows_of(shares: tuple[float, ...]) -> list[tuple[int, ...]]:
        read.clear()
        stages = tuple(
            replace(task_stage(Term("labels", noting, LOGITS)), name=f"s{number}", share=share)
            for number, share in enumerate(shares)
        )
        train(
            tiny.Setup(
                tmp_path, stages, optimise=plain(steps=None, epochs=1.0, batch_size=4)
            ).work()
        )
        return list(read)

    assert rows_of(sizes) == rows_of((1.0,))
    assert sorted(row for rows in read for row in rows) == list(range(32))
