"""The processes that train one model together, each on its own rows of every batch.

Every process holds the whole model, reads the same batches and takes its rows of them. Before the
gradient is clipped, gradients and losses are summed through `accelerate`, weighted by what each
loss is a mean over. From there on all do the same.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from zoo.distil.term import Term
from zoo.errors import Problem, TrainingError
from zoo.losses.counts import portion
from zoo.processes import process_count
from zoo.tensors.batch import Batch
from zoo.training.trainee import cut, rows_of

GRACE_SECONDS = 5.0
"""How long a process that lost the others waits to be ended: the one that failed says why."""

PATIENCE = timedelta(days=1)
"""How long the others wait for one that waits for a lock, or reads and tokenises the data."""

BUCKET = 8_000_000
"""Elements of gradients that are summed at once."""

TermLoss = Callable[[Term, Tensor, Tensor, Batch], Tensor]
"""(term, the student's place, teacher or labels, batch) -> scalar."""


def whole_loss(term: Term, place: Tensor, target: Tensor, batch: Batch) -> Tensor:
    """A term's loss on a batch that this process has all of; scalar."""
    return term.loss(place, target, batch)


@dataclass(frozen=True)
class ProcessGroup:
    """`size` processes, of which this is number `rank`; one alone has nothing to exchange."""

    rank: int = 0
    size: int = 1

    @contextmanager
    def in_turn(self) -> Iterator[None]:
        """Let the first process do the block before the others, which find what it wrote."""
        if self.rank > 0:
            self._wait()
        yield
        if self.rank == 0 and self.size > 1:
            self._wait()

    def seed(self, *place: int) -> None:
        """Draw from here on what this process draws at a place: seed, phase, step.

        One process alone draws on from where it stands. Of several, each has numbers of its own:
        they drop out other rows. No saved state has to hold them.
        """
        if self.size > 1:
            drawn = np.random.SeedSequence([*place, self.rank]).generate_state(1, np.uint64)
            torch.manual_seed(int(drawn[0]))

    def shares(self, batch: Batch, parts: int) -> Iterator["Share"]:
        """This process's share of a batch, in `parts` parts or fewer."""
        for part in cut(batch, parts):
            first, end = (
                len(part.input_ids) * rank // self.size for rank in (self.rank, self.rank + 1)
            )
            # A process without a row of a small part still takes part in every exchange.
            rows = slice(first, end) if first < end else slice(0, 1)
            own = rows_of(part, rows) if self.size > 1 else part
            yield Share(self, batch, part, own, end - first)

    def summed(self, values: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Each term over the whole batch, from what the processes found on their shares."""
        if self.size == 1:
            return dict(values)
        total = self.total(torch.stack([value.float() for value in values.values()]))
        return dict(zip(values, total, strict=True))

    def sum_gradients(self, optimiser: Optimizer) -> None:
        """Give every parameter the gradient of the whole batch, in all processes alike."""
        if self.size == 1:
            return
        parameters = [p for group in optimiser.param_groups for p in group["params"]]
        # What no process has a gradient of must not step, as with one process.
        given = torch.tensor([float(p.grad is not None) for p in parameters])
        held = self.total(given.to(parameters[0].device)).tolist()
        learning = [p for p, count in zip(parameters, held, strict=True) if count]
        for bucket in _buckets(learning):
            flat = torch.cat([_gradient(parameter).reshape(-1) for parameter in bucket])
            sums = torch.split(self.total(flat), [parameter.numel() for parameter in bucket])
            for parameter, total in zip(bucket, sums, strict=True):
                parameter.grad = total.reshape(parameter.shape)

    def agreed(self, number: int) -> int:
        """The largest number that a process says, so that all do the same at the same step."""
        if self.size == 1:
            return number
        said = torch.zeros(self.size)
        said[self.rank] = number
        return int(self.total(said.to(_device())).max())

    def total(self, values: Tensor) -> Tensor:
        """The sum over all processes, with the same bits in each."""
        from accelerate.utils import reduce  # noqa: PLC0415  (one process needs none of it)

        with _joined(self):
            total: Tensor = reduce(values, "sum")
        return total

    def gathered(self, rows: Tensor, counts: Iterable[int]) -> Tensor:
        """The rows of all processes, one after the other; the gradient reaches this one's."""
        from accelerate.utils import gather  # noqa: PLC0415

        counts = list(counts)
        longest = max(counts)
        own = rows[: counts[self.rank]]
        padded = rows.detach().new_zeros((longest, *rows.shape[1:]))
        padded[: len(own)] = own.detach()
        with _joined(self):
            parts = torch.split(gather(padded), longest)
        found = [part[:count] for part, count in zip(parts, counts, strict=True)]
        return torch.cat([*found[: self.rank], own, *found[self.rank + 1 :]])

    def _wait(self) -> None:
        from accelerate import PartialState  # noqa: PLC0415

        with _joined(self):
            PartialState().wait_for_everyone()


@dataclass(frozen=True)
class Share:
    """What one process computes at a time: `batch`, of which the first `rows` count.

    They are rows of a part of the whole batch that a step is about.
    """

    group: ProcessGroup
    whole: Batch
    part: Batch
    batch: Batch
    rows: int

    def loss(self, term: Term, place: Tensor, target: Tensor, batch: Batch) -> Tensor:
        """A term's loss on the share; on the whole part, where it compares samples."""
        if self.group.size == 1 or not term.over_samples:
            return term.loss(place, target, batch)
        part, count, size = self.part.to(place.device), len(self.part.input_ids), self.group.size
        counts = [count * (rank + 1) // size - count * rank // size for rank in range(size)]
        return term.loss(
            self.group.gathered(place, counts), self.group.gathered(target, counts), part
        )

    def weighted(self, terms: Iterable[Term], values: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The terms so that their sum over processes and parts is the loss of the whole batch."""
        if self.group.size == 1 and self.rows == len(self.whole.input_ids):
            return dict(values)
        return {term.name: self._weighted(term, values[term.name]) for term in terms}

    def _weighted(self, term: Term, value: Tensor) -> Tensor:
        if term.over_samples:
            # Every process has found all of it, but its gradient only reaches the process's rows.
            return value - value.detach() * (1.0 - 1.0 / self.group.size)
        if self.rows == 0:
            return value * 0.0
        return value * portion(term.loss, self.batch, self.whole).to(value.dtype)


def training_group(device: torch.device) -> ProcessGroup:
    """The processes that a launcher started to train together on devices of this kind.

    A launcher says so in the environment: `torchrun`, `accelerate launch`, or `in_group`.
    """
    if process_count() == 1:
        return ProcessGroup()
    from accelerate import PartialState  # noqa: PLC0415

    state = PartialState(cpu=device.type == "cpu", timeout=PATIENCE)
    return ProcessGroup(state.process_index, state.num_processes)


def _buckets(parameters: Sequence[nn.Parameter]) -> Iterator[list[nn.Parameter]]:
    """The parameters in order, about `BUCKET` elements at a time: a copy of all is not held."""
    bucket: list[nn.Parameter] = []
    for parameter in parameters:
        bucket.append(parameter)
        if sum(each.numel() for each in bucket) >= BUCKET:
            yield bucket
            bucket = []
    if bucket:
        yield bucket


def _gradient(parameter: nn.Parameter) -> Tensor:
    return torch.zeros_like(parameter) if parameter.grad is None else parameter.grad


def _device() -> torch.device:
    from accelerate import PartialState  # noqa: PLC0415

    device: torch.device = PartialState().device
    return device


@contextmanager
def _joined(group: ProcessGroup) -> Iterator[None]:
    """An exchange with the other processes.

    Raises:
        TrainingError: one of them has ended.
    """
    try:
        yield
    except RuntimeError as error:
        time.sleep(GRACE_SECONDS)
        raise TrainingError(
            Problem(
                f"process {group.rank + 1} of {group.size}",
                f"the others cannot be reached: {str(error).splitlines()[0]}",
                "processes that all run until the training ends",
                "see above why another one ended, and run the same command again",
            )
        ) from error
