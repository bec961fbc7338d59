"""Batches are made one step ahead, and are the feed's own."""

from dataclasses import dataclass, field

import pytest
import torch

from tests import tiny
from zoo.data.batches import TaskFeed
from zoo.tensors.batch import Batch
from zoo.training import ahead
from zoo.training.ahead import Ahead, Copied, at_hand
from zoo.training.group import ProcessGroup

CPU = torch.device("cpu")


class NoStream:
    """Stands for a stream and an event where there is no GPU."""

    def __init__(self, _device: torch.device | None = None) -> None:
        pass

    def wait_event(self, _event: object) -> None:
        """Nothing is pending."""


@dataclass
class Asked:
    """A feed that notes what it is asked for."""

    feed: TaskFeed
    steps: list[int] = field(default_factory=list)

    @property
    def batches_per_epoch(self) -> int:
        return self.feed.batches_per_epoch

    def batch(self, step: int) -> Batch:
        self.steps.append(step)
        return self.feed.batch(step)


@pytest.fixture
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """What only a GPU has is left out."""
    monkeypatch.setattr(torch.cuda, "Stream", NoStream)
    monkeypatch.setattr(torch.cuda, "current_stream", NoStream)
    monkeypatch.setattr(
        Ahead, "_copied", lambda self, step: Copied(self._feed.batch(step), NoStream())
    )
    monkeypatch.setattr(ahead, "_read_by", lambda _stream, tensor: tensor)


@pytest.mark.usefixtures("no_gpu")
def test_the_next_batch_is_made_meanwhile() -> None:
    """Each once while steps follow each other; another step is made when it is asked for."""
    asked, plain = (Asked(TaskFeed(tiny.encoded("span"), 7, 0)) for _ in range(2))
    feed = Ahead(asked, CPU)
    assert feed.batches_per_epoch == plain.batches_per_epoch
    for step in (3, 4, 5, 0):
        ours, theirs = feed.batch(step), plain.batch(step)
        assert ours.rows == theirs.rows
        assert torch.equal(ours.input_ids, theirs.input_ids)
        assert ours.answerable is not None
    feed._thread.shutdown()
    assert asked.steps == [3, 4, 5, 6, 0, 1]


def test_only_one_process_on_a_gpu_reads_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "Stream", NoStream)
    feed = TaskFeed(tiny.encoded("span"), 7, 0)
    assert at_hand(feed, CPU, ProcessGroup()) is feed
    assert at_hand(feed, torch.device("cuda"), ProcessGroup(size=2)) is feed
    assert isinstance(at_hand(feed, torch.device("cuda"), ProcessGroup()), Ahead)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device available")
def test_batches_arrive_whole_on_a_gpu() -> None:
    """Also where the GPU is busy and the next copy is under way."""
    device = torch.device("cuda")
    plain = TaskFeed(tiny.encoded("span"), 7, 0)
    feed = Ahead(plain, device)
    for step in range(20):
        busy = torch.randn(2000, 2000, device=device)
        busy = busy @ busy
        batch, expected = feed.batch(step), plain.batch(step)
        assert batch.input_ids.device.type == "cuda"
        for name in ("input_ids", "attention_mask", "token_type_ids", "labels", "answerable"):
            assert torch.equal(getattr(batch, name).cpu(), getattr(expected, name)), name
