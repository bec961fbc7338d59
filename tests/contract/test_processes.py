"""Every method trains in two processes and part by part as at once; none is named here."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch

from tests import tiny
from tests.contract.test_methods import Kind, _sides, _with_padding, case_setup, cases, every_case
from tests.training.crew import together
from zoo.data.batches import Feed, TaskFeed, collate
from zoo.distil.stage import Data
from zoo.losses.counts import portion
from zoo.resolve.plan import Phase
from zoo.spec.optimise import Optimise
from zoo.tensors.batch import Batch
from zoo.training import phase as engine
from zoo.training.group import ProcessGroup
from zoo.training.loop import train
from zoo.training.trainee import rows_of

Case = tuple[str, Data, Kind]
Gradients = dict[str, torch.Tensor]


class Seen(Exception):  # noqa: N818  (it is no error: the gradients are known)
    """The first step's gradients are those of the whole batch."""


def made(folder: Path, case: Case) -> tiny.Setup:
    """A case with a batch that two processes cannot halve, of sequences of many lengths."""
    setup = case_setup(folder, *case)
    setup.optimise = Optimise(steps=12, batch_size=7, max_length=32, dropout=0.0)
    return setup


def uneven(folder: Path, case: Case, parts: int) -> tiny.Setup:
    """A case that may be trained part by part, on the shortest sequences before the longest."""
    setup = case_setup(folder, *case)
    whole = {"steps": 12, "batch_size": 8, "max_length": 32, "dropout": 0.0}
    setup.optimise = Optimise.model_validate(whole | {"accumulate": parts})
    setup.stages = tuple(
        replace(stage, terms=tuple(term for term in stage.terms if not term.over_samples))
        for stage in setup.stages
    )
    read = setup.feed

    def feed(phase: Phase) -> Feed:
        batch = _uneven(read(phase))
        return cast("Feed", SimpleNamespace(batches_per_epoch=4, batch=lambda _step: batch))

    return replace(setup, feeds=feed)


def _uneven(feed: Feed) -> Batch:
    """Seven sequences, so that the last part is smaller; the longest have many times the tokens."""
    if isinstance(feed, TaskFeed):
        lengths = [len(feature.input_ids) for feature in feed.encoded.features]
        order = sorted(range(len(lengths)), key=lengths.__getitem__)
        return collate(feed.encoded, order[:4] + order[-3:])
    batch = rows_of(feed.batch(0), slice(0, 7))
    real = torch.arange(batch.input_ids.shape[1]) < torch.tensor([4, 5, 5, 6, 9, 32, 32])[:, None]
    return replace(batch, attention_mask=real.long(), labels=batch.labels.masked_fill(~real, -100))


def gradients(setup: tiny.Setup, group: ProcessGroup, stage: int = -1) -> Gradients:
    """The gradients of a stage's first step, the last one's by itself, as the clip finds them."""
    found: Gradients = {}
    alone = replace(setup.stages[stage], share=1.0)

    def look(optimiser: torch.optim.Optimizer, _limit: float | None) -> None:
        parameters = [p for each in optimiser.param_groups for p in each["params"]]
        found.update((str(n), p.grad) for n, p in enumerate(parameters) if p.grad is not None)
        raise Seen

    losses = engine.PhaseRun._losses

    def drawn_alike(*given: Any) -> dict[str, torch.Tensor]:
        torch.manual_seed(1)
        return losses(*given)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine, "clip_gradients", look)
        # Modules that are drawn must be the same ones in every process and for every part.
        patch.setattr(engine.PhaseRun, "_losses", drawn_alike)
        work = replace(setup.work(), phases=(Phase(alone, setup.optimise),), group=group)
        with pytest.raises(Seen):
            train(work)
    return found


def in_parts(folder: Path, case: Case, group: ProcessGroup, parts: int) -> list[Gradients]:
    """The gradients of every stage of an uneven case."""
    setup = uneven(folder, case, parts)
    return [gradients(setup, group, stage) for stage in range(len(setup.stages))]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """What each of two processes found: gradients, and what it had after a training."""

    def every(group: ProcessGroup, folder: Path) -> None:
        for case in cases():
            setup = made(folder, case)
            torch.save(gradients(setup, group), folder / "-".join(("gradients", *case)))
            torch.save(in_parts(folder, case, group, 4), folder / "-".join(("parts", *case)))
            setup.optimise = setup.optimise.model_copy(update={"dropout": 0.1})
            outcome = train(replace(setup.work(), group=group))
            told = [phase.model_dump_json() for phase in outcome.phases]
            torch.save(
                {"weights": outcome.model.state_dict(), "told": told},
                folder / "-".join(("trained", *case)),
            )

    return together(every, tmp_path_factory.mktemp("found"))


@every_case
def test_gradients_are_those_of_one_process(
    found: list[Path], name: str, data: Data, kind: Kind, tmp_path: Path
) -> None:
    """On the same batch, whatever a term is a mean over, and where it compares samples."""
    expected = gradients(made(tmp_path, (name, data, kind)), ProcessGroup())
    ours, theirs = (torch.load(folder / f"gradients-{name}-{data}-{kind}") for folder in found)
    assert_close(ours, expected)
    assert all(torch.equal(ours[key], theirs[key]) for key in expected)


@every_case
def test_gradients_are_those_of_the_whole_batch(
    found: list[Path], name: str, data: Data, kind: Kind, tmp_path: Path
) -> None:
    """Part by part, in one process and in two, with very unequal numbers of tokens in the parts."""
    case = (name, data, kind)
    expected = in_parts(tmp_path, case, ProcessGroup(), 1)
    alone = in_parts(tmp_path, case, ProcessGroup(), 4)
    together = torch.load(found[0] / "-".join(("parts", *case)))
    for each in zip(expected, alone, together, strict=True):
        assert_close(each[1], each[0])
        assert_close(each[2], each[0])


def assert_close(found: Gradients, expected: Gradients) -> None:
    """Equal but for rounding, next to the largest of all."""
    assert found.keys() == expected.keys()
    largest = max(float(gradient.abs().max()) for gradient in expected.values())
    for key, gradient in expected.items():
        torch.testing.assert_close(found[key], gradient, rtol=1e-4, atol=1e-6 * largest)


@every_case
def test_all_processes_end_alike(found: list[Path], name: str, data: Data, kind: Kind) -> None:
    """With dropout: the same weights bit by bit, losses, reasons to end, and report of surgery."""
    ours, theirs = (torch.load(folder / f"trained-{name}-{data}-{kind}") for folder in found)
    assert ours["told"] == theirs["told"]
    for key, tensor in ours["weights"].items():
        assert torch.equal(tensor, theirs["weights"][key]), key


@every_case
def test_the_parts_of_a_batch_add_up(name: str, data: Data, kind: Kind, tmp_path: Path) -> None:
    """Each term over a batch is its sum over parts, weighted by what its mean is over."""
    setup = case_setup(tmp_path, name, data, kind)
    student = tiny.build_student(setup).double().eval()
    teacher = setup.teacher.double()
    for stage in setup.stages:
        whole = _with_padding(setup.feed(Phase(stage, setup.optimise)).batch(0))
        for term in (term for term in stage.terms if not term.over_samples):
            total = 0.0
            for part in (rows_of(whole, slice(0, 3)), rows_of(whole, slice(3, None))):
                share = float(portion(term.loss, part, whole))
                total += share * float(term.loss(*_sides(term, student, teacher, part), part))
            expected = float(term.loss(*_sides(term, student, teacher, whole), whole))
            assert total == pytest.approx(expected, rel=1e-6), term.name
