"""Processes that train together do what one does, write once, and end together."""

import json
import os
import shutil
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
import torch
from safetensors.torch import load_file
from transformers import PreTrainedModel

from tests import tiny
from tests.training.crew import together
from tests.training.stages import TEACHER, stage, write
from tests.training.tables import COSINE, LABELS, SOFT, plain, task_stage
from tests.training.test_stored import setup
from tests.training.test_stored import source as stored
from zoo.data.batches import Feed
from zoo.distil.stage import Below
from zoo.errors import Problem, TrainingError, UsageError
from zoo.paths import Project
from zoo.records.gate_file import write_gate
from zoo.resolve.plan import Phase
from zoo.signals import Stopped
from zoo.tensors.batch import Batch
from zoo.training import group as group_module
from zoo.training import launch
from zoo.training.group import ProcessGroup
from zoo.training.launch import in_group, wanted_processes
from zoo.training.loop import train
from zoo.training.resume import Place, Scratch
from zoo.training.targets import live_steady

SUITE = """\
seeds: [1]
tasks: {sentiment: {train: 24, dev: 8, max_length: 16}}
corpus: {kind: pocket, documents: 40}
optimise: {epochs: 1, batch_size: 8, learning_rate: 1.0e-3, dropout: 0.0}
bench: {shapes: [1x8]}
"""
KD = "teacher: big\nstudent: {layers: 1}\nmethod: {name: kd}\n"
FILES = {"suite.yaml": SUITE, "teachers/big.yaml": TEACHER, "kd.yaml": KD}


def short(folder: Path, **change: object) -> tiny.Setup:
    """Two stages, the first of which may be left early, over batches of which one has one row."""
    stages = (
        task_stage(LABELS, SOFT, name="one", share=0.5, leave=Below("labels", 1e9)),
        task_stage(LABELS, COSINE, name="two", share=0.5),
    )
    settings = {"steps": 12, "learning_rate": 1e-4}
    return tiny.Setup(folder, stages, optimise=plain(**(settings | change)), examples=25)


def close(ours: PreTrainedModel, theirs: dict[str, torch.Tensor]) -> bool:
    """Whether weights are equal but for rounding."""
    return all(
        torch.allclose(tensor, theirs[name], rtol=0, atol=2e-5)
        for name, tensor in ours.state_dict().items()
    )


def test_stages_are_left_by_all_at_once(tmp_path: Path) -> None:
    """At the end of the same epoch as by one process; the last batch of one row counts once."""

    def work(group: ProcessGroup, folder: Path) -> None:
        outcome = train(replace(short(folder).work(), group=group))
        torch.save(outcome.model.state_dict(), folder / "weights")
        (folder / "steps").write_text(json.dumps([phase.steps for phase in outcome.phases]))

    folders = together(work, tmp_path)
    whole = train(short(tmp_path).work())
    for folder in folders:
        assert json.loads((folder / "steps").read_text()) == [4, 6]
        assert close(whole.model, torch.load(folder / "weights"))
    assert [phase.steps for phase in whole.phases] == [4, 6]


@pytest.mark.parametrize(("before", "after"), [(2, 1), (1, 2), (2, 3)])
def test_another_number_of_processes_goes_on(before: int, after: int, tmp_path: Path) -> None:
    """Killed in the second stage: the end is that of one process without a kill."""

    def begin(group: ProcessGroup, folder: Path) -> None:
        scratch = Scratch(tmp_path / "scratch", every_seconds=0.0)
        with pytest.raises(tiny.Stopped):
            train(replace(short(folder).work(stop_after=6, scratch=scratch), group=group))

    def go_on(group: ProcessGroup, folder: Path) -> None:
        scratch = Scratch(tmp_path / "scratch", every_seconds=0.0)
        work = replace(short(folder).work(stop_after=7, scratch=scratch), group=group)
        torch.save(train(work).model.state_dict(), folder / "weights")

    together(begin, tmp_path / "before", before)
    whole = train(short(tmp_path).work())
    for folder in together(go_on, tmp_path / "after", after):
        assert close(whole.model, torch.load(folder / "weights"))


def test_each_process_drops_out_its_own(tmp_path: Path) -> None:
    """Equal rows have other masks; and one process alone draws on from where it stands."""

    def work(group: ProcessGroup, folder: Path) -> None:
        group.seed(1, 2, 3)
        torch.save(torch.rand(4), folder / "drawn")

    first, second = (torch.load(folder / "drawn") for folder in together(work, tmp_path))
    assert not torch.equal(first, second)
    state = torch.get_rng_state()
    ProcessGroup().seed(1, 2, 3)
    assert torch.equal(torch.get_rng_state(), state)


