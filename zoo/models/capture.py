"""Capturing what a term reads: forward hooks on the parts that the anatomy names."""

import math
from collections.abc import Callable, Collection, Mapping
from contextlib import nullcontext, suppress
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle
from transformers import PreTrainedModel

from zoo.errors import Problem, TrainingError
from zoo.models.anatomy import anatomy_of, embeddings_of, encoder_of, layers_of
from zoo.models.spare import first_token_only
from zoo.models.tap import LAYERLESS, LOGITS, Site, Tap
from zoo.tensors.batch import Batch, Layout

Captured = Mapping[Tap, Tensor]

FROM_FIRST = frozenset({Layout.CLASSES, Layout.VALUE})
"""Layouts of logits that a head makes of the first token's state."""


class _EverythingReadError(Exception):
    """Ends a forward pass whose rest nobody reads."""


class Capture:
    """A model that also returns the activations at the wanted taps.

    Attention kernels do not matter: queries, keys and values are read where they are made, scores
    are computed from them, and the context is the output projection's input.
    """

    def __init__(self, model: PreTrainedModel, taps: Collection[Tap]) -> None:
        self.model = model
        self.taps = frozenset(taps)
        self._held: dict[Tap, Tensor] = {}
        self._base = encoder_of(model)
        self._reads_logits = LOGITS in self.taps
        self._handles: list[RemovableHandle] = []
        for tap in sorted(sources_of(self.taps) - {LOGITS}):
            self._handles.append(self._attach(tap))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Take the hooks off the model."""
        for handle in self._handles:
            handle.remove()

    def __call__(self, batch: Batch) -> Captured:
        """Run the model on a batch.

        Raises:
            TrainingError: a wanted tap stayed empty.
        """
        return read(self.taps, self.sources(batch), self.heads)

    @property
    def heads(self) -> int:
        """The model's attention heads, which queries, keys and values are cut into."""
        return int(self.model.config.num_attention_heads)

    def sources(self, batch: Batch) -> Captured:
        """Run the model on a batch: what the wanted taps are read from, states as (B, S, H).

        Raises:
            TrainingError: a wanted tap stayed empty.
        """
        self._held.clear()
        output = self._run(batch)
        sources = {tap: self._kept(tap) for tap in sources_of(self.taps) - {LOGITS}}
        if self._reads_logits:
            sources[LOGITS] = logits_of(output, batch.layout)
        self._held.clear()
        return sources

    def _run(self, batch: Batch) -> Any:
        """Run the model as far as anything is read; its output, where that is."""
        inputs = model_inputs(self.model, batch)
        if not self._reads_logits:
            # Without logits to read, the head is spared: over a vocabulary it is most of the work.
            with suppress(_EverythingReadError):
                self._base(**inputs)
            return None
        spares = reads_first(self.taps, batch.layout, len(layers_of(self.model)))
        with first_token_only(self.model) if spares else nullcontext():
            return self.model(**inputs)

    def _keep(self, tap: Tap, state: Tensor) -> None:
        self._held[tap] = state
        if not self._reads_logits and len(self._held) == len(self._handles):
            raise _EverythingReadError

    def _attach(self, tap: Tap) -> RemovableHandle:
        if tap.site is Site.EMBEDDINGS:
            return embeddings_of(self.model).register_forward_hook(self._keep_output(tap))
        (index,) = tap.layers
        layer, anatomy = layers_of(self.model)[index], anatomy_of(self.model)
        if tap.site is Site.CONTEXT:
            projection = layer.get_submodule(anatomy.attention_output)
            return projection.register_forward_pre_hook(self._keep_input(tap))
        names = {Site.QUERY: anatomy.query, Site.KEY: anatomy.key, Site.VALUE: anatomy.value}
        part = layer.get_submodule(names[tap.site]) if tap.site in names else layer
        return part.register_forward_hook(self._keep_output(tap))

    def _keep_output(self, tap: Tap) -> Callable[[nn.Module, Any, Any], None]:
        def keep(_module: nn.Module, _inputs: Any, output: Any) -> None:
            self._keep(tap, output[0] if isinstance(output, tuple) else output)

        return keep

    def _keep_input(self, tap: Tap) -> Callable[[nn.Module, Any], None]:
        def keep(_module: nn.Module, inputs: Any) -> None:
            self._keep(tap, inputs[0])

        return keep

    def _kept(self, tap: Tap) -> Tensor:
        held = self._held.get(tap)
        if held is None or held.numel() == 0:
            raise TrainingError(
                Problem(
                    f"tap {tap} of a {self.model.config.model_type}",
                    "nothing was captured; a loss on it would silently be zero",
                    remedy="check the family's row in zoo/models/anatomy.py",
                )
            )
        return held


def reads_first(taps: Collection[Tap], layout: Layout, layers: int) -> bool:
    """Whether the last layer's output is read at the first token alone, by a head."""
    tapped = any(tap.site not in LAYERLESS and layers - 1 in tap.layers for tap in taps)
    return LOGITS in taps and layout in FROM_FIRST and not tapped


def sources_of(taps: Collection[Tap]) -> set[Tap]:
    """The places in a model that taps are read from: scores are made of queries and keys."""
    sources: set[Tap] = set()
    for tap in (each for wanted in taps for each in wanted.each):
        if tap.site is Site.SCORES:
            sources |= {Tap(Site.QUERY, tap.layer), Tap(Site.KEY, tap.layer)}
        else:
            sources.add(tap)
    return sources


def read(taps: Collection[Tap], sources: Captured, heads: int) -> Captured:
    """The activations at `taps`, laid out as their sites say, from those at their sources."""
    return {tap: _read(tap, sources, heads) for tap in taps}


def _read(tap: Tap, sources: Captured, heads: int) -> Tensor:
    if tap.stacked:
        return torch.stack([_read(each, sources, heads) for each in tap.each], dim=1)
    if tap.site is Site.SCORES:
        query, key = (
            _in_heads(sources[Tap(site, tap.layer)], heads) for site in (Site.QUERY, Site.KEY)
        )
        return query @ key.mT / math.sqrt(query.shape[-1])
    if tap.site in (Site.QUERY, Site.KEY, Site.VALUE):
        return _in_heads(sources[tap], heads)
    return sources[tap]


def _in_heads(flat: Tensor, heads: int) -> Tensor:
    """(B, S, H) -> (B, A, S, D)."""
    return flat.reshape(*flat.shape[:-1], heads, -1).transpose(1, 2)


def last_states(model: PreTrainedModel) -> Tap:
    """The tap on what a model's head reads."""
    return Tap(Site.HIDDEN, len(layers_of(model)) - 1)


def word_logits(model: PreTrainedModel, states: Tensor) -> Tensor:
    """The logits over the vocabulary (..., V) that a masked language model makes of last states.

    `states` (..., H) may be those of any positions.
    """
    for name in anatomy_of(model).decoding:
        states = model.get_submodule(name)(states)
    return states


def model_inputs(model: PreTrainedModel, batch: Batch) -> dict[str, Tensor]:
    """What the model's forward takes of a batch."""
    inputs = {"input_ids": batch.input_ids, "attention_mask": batch.attention_mask}
    if anatomy_of(model).token_types and int(model.config.type_vocab_size) > 1:
        inputs["token_type_ids"] = batch.token_type_ids
    return inputs


def logits_of(output: Any, layout: Layout) -> Tensor:
    """The logits of a Hugging Face output in our layout; span is (B, S, 2)."""
    if layout is Layout.SPAN:
        return torch.stack([output.start_logits, output.end_logits], dim=-1)
    logits: Tensor = output.logits
    return logits
