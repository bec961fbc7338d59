"""Inputs of timed calls: random tokens, or texts tokenised as for the task."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Encoding, Tokenizer

from zoo.errors import MeasurementError, Problem, at
from zoo.json_files import read_json
from zoo.latency.report import InputShape, Replay, ReplayExample

Arrays = dict[str, NDArray[np.int64]]
"""One call's `input_ids`, `attention_mask` and `token_type_ids`, each (batch, length)."""

_POSITIONS_AFTER_PADDING = ("roberta", "xlm-roberta", "camembert")
_WARMUP_INPUTS = 5


def drawn_inputs(folder: Path, shape: InputShape, seed: int) -> Arrays:
    """Random tokens from the vocabulary of the checkpoint in `folder`, unpadded: (batch, length).

    The padding token is excluded, since RoBERTa counts positions by it. Equal seeds draw equal
    tokens from vocabularies of equal size.

    Raises:
        MeasurementError: the length exceeds the checkpoint's positions.
    """
    config = read_config(folder)
    require_length(folder, config, shape.length)
    size = (shape.batch, shape.length)
    vocabulary, padding = int(config["vocab_size"]), _padding(config)
    # Draw from one id fewer, and shift ids from the padding token on: uniform without it.
    pieces = np.random.default_rng(seed).integers(vocabulary - 1, size=size, dtype=np.int64)
    return {
        "input_ids": pieces + (pieces >= padding),
        "attention_mask": np.ones_like(pieces),
        "token_type_ids": np.zeros_like(pieces),
    }


class Tokeniser:
    """Tokenises examples as in training and scoring; only the first window of a long context.

    Raises:
        MeasurementError: no room for text next to the special tokens.
    """

    def __init__(self, folder: Path, replay: Replay) -> None:
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        self._replay = replay
        self._special = self._tokenizer.num_special_tokens_to_add(is_pair=True)
        asked = replay.max_query if replay.span else 0
        if replay.max_length <= self._special + asked:
            raise MeasurementError(
                Problem(
                    at(folder, key="max_length"),
                    f"{replay.max_length} tokens leave no room for text",
                    f"more than {self._special + asked}",
                    "raise the task's max_length or lower its max_query",
                )
            )
        if not replay.span:
            self._tokenizer.enable_truncation(replay.max_length, strategy="longest_first")

    def __call__(self, turn: int) -> Encoding:
        """Tokenise the current example, cycling through all of them."""
        example = self._replay.examples[turn % len(self._replay.examples)]
        if self._replay.span:
            return self._first_window(example)
        return self._tokenizer.encode(example.first, example.second)

    def inputs(self) -> list[Arrays]:
        """The model inputs for each example alone: (1, its length) each."""
        return [_arrays(self(turn)) for turn in range(len(self._replay.examples))]

    def _first_window(self, example: ReplayExample) -> Encoding:
        """[CLS] question [SEP] context [SEP], with context and long questions truncated."""
        question = self._tokenizer.encode(example.first, add_special_tokens=False)
        question.truncate(self._replay.max_query)
        context = self._tokenizer.encode(example.second or "", add_special_tokens=False)
        context.truncate(self._replay.max_length - self._special - len(question))
        return self._tokenizer.post_process(question, context)


def read_config(folder: Path) -> dict[str, Any]:
    """The configuration of a checkpoint, read without transformers.

    Raises:
        MeasurementError: it is unreadable, or lacks required keys.
    """
    path = folder / "config.json"
    config: dict[str, Any] = read_json(
        path, dict, remedy="take the config.json of a checkpoint", error=MeasurementError
    )
    sizes = ("vocab_size", "max_position_embeddings")
    lacking = [key for key in sizes if not isinstance(config.get(key), int)]
    if lacking:
        problems = [Problem(at(path, key=key), "missing", "an integer") for key in lacking]
        raise MeasurementError(*problems)
    return config


def require_length(folder: Path, config: dict[str, Any], length: int) -> None:
    """Check that a checkpoint has enough positions.

    Raises:
        MeasurementError: `length` exceeds the checkpoint's positions.
    """
    longest = int(config["max_position_embeddings"])
    if config.get("model_type") in _POSITIONS_AFTER_PADDING:
        # Their first position follows the padding token's id; those before it are unused.
        longest -= _padding(config) + 1
    if not 1 <= length <= longest:
        raise MeasurementError(
            Problem(
                at(folder, key="length"),
                f"{length} tokens",
                f"1 to {longest}, the number of positions of this checkpoint",
                "measure shorter inputs",
            )
        )


def lengths_of(inputs: Sequence[Arrays]) -> tuple[int, int, int]:
    """The shortest, the (lower) median and the longest, in tokens."""
    ordered = sorted(call["input_ids"].shape[1] for call in inputs)
    return ordered[0], ordered[(len(ordered) - 1) // 2], ordered[-1]


def warmup_turns(inputs: Sequence[Arrays]) -> tuple[int, ...]:
    """Warm-up inputs, evenly spaced from the shortest to the longest length."""
    order = sorted(range(len(inputs)), key=lambda turn: (inputs[turn]["input_ids"].shape[1], turn))
    count = min(_WARMUP_INPUTS, len(order))
    places = [round(step * (len(order) - 1) / max(1, count - 1)) for step in range(count)]
    return tuple(order[place] for place in places)


def _padding(config: dict[str, Any]) -> int:
    default = 1 if config.get("model_type") in _POSITIONS_AFTER_PADDING else 0
    found = config.get("pad_token_id")
    return default if found is None else int(found)


def _arrays(encoding: Encoding) -> Arrays:
    pieces = np.array([encoding.ids], dtype=np.int64)
    segments = np.array([encoding.type_ids], dtype=np.int64)
    return {
        "input_ids": pieces,
        "attention_mask": np.ones_like(pieces),
        "token_type_ids": segments,
    }