def test_what_only_some_learn_from_steps_in_all(tmp_path: Path) -> None:
    """A parameter without a gradient here has that of the others; without any it has none."""

    def work(group: ProcessGroup, folder: Path) -> None:
        used, unused = (torch.nn.Parameter(torch.ones(2)) for _ in range(2))
        if group.rank:
            used.grad = torch.full((2,), 3.0)
        group.sum_gradients(torch.optim.AdamW([used, unused]))
        torch.save([used.grad, unused.grad], folder / "gradients")

    for folder in together(work, tmp_path):
        used, unused = torch.load(folder / "gradients")
        assert torch.equal(used, torch.full((2,), 3.0))
        assert unused is None


def test_buckets_hold_every_parameter_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group_module, "BUCKET", 5)
    parameters = [torch.nn.Parameter(torch.zeros(size)) for size in (3, 3, 9, 1)]
    found = [[len(each) for each in bucket] for bucket in group_module._buckets(parameters)]
    assert found == [[3, 3], [9], [1]]


def test_processes_agree_on_the_largest_number(tmp_path: Path) -> None:
    """As on the signal that asked one of them to end."""

    def work(group: ProcessGroup, folder: Path) -> None:
        (folder / "agreed").write_text(str(group.agreed(15 * group.rank)))

    assert {(folder / "agreed").read_text() for folder in together(work, tmp_path)} == {"15"}
    assert ProcessGroup().agreed(2) == 2


def test_one_failing_ends_all_with_its_error(tmp_path: Path) -> None:
    """While the other waits for it in an exchange; nobody waits for that one."""

    def work(group: ProcessGroup, _folder: Path) -> None:
        if group.rank == 1:
            raise TrainingError(Problem("here", "it broke"))
        group.total(torch.ones(3))
        time.sleep(600)

    with pytest.raises(TrainingError) as raised:
        together(work, tmp_path)
    assert str(raised.value) == "here: it broke"


def test_a_process_left_alone_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nobody ends it, it ends by itself."""
    monkeypatch.setattr(group_module, "GRACE_SECONDS", 0.0)

    def work(group: ProcessGroup, folder: Path) -> None:
        group.total(torch.ones(3))
        if group.rank == 0:
            with pytest.raises(TrainingError) as raised:
                group.total(torch.ones(3))
            (folder / "said").write_text(str(raised.value))

    said = (together(work, tmp_path)[0] / "said").read_text().splitlines()
    assert said[0].startswith("process 1 of 2: the others cannot be reached: ")
    assert said[1:] == [
        "  allowed: processes that all run until the training ends",
        "  fix: see above why another one ended, and run the same command again",
    ]


@pytest.mark.parametrize("named", ["0", "two", "-1", "65", "1.5"])
def test_a_number_that_is_none(named: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOO_PROCESSES", named)
    with pytest.raises(UsageError) as raised:
        wanted_processes()
    assert str(raised.value) == (
        f"ZOO_PROCESSES: {named!r} is not a number of processes\n  allowed: 1 to 64"
    )


def test_a_number_of_many_digits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python would refuse to read it; the message does not quote all of it."""
    monkeypatch.setenv("ZOO_PROCESSES", "9" * 5000)
    with pytest.raises(UsageError) as raised:
        wanted_processes()
    assert "allowed: 1 to 64" in str(raised.value)


def test_processes_that_cannot_be_forked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOO_PROCESSES", "2")
    monkeypatch.setattr(launch, "get_all_start_methods", lambda: ["spawn"])
    with pytest.raises(UsageError) as raised:
        wanted_processes()
    assert str(raised.value) == (
        "ZOO_PROCESSES: this system cannot fork processes\n  allowed: 1\n  fix: use torchrun"
    )


def test_a_launchers_process_starts_no_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is one of the launcher's already."""
    monkeypatch.setenv("ZOO_PROCESSES", "2")
    monkeypatch.setenv("WORLD_SIZE", "4")
    ran: list[int] = []
    in_group(lambda: ran.append(os.getpid()))()
    assert ran == [os.getpid()]


