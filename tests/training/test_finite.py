"""A loss that is not finite ends its training at once, and is traced to its rows."""

import math
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import Tensor

from tests import tiny
from tests.training.tables import LABELS, plain, task_stage
from zoo.distil.term import Term
from zoo.errors import TrainingError
from zoo.losses.logits import hard_labels
from zoo.models.anatomy import embeddings_of
from zoo.models.tap import LOGITS
from zoo.tensors.batch import Batch
from zoo.training import phase
from zoo.training.finite import FiniteWatch
from zoo.training.loop import train
from zoo.training.resume import Scratch

FIX = "\n  allowed: finite losses\n  fix: lower learning_rate, set a clip, or use precision: fp32"


def broken_on(rows: set[int], value: float = math.nan, *, over_samples: bool = False) -> Term:
    """A loss that is not finite as soon as it sees one of these rows."""

    def loss(student: Tensor, labels: Tensor, batch: Batch) -> Tensor:
        found = hard_labels(student, labels, batch)
        return found * value if rows & set(batch.rows) else found

    return Term("broken", loss, LOGITS, over_samples=over_samples)


def first_step_of(row: int, setup: tiny.Setup) -> int:
    """The step, from 1, of the first epoch that reads a row."""
    feed = setup.feed(setup.work().phases[0])
    return next(step for step in range(1, 9) if row in feed.batch(step - 1).rows)


def setup_of(folder: Path, *terms: Term, **optimise: object) -> tiny.Setup:
    stated = {"steps": 400, "batch_size": 4} | optimise
    return tiny.Setup(folder, (task_stage(LABELS, *terms),), optimise=plain(**stated))


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("accumulate", [1, 2])
def test_it_is_told_at_its_step_with_its_row(value: float, accumulate: int, tmp_path: Path) -> None:
    """Not at the next look, which is eight steps away; and its update is not made."""
    setup = setup_of(tmp_path, broken_on({17}, value), accumulate=accumulate)
    step = first_step_of(17, setup)
    assert step > 1
    work = setup.work()
    with pytest.raises(TrainingError) as raised:
        train(work)
    assert str(raised.value) == (
        f"stage 'stage', step {step} of 400: the loss of broken is not finite on row 17{FIX}"
    )
    calm = setup_of(tmp_path, broken_on(set()), accumulate=accumulate)
    scratch = Scratch(tmp_path / "scratch", every_seconds=0.0)
    calm_work = calm.work(scratch=scratch)
    feed = calm_work.feed(calm_work.phases[0])

    class Ends:
        batches_per_epoch = feed.batches_per_epoch

        def batch(self, number: int) -> Batch:
            if number == step - 1:
                raise tiny.Stopped
            return feed.batch(number)

    calm_work.feed = lambda _phase: Ends()
    with pytest.raises(tiny.Stopped):
        train(calm_work)
    assert tiny.same_weights(work.student, calm_work.student)


def test_a_few_rows_are_shown(tmp_path: Path) -> None:
    """The first five of those at fault, and how many more there are."""
    setup = setup_of(tmp_path, broken_on(set(range(32))), batch_size=8)
    rows = sorted(setup.feed(setup.work().phases[0]).batch(0).rows)
    with pytest.raises(TrainingError) as raised:
        train(setup.work())
    shown = ", ".join(map(str, rows[:5]))
    assert f"the loss of broken is not finite on rows {shown} and 3 more\n" in str(raised.value)


@pytest.mark.parametrize("over_samples", [False, True])
def test_where_no_row_alone_is_at_fault_the_batch_is_told(
    over_samples: bool, tmp_path: Path
) -> None:
    """A term over samples compares rows with each other: none of them can be blamed."""

    def loss(student: Tensor, _labels: Tensor, batch: Batch) -> Tensor:
        return student.sum() * (math.nan if over_samples or len(batch.rows) > 1 else 1.0)

    term = Term("made", loss, LOGITS, over_samples=over_samples)
    setup = setup_of(tmp_path, term)
    rows = sorted(setup.feed(setup.work().phases[0]).batch(0).rows)
    with pytest.raises(TrainingError) as raised:
        train(setup.work())
    shown = ", ".join(map(str, rows))
    assert str(raised.value) == (
        "stage 'stage', step 1 of 400: the loss of made is not finite on the batch of rows "
        f"{shown}{FIX}"
    )


def test_a_broken_state_is_never_saved(tmp_path: Path) -> None:
    """What was saved before is finite, and the next attempt says the same."""
    setup = setup_of(tmp_path, broken_on({17}))
    scratch = Scratch(tmp_path / "scratch", every_seconds=0.0)
    told = []
    for _again in range(2):
        with pytest.raises(TrainingError) as raised:
            train(setup.work(scratch=scratch))
        told.append(str(raised.value))
    assert told[0] == told[1]
    saved = scratch.saved()
    assert saved is not None
    assert saved.place.step == first_step_of(17, setup) - 1
    assert all(bool(value.isfinite().all()) for value in saved.tensors.values())


class Event:
    """A device that is always done."""

    def record(self) -> None: ...

    def synchronize(self) -> None: ...


@pytest.fixture(params=["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def device(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> torch.device:
    """A GPU, or the CPU looked at as if it were one."""
    if request.param == "cpu":
        monkeypatch.setattr(torch.cuda, "Event", Event)
        late = partial(FiniteWatch, device=torch.device("cuda"))
        monkeypatch.setattr(phase, "FiniteWatch", lambda optimiser, _device: late(optimiser))
    return torch.device(request.param)


@pytest.mark.parametrize("last", [False, True])
def test_a_gpu_tells_the_same_without_waiting(
    device: torch.device, last: bool, tmp_path: Path
) -> None:
    """One step late, but never after the phase: the device itself leaves out the update."""
    step = first_step_of(17, setup_of(tmp_path, broken_on({17})))
    work = setup_of(tmp_path, broken_on({17}), steps=step if last else 400).work()
    work.device = device
    before = list[dict[str, Tensor]]()
    # Not when a batch is asked for: a GPU's are made a step ahead.
    embeddings_of(work.student).register_forward_pre_hook(
        lambda *_: before.append(tiny.weights(work.student))
    )
    with pytest.raises(TrainingError) as raised:
        train(work)
    where = f"stage 'stage', step {step} of {step if last else 400}"
    assert str(raised.value) == f"{where}: the loss of broken is not finite on row 17{FIX}"
    after = work.student.state_dict()
    assert all(torch.equal(value, after[name]) for name, value in before[step - 1].items())
