"""The words that a masked language model would put in the place of a word."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from zoo.data.pieces import special_id
from zoo.errors import DataError, Problem
from zoo.models.anatomy import encoder_of
from zoo.models.capture import model_inputs, word_logits
from zoo.tensors.batch import Batch, Layout

WORD = re.compile(r"[^\W_]*[^\W\d_][^\W_]*")
"""A word: letters and digits with a letter among them; numbers and punctuation are none."""

BATCH_TOKENS = 2048
"""Tokens that are read together; more are slower on a CPU."""

_BEFORE = "a"
"""What stands before a word to see which pieces it has within a text."""


@dataclass(frozen=True, slots=True)
class PieceInText:
    """A piece of a text: all its pieces, without special ones, and which of them it is."""

    ids: tuple[int, ...]
    position: int


class MaskedWords:
    """A masked language model and its tokenizer, asked for whole words.

    A text is read as `[CLS] text [SEP]`, as far as it goes into `length` pieces.

    Raises:
        DataError: no piece of the tokenizer is a word of its own.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        length: int,
        batch_tokens: int = BATCH_TOKENS,
    ) -> None:
        self.tokenizer = tokenizer
        self.room = length - 2
        self._model = model.eval()
        self._batch_tokens = batch_tokens
        self._words = whole_words(tokenizer)
        self._allowed = torch.tensor(sorted(self._words), device=model.device)

    def candidates(self, places: Sequence[PieceInText], count: int) -> list[tuple[str, ...]]:
        """For each of P places the `count` likeliest words, in the order of their pieces.

        One forward pass reads a place: its text with that piece masked and no other. Special
        pieces, punctuation and pieces inside words are passed over, and the word itself may be
        among its candidates (choices).
        """
        found: list[tuple[str, ...]] = [()] * len(places)
        count = min(count, len(self._words))
        for rows in self._batches(places):
            logits = self._logits([places[row] for row in rows])
            best = logits[:, self._allowed].topk(count).indices
            for row, pieces in zip(rows, self._allowed[best].sort().values.tolist(), strict=True):
                found[row] = tuple(self._words[piece] for piece in pieces)
        return found

    def _batches(self, places: Sequence[PieceInText]) -> Iterator[list[int]]:
        """Numbers of places, texts of about the same length together."""
        # Longest first: a batch holds what fits of its longest text, and memory runs out at once.
        order = sorted(range(len(places)), key=lambda row: -len(places[row].ids))
        while order:
            longest = min(len(places[order[0]].ids), self.room) + 2
            size = max(1, self._batch_tokens // longest)
            yield order[:size]
            order = order[size:]

    @torch.inference_mode()
    def _logits(self, places: Sequence[PieceInText]) -> Tensor:
        """(B, V) logits at the masked pieces: the head reads no other position."""
        batch = self._masked(places)
        rows = torch.arange(len(places), device=self._model.device)
        positions = torch.tensor([place.position + 1 for place in places], device=rows.device)
        states = encoder_of(self._model)(**model_inputs(self._model, batch)).last_hidden_state
        return word_logits(self._model, states[rows, positions].unsqueeze(1))[:, 0].float()

    def _masked(self, places: Sequence[PieceInText]) -> Batch:
        tokenizer = self.tokenizer
        texts = [place.ids[: self.room] for place in places]
        shape = (len(texts), max(map(len, texts)) + 2)
        input_ids = torch.full(shape, int(tokenizer.pad_token_id))
        attention_mask = torch.zeros(shape, dtype=torch.long)
        for row, (place, text) in enumerate(zip(places, texts, strict=True)):
            framed = [tokenizer.cls_token_id, *text, tokenizer.sep_token_id]
            framed[place.position + 1] = special_id(tokenizer, "mask_token")
            input_ids[row, : len(framed)] = torch.tensor(framed)
            attention_mask[row, : len(framed)] = 1
        segments = torch.zeros_like(input_ids)
        batch = Batch(Layout.TOKENS, input_ids, attention_mask, segments, segments)
        return batch.to(self._model.device)


def whole_words(tokenizer: PreTrainedTokenizerBase) -> dict[int, str]:
    """The pieces that are words, by number: whose text, within other text, is that piece again.

    Raises:
        DataError: there are none.
    """
    special = set(tokenizer.all_special_ids)
    texts = {
        number: text
        for piece, number in sorted(tokenizer.get_vocab().items(), key=lambda pair: pair[1])
        if number not in special
        and WORD.fullmatch(text := tokenizer.convert_tokens_to_string([piece]).strip())
    }
    backend = tokenizer.backend_tokenizer
    backend.no_truncation()
    backend.no_padding()
    before, *encodings = backend.encode_batch(
        [_BEFORE, *(f"{_BEFORE} {text}" for text in texts.values())], add_special_tokens=False
    )
    words = {
        number: text
        for (number, text), encoding in zip(texts.items(), encodings, strict=True)
        if encoding.ids == [*before.ids, number]
    }
    if not words:
        raise DataError(
            Problem(
                f"tokenizer {tokenizer.name_or_path or 'without a name'} "
                f"of {len(tokenizer)} tokens",
                "none of its tokens is a whole word",
                "a tokenizer with whole words in its vocabulary",
            )
        )
    return words
