"""The device is the machine's business, and a wrong name is told."""

import pytest
import torch

from zoo.errors import UsageError
from zoo.processes import leads
from zoo.training.device import (
    device_name,
    peak_memory_bytes,
    random_states,
    restore_random_states,
    share_threads,
    training_device,
)

CUDA_1 = torch.ones(16, dtype=torch.uint8)
"""Stands for the state of a GPU's generator."""


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
            "ZOO_DEVICE: 'gpu 1' is not a device\n  allowed: cpu, cuda, cuda:<number>",
        ),
        *(
            (named, f"ZOO_DEVICE: {named!r} is not a device\n  allowed: cpu, cuda, cuda:<number>")
            for named in ("CPU", "meta", "cuda:-1", "cuda:1_0", "cpu:3", "mps")
        ),
        (
            "cuda",
            "ZOO_DEVICE: no CUDA device available\n  allowed: cpu\n  fix: unset ZOO_DEVICE",
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


def test_a_card_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """Told with those that are, before anything is moved to it."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setenv("ZOO_DEVICE", " cuda:1 ")
    assert training_device() == torch.device("cuda:1")
    monkeypatch.setenv("ZOO_DEVICE", "cuda:2")
    with pytest.raises(UsageError) as raised:
        training_device()
    assert (
        str(raised.value) == "ZOO_DEVICE: cuda:2 is not available\n  allowed: cpu, cuda:0, cuda:1"
    )


def test_peak_memory_grows_with_what_is_held() -> None:
    """A tensor of 64 MB that lives once is part of the peak from then on."""
    before = peak_memory_bytes(torch.device("cpu"))
    held = torch.ones(max(64 << 20, before) // 4)
    assert held.sum() > 0
    assert peak_memory_bytes(torch.device("cpu")) >= max(before, held.numel() * 4)


def test_peak_memory_on_a_gpu_is_the_most_that_was_held(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not what is left when the record is written."""
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda _: 900)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda _: 100)
    assert peak_memory_bytes(torch.device("cuda")) == 900


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device available")
def test_peak_memory_on_a_gpu_is_that_of_its_tensors() -> None:
    device = torch.device("cuda")
    torch.cuda.reset_peak_memory_stats(device)
    held = torch.ones(16 << 20, device=device)
    assert peak_memory_bytes(device) >= held.numel() * 4


def test_random_numbers_go_on_where_they_stood() -> None:
    """On the CPU; what another machine's GPU had drawn from is passed over."""
    device = torch.device("cpu")
    states = random_states(device)
    expected = torch.rand(3)
    restore_random_states(states | {"cuda": torch.zeros(16, dtype=torch.uint8)}, device)
    assert torch.equal(torch.rand(3), expected)


def test_only_the_gpu_in_use_is_asked_for_its_random_state(monkeypatch: pytest.MonkeyPatch) -> None:
    """Others belong to someone else; and a state goes on on the GPU that is in use then."""
    asked: list[object] = []
    monkeypatch.setattr(torch.cuda, "get_rng_state", lambda device: asked.append(device) or CUDA_1)
    monkeypatch.setattr(torch.cuda, "set_rng_state", lambda *given: asked.append(given))
    states = random_states(torch.device("cuda:1"))
    restore_random_states(states, torch.device("cuda:0"))
    assert states["cuda"] is CUDA_1
    assert asked == [torch.device("cuda:1"), (CUDA_1, torch.device("cuda:0"))]


def test_each_process_of_a_launcher_has_its_own_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """By its number on this machine, unless one is named; and only the first one writes."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    monkeypatch.setenv("LOCAL_RANK", "3")
    assert training_device() == torch.device("cuda:3")
    monkeypatch.setenv("ZOO_DEVICE", "cuda:2")
    assert training_device() == torch.device("cuda:2")
    monkeypatch.setenv("ZOO_DEVICE", "cpu")
    assert training_device() == torch.device("cpu")
    assert leads()
    monkeypatch.setenv("RANK", "3")
    assert not leads()


def test_processes_that_train_together_train_nothing_beside(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """However narrow the model: all train the same run."""
    monkeypatch.setattr(torch, "get_num_threads", lambda: 4)
    monkeypatch.setattr(torch, "set_num_threads", lambda _: None)
    monkeypatch.setenv("ZOO_DEVICE", "cpu")
    assert share_threads(32) == 4
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert share_threads(32) == 1
