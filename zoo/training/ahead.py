"""Batches for a GPU: padded, pinned and copied one step ahead, while the step before computes."""

from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from zoo.data.batches import Feed
from zoo.tensors.batch import Batch
from zoo.training.group import ProcessGroup


class Copied(NamedTuple):
    """A batch on the device, and when its copies will have arrived."""

    batch: Batch
    arrived: torch.cuda.Event


class Ahead:
    """The batches of a feed, on a CUDA device; the one after the one asked for is made meanwhile.

    They are the feed's own: what a training does depends on nothing here.
    """

    def __init__(self, feed: Feed, device: torch.device) -> None:
        self._feed, self._device = feed, device
        self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]  # torch does not annotate it
        # One thread: a feed is asked for one batch at a time.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="batches")
        self._next: tuple[int, Future[Copied]] | None = None

    @property
    def batches_per_epoch(self) -> int:
        """Steps of one pass over the data."""
        return self._feed.batches_per_epoch

    def batch(self, step: int) -> Batch:
        """The batch of a step, on the device."""
        if self._next is None or self._next[0] != step:
            self._next = step, self._thread.submit(self._copied, step)
        made = self._next[1]
        self._next = step + 1, self._thread.submit(self._copied, step + 1)
        batch, arrived = made.result()
        stream = torch.cuda.current_stream(self._device)
        stream.wait_event(arrived)
        return batch.each(partial(_read_by, stream))

    def _copied(self, step: int) -> Copied:
        pinned = self._feed.batch(step).each(lambda tensor: tensor.pin_memory())
        with torch.cuda.stream(self._stream):
            batch = pinned.each(lambda tensor: tensor.to(self._device, non_blocking=True))
            arrived = torch.cuda.Event()  # type: ignore[no-untyped-call]  # torch does not annotate it
            arrived.record(self._stream)
        return Copied(batch, arrived)


def _read_by(stream: torch.cuda.Stream, tensor: Tensor) -> Tensor:
    # Else its memory would go to the next copies while this stream still reads it.
    tensor.record_stream(stream)
    return tensor


def at_hand(feed: Feed, device: torch.device, group: ProcessGroup) -> Feed:
    """The feed as a device reads it fastest; its batches are the same.

    Several processes take their rows of a batch before it is copied.
    """
    return Ahead(feed, device) if device.type == "cuda" and group.size == 1 else feed
