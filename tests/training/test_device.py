"""The device is the machine's business, and a wrong name is told."""

import pytest
import torch

from zoo.errors import UsageError
from zoo.training.device import device_name, training_device


def test_the_named_device_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """ZOO_DEVICE decides; without it CUDA where there is some, else the CPU."""
    monkeypatch.setenv("ZOO_DEVICE", "cpu")
    assert device_name(training_device()) == "cpu"
    monkeypatch.delenv("ZOO_DEVICE")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert training_device() == torch.device("cpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert training_device() == torch.device("cuda")


@pytest.mark.parametrize(
    ("named", "expected"),
    [
        (
            "gpu 1",
            "ZOO_DEVICE: 'gpu 1' is no device\n  allowed: cpu, cuda, cuda:<number>",
        ),
        (
            "cuda",
            "ZOO_DEVICE: there is no CUDA device here\n  allowed: cpu\n  do: unset ZOO_DEVICE",
        ),
    ],
)
def test_a_device_that_is_not_there(
    named: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No quiet fallback to the CPU."""
    monkeypatch.setenv("ZOO_DEVICE", named)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UsageError) as raised:
        training_device()
    assert str(raised.value) == expected
