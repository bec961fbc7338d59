"""On a CUDA device every method keeps its promises: it trains, goes on exactly, and in bf16 too."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests import tiny
from tests.contract.test_methods import Kind, case_setup, every_case
from zoo.distil.stage import Data
from zoo.spec.optimise import Optimise
from zoo.training.loop import Outcome, train
from zoo.training.resume import Scratch

CUDA = torch.device("cuda")

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device available"),
]


@pytest.fixture
def setup(name: str, data: Data, kind: Kind, tmp_path: Path) -> tiny.Setup:
    """The case, from its start."""
    return case_setup(tmp_path, name, data, kind)


@pytest.fixture
def deterministic(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Kernels that give the same bits every time; some are slower."""
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)


def on(device: torch.device, setup: tiny.Setup, **more: object) -> Outcome:
    """The setup's training, from its start, on a device."""
    return train(replace(setup.work(**more), device=device))


@every_case
def test_it_trains_as_on_the_cpu(setup: tiny.Setup) -> None:
    """Without dropout the losses of three steps a stage are those of the CPU within 1 %."""
    steps = max(6, 3 * len(setup.stages))
    setup.optimise = Optimise(steps=steps, batch_size=8, dropout=0.0, max_length=32)
    expected = on(torch.device("cpu"), setup)
    found = on(CUDA, setup)
    assert found.model.device.type == "cuda"
    for ours, theirs in zip(found.phases, expected.phases, strict=True):
        assert ours.steps == theirs.steps
        for term, value in theirs.losses.items():
            assert ours.losses[term] == pytest.approx(value, rel=0.01, abs=1e-3), term


@every_case
@pytest.mark.usefixtures("deterministic")
def test_resuming_is_exact(setup: tiny.Setup) -> None:
    """Killed half way, with dropout: the same bits, where the kernels themselves give the same."""
    whole = on(CUDA, setup)
    steps = sum(phase.steps for phase in whole.phases)
    scratch = Scratch(setup.folder / "scratch", every_seconds=0.0)
    with pytest.raises(tiny.Stopped):
        on(CUDA, setup, stop_after=steps // 2, scratch=scratch)
    torch.cuda.manual_seed_all(99)
    resumed = on(CUDA, setup, scratch=scratch)
    assert tiny.same_weights(whole.model, resumed.model)
    assert resumed.phases == whole.phases


@every_case
def test_half_precision_gives_nearly_the_same_loss(setup: tiny.Setup) -> None:
    """bf16 autocast: the first steps' losses within 3 % (or 0.02) of fp32."""
    found = {}
    for precision in ("fp32", "bf16"):
        setup.optimise = Optimise(
            steps=max(6, len(setup.stages)),
            batch_size=8,
            dropout=0.0,
            max_length=32,
            learning_rate=1e-6,
            precision=precision,
            teacher_precision=precision,
        )
        found[precision] = on(CUDA, setup).phases[0].losses
    for term, value in found["fp32"].items():
        assert found["bf16"][term] == pytest.approx(value, rel=0.03, abs=0.02), term
