"""What models are called with: pieces drawn at random, or texts cut as the task cuts them."""

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
    """Pieces drawn from the vocabulary of the checkpoint in `folder`, all real: (batch, length).

    The padding piece is left out, since RoBERTa counts positions by it. Equal seeds draw equal
    pieces where vocabularies are equally large.

    Raises:
        MeasurementError: the length is beyond the checkpoint's positions.
    """
    config = read_config(folder)
    require_length(folder, config, shape.length)
    size = (shape.batch, shape.length)
    vocabulary, padding = int(config["vocab_size"]), _padding(config)
    # One number fewer is drawn, and those from the padding piece on move up: uniform without it.
    pieces = np.random.default_rng(seed).integers(vocabulary - 1, size=size, dtype=np.int64)
    return {
        "input_ids": pieces + (pieces >= padding),
        "attention_mask": np.ones_like(pieces),
        "token_type_ids": np.zeros_like(pieces),
    }


class Tokeniser:
    """Cuts examples into pieces as training and scoring do; of a long context the first window.

    Raises:
        MeasurementError: no text fits beside the special pieces.
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
                    f"{replay.max_length} pieces leave no room for text",
                    f"more than {self._special + asked}",
                    "raise the task's max_length or lower its max_query",
                )
            )
        if not replay.span:
            self._tokenizer.enable_truncation(replay.max_length, strategy="longest_first")

    def __call__(self, turn: int) -> Encoding:
        """The pieces of the example whose turn it is, each in turn and again from the first."""
        example = self._replay.examples[turn % len(self._replay.examples)]
        if self._replay.span:
            return self._first_window(example)
        return self._tokenizer.encode(example.first, example.second)

    def inputs(self) -> list[Arrays]:
        """What a model is called with for each example, alone: (1, its own length) each."""
        return [_arrays(self(turn)) for turn in range(len(self._replay.examples))]

    def _first_window(self, example: ReplayExample) -> Encoding:
        """[CLS] question [SEP] as much of the context as fits [SEP]; a long question is cut."""
        question = self._tokenizer.encode(example.first, add_special_tokens=False)
        question.truncate(self._replay.max_query)
        context = self._tokenizer.encode(example.second or "", add_special_tokens=False)
        context.truncate(self._replay.max_length - self._special - len(question))
        return self._tokenizer.post_process(question, context)


def read_config(folder: Path) -> dict[str, Any]:
    """The configuration of a checkpoint, without the library that wrote it.

    Raises:
        MeasurementError: it is unreadable, or lacks what inputs are made by.
    """
    path = folder / "config.json"
    config: dict[str, Any] = read_json(
        path, dict, remedy="take the config.json of a checkpoint", error=MeasurementError
    )
    sizes = ("vocab_size", "max_position_embeddings")
    lacking = [key for key in sizes if not isinstance(config.get(key), int)]
    if lacking:
        problems = [Problem(at(path, key=key), "is missing", "a whole number") for key in lacking]
        raise MeasurementError(*problems)
    return config


def require_length(folder: Path, config: dict[str, Any], length: int) -> None:
    """Raise where a checkpoint has too few positions.

    Raises:
        MeasurementError: `length` is beyond the checkpoint's positions.
    """
    longest = int(config["max_position_embeddings"])
    if config.get("model_type") in _POSITIONS_AFTER_PADDING:
        # Their first position stands behind the padding piece's number; those before it are lost.
        longest -= _padding(config) + 1
    if not 1 <= length <= longest:
        raise MeasurementError(
            Problem(
                at(folder, key="length"),
                f"{length} pieces",
                f"1 to {longest}, the positions of this checkpoint",
                "measure shorter inputs",
            )
        )


def lengths_of(inputs: Sequence[Arrays]) -> tuple[int, int, int]:
    """The shortest, the median (of an even number the lower) and the longest, in pieces."""
    ordered = sorted(call["input_ids"].shape[1] for call in inputs)
    return ordered[0], ordered[(len(ordered) - 1) // 2], ordered[-1]


def warmup_turns(inputs: Sequence[Arrays]) -> tuple[int, ...]:
    """Inputs to warm up with, evenly from the shortest to the longest: no length comes as new."""
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
