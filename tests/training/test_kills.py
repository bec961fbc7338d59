"""Whatever kills a training, and wherever: the next one ends as if nothing had happened."""

import os
import random
import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from safetensors.torch import save_file

from tests import tiny
from tests.contract.test_methods import case_setup
from tests.methods.test_internal import setup as early_exit
from tests.training.killing import Killer, Training
from tests.training.tables import LABELS, SOFT, plain, task_stage
from tests.training.test_augmentation import CHECKOUT, ENTRY, prepared
from zoo.paths import Project
from zoo.records.training import TrainingRecord
from zoo.resolve.entry import read_suite
from zoo.signals import POLITE, Stopped
from zoo.training import made_of
from zoo.training.loop import train
from zoo.training.resume import Scratch
from zoo.training.run import train_runs

OFTEN = 0.01
"""Seconds between two saves: most kills find a state that is some steps old."""

METHODS = {
    "finetune": ("finetune", "task"),
    "kd": ("kd", "task"),
    "projections": ("tinybert", "task"),
    "theseus": ("theseus", "task"),
    "wid": ("wid", "corpus"),
    "masks": ("distilbert", "corpus"),
}


def of_method(folder: Path, kind: str) -> tiny.Setup:
    """A method's training, with dropout: its random numbers are part of the state."""
    name, data = METHODS[kind]
    made = case_setup(folder, name, data, "classification")
    made.optimise = made.optimise.model_copy(update={"steps": 24, "dropout": 0.1})
    return made


def train_here(make: Callable[[Path], tiny.Setup], folder: Path) -> None:
    scratch = Scratch(folder / "scratch", every_seconds=OFTEN)
    with scratch.held("a test"):
        outcome = train(make(folder).work(scratch=scratch))
        tensors = {name: value.clone() for name, value in outcome.model.state_dict().items()}
        save_file(tensors | dict(outcome.projections), folder / "weights.new")
        (folder / "weights.new").rename(folder / "weights")
        scratch.clear()


def train_copies(folder: Path) -> None:
    """A run as its stage runs it: what is augmented, cached and written is all real."""
    made_of.Scratch = partial(Scratch, every_seconds=OFTEN)
    project, suite = Project(folder), read_suite(CHECKOUT, "pocket")
    job = prepared(project, suite)
    train_runs(project, job)
    run, entry = job.runs[0], project.entry("pocket", ENTRY)
    weights = entry.checkpoint(run.task, run.seed) / "model.safetensors"
    (folder / "weights").write_bytes(weights.read_bytes())
    TrainingRecord.model_validate_json(entry.training_record(run.task, run.seed).read_bytes())


def training(kind: str) -> Training:
    if kind == "augmentation":
        return train_copies
    if kind == "early exit":
        fields = {"epochs_per_stage": 2, "schedule": "progressive", "threshold": 0.63}
        return partial(train_here, lambda folder: early_exit(folder, **fields))
    return partial(train_here, lambda folder: of_method(folder, kind))


every_kind = pytest.mark.parametrize("kind", [*METHODS, "early exit", "augmentation"])


@every_kind
def test_a_killed_training_loses_nothing(kind: str, tmp_path: Path) -> None:
    """Three kills, of which most are asked for politely: the same bits."""
    Killer(training(kind), tmp_path, random.Random(f"3 {kind}")).kill(3)


@pytest.mark.slow
@every_kind
def test_a_training_killed_again_and_again_loses_nothing(kind: str, tmp_path: Path) -> None:
    """Twenty kills, some before a first state is saved, some while one is."""
    Killer(training(kind), tmp_path, random.Random(f"20 {kind}")).kill(20)


def signalled_at(steps: int, by: signal.Signals) -> Callable[..., None]:
    """What a journal does that gets a signal at its so-many-th step."""
    left = iter(range(steps - 1, -1, -1))

    def progress(*_: object) -> None:
        if next(left, None) == 0:
            os.kill(os.getpid(), by)

    return progress


@pytest.mark.parametrize("by", POLITE)
@pytest.mark.parametrize("steps", [1, 4, 5, 8])
def test_a_signal_saves_the_step_under_way(by: signal.Signals, steps: int, tmp_path: Path) -> None:
    """In the first step, in the last one of a phase, in the next phase, in the last one of all."""
    stages = (task_stage(LABELS, name="one", share=0.5), task_stage(SOFT, name="two", share=0.5))
    setup = tiny.Setup(tmp_path, stages, optimise=plain(steps=8, dropout=0.2))
    whole, scratch = train(setup.work()), Scratch(tmp_path / "scratch")
    work = setup.work(scratch=scratch)
    work.journal.progress = signalled_at(steps, by)
    with pytest.raises(Stopped) as stopped:
        train(work)
    phase, step = divmod(steps - 1, 4)
    assert stopped.value.code == 128 + by
    assert stopped.value.where == f"stage {('one', 'two')[phase]!r}, step {step + 1} of 4"
    saved = scratch.saved()
    assert saved is not None
    assert (len(saved.place.finished), saved.place.step) == (phase, step + 1)
    resumed = train(setup.work(scratch=scratch))
    assert tiny.same_weights(resumed.model, whole.model)
    assert resumed.phases == whole.phases


def test_a_phase_that_has_ended_is_saved_before_the_next_one_opens(tmp_path: Path) -> None:
    """Opening may take long, as where data are augmented: it may be left at once."""
    stages = (task_stage(LABELS, name="one", share=0.5), task_stage(SOFT, name="two", share=0.5))
    setup = tiny.Setup(tmp_path, stages, optimise=plain(steps=8, dropout=0.2))
    whole, scratch = train(setup.work()), Scratch(tmp_path / "scratch")
    work = setup.work(scratch=scratch)
    feed = work.feed

    def stops(phase: object) -> object:
        if phase is work.phases[1]:
            raise Stopped(signal.SIGTERM)
        return feed(phase)

    work.feed = stops
    with pytest.raises(Stopped):
        train(work)
    resumed = setup.work(scratch=scratch)
    told: list[str] = []
    resumed.journal.progress = lambda label, *_: told.append(label)
    outcome = train(resumed)
    assert set(told) == {"two"}
    assert tiny.same_weights(outcome.model, whole.model)
    assert outcome.phases == whole.phases
