"""Every method trains in two processes as in one; none is named here."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests import tiny
from tests.contract.test_methods import Kind, _sides, _with_padding, case_setup, cases, every_case
from tests.training.crew import together
from zoo.distil.stage import Data
from zoo.losses.counts import counted
from zoo.resolve.plan import Phase
from zoo.spec.optimise import Optimise
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


def gradients(setup: tiny.Setup, group: ProcessGroup) -> Gradients:
    """The gradients of the last stage's first step, as the clip finds them."""
    found: Gradients = {}
    stage = replace(setup.stages[-1], share=1.0)

    def look(optimiser: torch.optim.Optimizer, _limit: float | None) -> None:
        parameters = [p for each in optimiser.param_groups for p in each["params"]]
        found.update((str(n), p.grad) for n, p in enumerate(parameters) if p.grad is not None)
        raise Seen

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine, "clip_gradients", look)
        # Modules that are drawn must be the same ones here and there.
        patch.setattr(ProcessGroup, "seed", lambda *_: None)
        work = replace(setup.work(), phases=(Phase(stage, setup.optimise),), group=group)
        with pytest.raises(Seen):
            train(work)
    return found


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """What each of two processes found: gradients, and what it had after a training."""

    def every(group: ProcessGroup, folder: Path) -> None:
        for case in cases():
            setup = made(folder, case)
            torch.save(gradients(setup, group), folder / "-".join(("gradients", *case)))
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
    assert ours.keys() == theirs.keys() == expected.keys()
    largest = max(float(gradient.abs().max()) for gradient in expected.values())
    for key, gradient in expected.items():
        assert torch.equal(ours[key], theirs[key])
        torch.testing.assert_close(ours[key], gradient, rtol=1e-4, atol=1e-6 * largest)


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
                share = counted(term.loss, part) / max(1, counted(term.loss, whole))
                total += share * float(term.loss(*_sides(term, student, teacher, part), part))
            expected = float(term.loss(*_sides(term, student, teacher, whole), whole))
            assert total == pytest.approx(expected, rel=1e-6), term.name
