"""The engines that are compared do the same work, and the check can tell when they do not."""

from pathlib import Path

import pytest
import torch
from packaging.requirements import Requirement
from torch.nn.utils import parameters_to_vector

from benchmarks.engines import ENGINES, OURS, Engine
from benchmarks.measure import cost_of, weights_of
from benchmarks.same_work import STEPS, TOLERANCE, differences, three_steps
from tests.conftest import CHECKOUT

OTHERS = [engine for engine in ENGINES if engine is not OURS]
PLAIN = next(engine for engine in OTHERS if not engine.options and not engine.needs)


@pytest.mark.parametrize("engine", OTHERS, ids=lambda engine: engine.name)
def test_three_steps_leave_the_same_weights(engine: Engine) -> None:
    if not engine.is_installed:
        pytest.skip("not installed: pip install -r benchmarks/requirements.txt")
    found = differences([engine], three_steps((2, 1), 64, 200))
    assert found[engine.name] < TOLERANCE


def test_the_steps_move_the_weights_further_than_engines_may_differ() -> None:
    work = three_steps((2, 1), 64, 200)
    before = parameters_to_vector(work.student.parameters()).detach().numpy()
    assert abs(weights_of(OURS, work) - before).max() > 5 * TOLERANCE


def test_another_loss_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def hard_only(logits: torch.Tensor, _wanted: object, labels: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.cross_entropy(logits, labels)

    monkeypatch.setattr("benchmarks.engines.plain.kd_loss", hard_only)
    assert differences([PLAIN], three_steps((2, 1), 64, 200))[PLAIN.name] > TOLERANCE


def test_a_training_is_measured_with_its_steps() -> None:
    cost = cost_of(OURS, three_steps((2, 1), 64, 200))
    assert cost.steps == STEPS
    assert cost.cpu_s > 0


def test_an_engine_that_fails_is_named() -> None:
    broken = Engine("broken", "plain", {"unknown": True})
    with pytest.raises(RuntimeError, match="broken failed"):
        cost_of(broken, three_steps((1, 1), 64, 200))


def test_the_packages_of_the_engines_are_pinned() -> None:
    def pins(file: str) -> dict[str, str]:
        lines = Path(CHECKOUT, file).read_text(encoding="utf-8").splitlines()
        stated = [Requirement(line) for line in lines if not line.startswith("#")]
        return {one.name: str(one.specifier) for one in stated}

    found, constraints = pins("benchmarks/requirements.txt"), pins("constraints.txt")
    assert found.keys() == {package for engine in ENGINES for package in engine.needs}
    assert all(version.startswith("==") for version in found.values())
    assert all(constraints.get(name, version) == version for name, version in found.items())