def test_a_stage_in_two_processes_leaves_what_one_leaves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One checkpoint, one record, one journal, and the weights of one process but for rounding."""
    first = Project(tmp_path / "first")
    write(first, FILES)
    monkeypatch.setenv("ZOO_PROCESSES", "2")
    stage(first, "big/pretrain")
    stage(first, "big/train-sentiment-1")
    write_gate(first.entry("small", "big").gate, {"sentiment": True})
    found, devices = {}, []
    for processes in ("1", "2"):
        project = Project(shutil.copytree(first.root, tmp_path / processes))
        monkeypatch.setenv("ZOO_PROCESSES", processes)
        stage(project, "kd/train-sentiment-1")
        folder = project.entry("small", "kd").checkpoint("sentiment", 1)
        journal = project.scratch / "journal" / "small" / "kd" / "sentiment-1.jsonl"
        steps = [json.loads(line)["step"] for line in journal.read_text().splitlines()]
        assert steps == [1, 2, 3]
        assert not list((project.scratch / "training").iterdir())
        record = project.entry("small", "kd").training_record("sentiment", 1)
        devices.append(json.loads(record.read_text())["environment"]["device"])
        found[processes] = load_file(folder / "model.safetensors")
    for name, tensor in found["1"].items():
        torch.testing.assert_close(found["2"][name], tensor, rtol=0, atol=1e-4)
    assert devices == ["cpu", "2 x cpu"]


def test_a_process_without_a_row_adds_nothing() -> None:
    """One row in two processes: it counts in one of them; the other stands by with it."""
    values = {"labels": torch.tensor(2.0), "soft": torch.tensor(3.0)}
    shares = [next(ProcessGroup(rank, 2).shares(tiny.batch(rows=1), 1)) for rank in range(2)]
    assert [len(share.batch.rows) or len(share.batch.input_ids) for share in shares] == [1, 1]
    first, second = (share.weighted((LABELS, SOFT), values) for share in shares)
    assert all(float(value) == 0.0 for value in first.values())
    assert second == values


def test_one_process_saves_and_all_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another one never finds it time to save, writes nothing and removes nothing."""
    modules = {"trainee": torch.nn.Linear(2, 2)}
    scratch = Scratch(tmp_path / "scratch", every_seconds=0.0)
    scratch.save(Place(step=3), modules, None)
    assert scratch.due()
    monkeypatch.setenv("RANK", "1")
    assert not scratch.due()
    scratch.save(Place(step=4), modules, None)
    scratch.clear()
    saved = scratch.saved()
    assert saved is not None
    assert saved.place.step == 3


def test_one_process_holds_for_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another one of them does not wait for what the first holds."""
    scratch = Scratch(tmp_path / "scratch")
    with scratch.held("the first"):
        monkeypatch.setenv("RANK", "1")
        with scratch.held("the second"):
            pass


@pytest.mark.parametrize("asked", [0, 1])
def test_a_signal_stops_all_at_the_same_step(asked: int, tmp_path: Path) -> None:
    """It comes while one of them is still in the step; all leave after it, and the first saves."""
    folder = tmp_path / "scratch"

    def stop(group: ProcessGroup, own: Path) -> None:
        work = replace(short(own).work(scratch=Scratch(folder)), group=group)
        if group.rank == asked:
            work.feed = partial(signalling, work.feed)
        train(work)

    with pytest.raises(Stopped) as raised:
        together(stop, tmp_path / "before")
    assert raised.value.by is signal.SIGTERM
    saved = Scratch(folder).saved()
    assert saved is not None
    place = saved.place
    stage = ("one", "two")[len(place.finished)]
    assert place.step > 0
    assert raised.value.where.startswith(f"stage {stage!r}, step {place.step} of ")

    def go_on(group: ProcessGroup, own: Path) -> None:
        work = replace(short(own).work(scratch=Scratch(folder)), group=group)
        torch.save(train(work).model.state_dict(), own / "weights")

    whole = train(short(tmp_path).work())
    for own in together(go_on, tmp_path / "after"):
        assert close(whole.model, torch.load(own / "weights"))


def signalling(feed: Callable[[Phase], Feed], phase: Phase) -> Feed:
    """The feed of a phase that asks the parent to end, when its third batch is read."""
    made = feed(phase)
    read = made.batch

    def batch(step: int) -> Batch:
        if step == 2:
            os.kill(os.getppid(), signal.SIGTERM)
        return read(step)

    return cast("Feed", SimpleNamespace(batches_per_epoch=made.batches_per_epoch, batch=batch))


def test_what_follows_a_stop_is_no_error(tmp_path: Path) -> None:
    """One leaves at once where it has nothing to save, and the other loses it."""

    def work(group: ProcessGroup, _folder: Path) -> None:
        if group.rank == 0:
            os.kill(os.getppid(), signal.SIGTERM)
            time.sleep(600)
        with suppress(Stopped):
            time.sleep(600)
        time.sleep(1.0)
        raise TrainingError(Problem("here", "the other one cannot be reached"))

    with pytest.raises(Stopped):
        together(work, tmp_path)


def test_all_fill_one_store_of_a_teacher(tmp_path: Path) -> None:
    """Each with its rows; the weights are those with the live teacher, bit by bit."""
    answers = tmp_path / "answers/suite/teacher/sentiment/1"

    def both(group: ProcessGroup, own: Path) -> None:
        setting = setup(own)
        for name, targets in (
            ("stored", replace(stored(setting, own), folder=answers)),
            ("live", live_steady),
        ):
            work = replace(setting.work(), group=group, targets=targets)
            torch.save(train(work).model.state_dict(), own / name)

    for own in together(both, tmp_path / "processes"):
        kept, live = (torch.load(own / name) for name in ("stored", "live"))
        assert all(torch.equal(tensor, live[name]) for name, tensor in kept.items())
    assert [path.name for path in answers.rglob("*.bin")] == ["logits-0-first.bin"]
