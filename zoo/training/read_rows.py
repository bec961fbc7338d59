"""The word embedding of which a training reads few rows: only these are trained.

To a row without gradients AdamW does nothing but p <- (1 - rate * decay) p. Rows that no sequence
contains get that late, many steps while a block of them is in the cache: the same bits for a
hundredth of the memory traffic, and no gradient, norm or moments.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import AdamW
from transformers import PreTrainedModel

from zoo.data.batches import ClosedFeed, Feed
from zoo.resolve.plan import Phase

SPARED_NUMBERS = 1 << 19
"""What must be spared, or all rows are trained: it takes half a millisecond of a step."""
LATE_STEPS = 256
"""How far behind the rows that are not read may be."""
BLOCK_NUMBERS = 1 << 17
"""What decays together: 512 KiB, which caches hold."""
VECTOR_NUMBERS = 16
"""Of the widest vectors of a processor."""


class ReadRows(nn.Module):
    """Takes the place of an embedding: trains its rows `read` (U,), ascending, and no others.

    All rows stand in `table` (V, H), those that are read as they were.

    Raises:
        IndexError: forward was given a piece that is not read.
        ValueError: a state is loaded that trained other rows.
    """

    table: Tensor
    read: Tensor
    _places: Tensor

    def __init__(self, whole: nn.Embedding, read: Tensor) -> None:
        super().__init__()
        self.register_buffer("table", whole.weight.detach())
        self.register_buffer("read", read, persistent=False)
        # What is not read has a place that is none.
        places = torch.full((len(whole.weight),), len(read))
        places[read] = torch.arange(len(read))
        self.register_buffer("_places", places, persistent=False)
        self.weight = nn.Parameter(self.table[read])
        self._padding = whole.padding_idx
        # A row whose gradient is dropped; as one that is not read it has none anyway.
        padding = len(read) if self._padding is None else int(places[self._padding])
        self._padding_place = padding if padding < len(read) else None
        self._late: list[float] = []
        self.register_state_dict_pre_hook(_catch_up)  # type: ignore[no-untyped-call]  # torch does not annotate it

    def forward(self, pieces: Tensor) -> Tensor:
        """(B, S) -> (B, S, H)."""
        return functional.embedding(self._places[pieces], self.weight, self._padding_place)

    def follow(self, optimiser: AdamW) -> None:
        """Do to all other rows what each step of the optimiser would have done to them."""
        optimiser.register_step_post_hook(self._count)

    @torch.no_grad()
    def whole(self) -> nn.Embedding:
        """The plain embedding of all rows, as they stand now; shares memory with this one."""
        self.settle()
        self.table[self.read] = self.weight
        rows, width = self.table.shape
        return nn.Embedding(rows, width, self._padding, _weight=self.table)

    def get_extra_state(self) -> Tensor:
        """The rows that are read, for a saved state."""
        return self.read

    def set_extra_state(self, state: Tensor) -> None:
        """Refuse the weights of other rows."""
        if not torch.equal(state, self.read):
            raise ValueError("it trained other rows of the word embedding")

    def _count(self, optimiser: torch.optim.Optimizer, *_: Any) -> None:
        if self.weight.grad is None:
            return
        (group,) = (
            group
            for group in optimiser.param_groups
            if any(parameter is self.weight for parameter in group["params"])
        )
        self._late.append(1.0 - group["lr"] * group["weight_decay"])
        if len(self._late) == LATE_STEPS:
            self.settle()

    @torch.no_grad()
    def settle(self) -> None:
        """Let the rows that are late catch up."""
        for block in torch.split(self.table.view(-1), BLOCK_NUMBERS):
            for factor in self._late:
                block.mul_(factor)
        self._late.clear()


def _catch_up(layer: nn.Module, *_: Any) -> None:
    # What is saved must not be late: the steps behind are not part of it.
    assert isinstance(layer, ReadRows)
    layer.settle()


def carried(phases: Sequence[Phase]) -> Sequence[Phase]:
    """Those before the last of `phases` whose moments it carries on, and with them their rows."""
    fresh = [number for number, each in enumerate(phases) if each.stage.optimiser == "fresh"]
    return phases[max(fresh, default=0) : -1]


def read_pieces(feeds: Iterable[Feed]) -> Tensor | None:
    """The pieces in all batches of some feeds, ascending; None where one cannot tell."""
    read: set[int] = set()
    for feed in feeds:
        if not isinstance(feed, ClosedFeed):
            return None
        read |= feed.pieces()
    return torch.tensor(sorted(read))


def narrow(model: PreTrainedModel, read: Tensor | None, before: AdamW | None) -> None:
    """Leave only the rows `read` of the model's word embedding to train, if that spares enough.

    `before`, an optimiser whose moments are carried on, has those of these rows afterwards. Without
    effect where anything but a plain lookup reads the embedding, as a decoder that is tied to it.
    """
    words = model.get_input_embeddings()
    if read is None or not _is_plain(words) or _is_shared(model, words.weight):
        return
    # On a GPU moving all rows is hardly 1 % of a step, and AdamW rounds their decay otherwise.
    if not words.weight.requires_grad or words.weight.device.type != "cpu":
        return
    rows = _filled(read, len(words.weight))
    if words.weight.numel() - len(rows) * words.embedding_dim < SPARED_NUMBERS:
        return
    narrowed = ReadRows(words, rows)
    model.set_input_embeddings(narrowed)
    if before is not None and words.weight in before.state:
        state = before.state.pop(words.weight)
        before.state[narrowed.weight] = {
            key: value[rows] if value.ndim else value for key, value in state.items()
        }


def follow(model: PreTrainedModel, optimiser: AdamW) -> None:
    """Let the rows that are not read follow the optimiser of the others, if they are apart."""
    words = model.get_input_embeddings()
    if isinstance(words, ReadRows):
        words.follow(optimiser)


def widen(model: PreTrainedModel, carried_on: AdamW | None) -> None:
    """Undo `narrow`: the plain embedding again.

    `carried_on`, the optimiser if a stage goes on with its moments, has those of all rows
    afterwards. Nobody else reads them, and they take as much memory as the embedding twice.
    """
    words = model.get_input_embeddings()
    if not isinstance(words, ReadRows):
        return
    whole = words.whole()
    model.set_input_embeddings(whole)
    if carried_on is None:
        return
    state = carried_on.state.pop(words.weight, {})
    carried_on.state[whole.weight] = {
        key: torch.zeros_like(whole.weight).index_copy_(0, words.read, value)
        if value.ndim
        else value
        for key, value in state.items()
    }


def _is_plain(words: nn.Module) -> bool:
    return type(words) is nn.Embedding and not (
        words.max_norm or words.scale_grad_by_freq or words.sparse
    )


def _is_shared(model: PreTrainedModel, weight: nn.Parameter) -> bool:
    uses = (each is weight for _, each in model.named_parameters(remove_duplicate=False))
    return sum(uses) > 1


def _filled(read: Tensor, rows: int) -> Tensor:
    """The rows `read`, and as many others as fill whole vectors.

    Kernels round the numbers that fill none in another way.
    """
    others = torch.ones(rows, dtype=torch.bool)
    others[read] = False
    more = others.nonzero().flatten()[: -len(read) % VECTOR_NUMBERS]
    return torch.cat([read, more]).sort().values
