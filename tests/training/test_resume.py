"""An interrupted training goes on exactly where it stood, or says why it cannot."""

import multiprocessing
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import PreTrainedModel

from tests import tiny
from tests.training.tables import LABELS, SOFT, WIDE, plain, task_stage
from zoo.distil.stage import Below
from zoo.distil.surgery import Continue, Seat
from zoo.distil.term import Term
from zoo.errors import TrainingError
from zoo.losses.hidden import token_cosine
from zoo.models.anatomy import embeddings_of
from zoo.models.tap import LOGITS, Site, Tap
from zoo.tensors.batch import Batch
from zoo.training.loop import train
from zoo.training.resume import Place, Scratch


def test_the_open_epochs_sum_survives_a_kill(tmp_path: Path) -> None:
    """Losses of 4, 0, 0, 0 have the mean 1, also where the 4 was before the kill."""

    def loss(student: Tensor, _labels: Tensor, _batch: Batch) -> Tensor:
        return 0.0 * student.sum() + next(values)

    stage = task_stage(Term("made", loss, LOGITS), leave=Below("made", 0.5))
    setup = tiny.Setup(tmp_path, (stage,), optimise=plain(steps=12))
    scratch = Scratch(tmp_path / "scratch", every_seconds=0.0)
    values = iter([4.0, 0.0])
    with pytest.raises(tiny.Stopped):
        train(setup.work(stop_after=2, scratch=scratch))
    values = iter([0.0] * 12)
    assert train(setup.work(scratch=scratch)).phases[0].steps == 8


@pytest.mark.parametrize("optimiser", ["fresh", "carry"])
@pytest.mark.parametrize("killed_at", [1, 3, 4, 5, 7, 8])
def test_resuming_is_exact_across_phases(optimiser: str, killed_at: int, tmp_path: Path) -> None:
    """With dropout, a projection, moments carried and a rule to leave: the same bits and record."""
    stages = (
        task_stage(LABELS, name="one", share=0.25, leave=Below("labels", -1.0)),
        task_stage(
            LABELS,
            Term("wide", token_cosine, Tap(Site.HIDDEN, 1), Tap(Site.HIDDEN, 3), project="wider"),
            name="two",
            share=0.5,
            optimiser=optimiser,
            leave=Below("labels", -1.0),
        ),
        task_stage(SOFT, name="three", share=0.25, optimiser=optimiser),
    )
    setup = tiny.Setup(
        tmp_path, stages, teacher_shape=WIDE, optimise=plain(steps=16, dropout=0.2), examples=20
    )
    whole = train(setup.work())
    scratch = Scratch(tmp_path / "scratch", every_seconds=0.0)
    with pytest.raises(tiny.Stopped):
        train(setup.work(stop_after=2 * killed_at, scratch=scratch))
    resumed = train(setup.work(scratch=scratch))
    assert tiny.same_weights(whole.model, resumed.model)
    assert resumed.phases == whole.phases
    assert [phase.name for phase in resumed.phases] == ["one", "two", "three"]


class Holding(Continue):
    """Surgery that keeps the embeddings from training in its own stage."""

    def open(self, seat: Seat) -> PreTrainedModel:
        embeddings_of(seat.student).requires_grad_(requires_grad=False)
        return seat.student


def test_what_one_stage_held_the_next_trains_after_a_kill_too(tmp_path: Path) -> None:
    """Surgery takes the embeddings out of its stage; killed in the next one, they train there."""
    stages = (
        task_stage(LABELS, name="one", share=0.5, surgery=Holding()),
        task_stage(LABELS, name="two", share=0.5),
    )
    setup = tiny.Setup(tmp_path, stages, optimise=plain(steps=8))
    whole = train(setup.work())
    scratch = Scratch(tmp_path / "scratch", every_seconds=0.0)
    with pytest.raises(tiny.Stopped):
        train(setup.work(stop_after=6, scratch=scratch))
    resumed = train(setup.work(scratch=scratch))
    assert tiny.same_weights(whole.model, resumed.model)
    assert all(parameter.requires_grad for parameter in resumed.model.parameters())


def test_a_finished_training_is_not_done_again(tmp_path: Path) -> None:
    """Killed between the last step and its checkpoint: the model comes back without a step."""
    setup = tiny.Setup(tmp_path, (task_stage(LABELS),), optimise=plain())
    scratch = Scratch(tmp_path / "scratch")
    first = train(setup.work(scratch=scratch))
    again = train(setup.work(scratch=scratch, stop_after=1))
    assert tiny.same_weights(first.model, again.model)
    assert again.phases == first.phases
    saved = scratch.saved()
    assert saved is not None
    assert again.seconds > saved.place.seconds > 0.0
    scratch.clear()
    assert not (tmp_path / "scratch").exists()


def tampered(state: Path, place: str | None) -> None:
    """The saved tensors beside another place, or none."""
    tensors = load_file(state)
    del tensors["place"]
    if place is not None:
        tensors["place"] = torch.frombuffer(bytearray(place, "utf-8"), dtype=torch.uint8)
    save_file(tensors, state)


@pytest.mark.parametrize(
    "damage",
    ["truncated", "empty", "garbled", "no state", "no place", "half a place", "other place"],
)
def test_a_damaged_state_counts_as_none(damage: str, tmp_path: Path) -> None:
    """Training begins anew, and ends as it would have."""
    setup = tiny.Setup(tmp_path, (task_stage(LABELS),), optimise=plain())
    scratch = Scratch(tmp_path / "scratch", every_seconds=0.0)
    with pytest.raises(tiny.Stopped):
        train(setup.work(stop_after=3, scratch=scratch))
    state = tmp_path / "scratch" / "state.safetensors"
    if damage == "no state":
        state.unlink()
    elif damage in {"no place", "half a place", "other place"}:
        places = {"no place": None, "half a place": "{", "other place": '{"phase": 1}'}
        tampered(state, places[damage])
    else:
        kept = {"truncated": state.read_bytes()[:5000], "empty": b"", "garbled": b"x" * 5000}
        state.write_bytes(kept[damage])
    assert scratch.saved() is None
    resumed = train(setup.work(scratch=scratch)).model
    assert tiny.same_weights(resumed, train(setup.work()).model)


def test_whoever_reads_while_another_saves_gets_one_state(tmp_path: Path) -> None:
    """The place and the tensors of one moment, always: they come out of one opened file."""
    scratch, counter = Scratch(tmp_path), nn.Linear(64, 64)

    def save_again_and_again() -> None:
        for step in range(100_000):
            nn.init.constant_(counter.weight, step)
            scratch.save(Place(step=step), {"counter": counter}, None)

    saving = multiprocessing.get_context("fork").Process(target=save_again_and_again, daemon=True)
    saving.start()
    seen: set[int] = set()
    while len(seen) < 100:
        saved = scratch.saved()
        if saved is not None:
            assert set(saved.tensors["counter/weight"].flatten().tolist()) == {saved.place.step}
            seen.add(saved.place.step)
    saving.kill()
    saving.join()


def test_a_process_that_is_killed_while_it_saves_leaves_one_file_more(tmp_path: Path) -> None:
    """However often: the next save writes over what it left."""
    scratch, small = Scratch(tmp_path), nn.Linear(1, 1)
    (tmp_path / "state.safetensors.part").write_bytes(b"half")
    scratch.save(Place(step=3), {"small": small}, None)
    saved = scratch.saved()
    assert saved is not None
    assert saved.place.step == 3
    assert [path.name for path in tmp_path.iterdir()] == ["state.safetensors"]


def test_the_state_of_another_training_is_told(tmp_path: Path) -> None:
    """A plan that changed beneath its digest is not quietly half restored."""
    scratch = Scratch(tmp_path / "scratch", every_seconds=0.0)
    setup = tiny.Setup(tmp_path, (task_stage(LABELS),), optimise=plain())
    with pytest.raises(tiny.Stopped):
        train(setup.work(stop_after=3, scratch=scratch))
    other = tiny.Setup(
        tmp_path, (task_stage(LABELS),), student_shape=tiny.TEACHER, optimise=plain()
    )
    with pytest.raises(TrainingError) as raised:
        train(other.work(scratch=scratch))
    message = str(raised.value)
    assert message.startswith(f"{tmp_path}/scratch: this saved state belongs to another training: ")
    assert message.endswith("  fix: remove this folder to restart training")
