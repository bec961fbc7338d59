"""Examples turned into token features: truncated texts, and sliding windows over contexts."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from transformers import PreTrainedTokenizerBase

from zoo.data.examples import SpanExample, TextExample
from zoo.data.pieces import UnknownPieces, located_pieces, piece_ids
from zoo.errors import DataError, Problem

BATCH_EXAMPLES = 1000

Offset = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Feature:
    """What a model reads of one example (all of a text, one window of a context), not padded.

    `example` is the index of the example. Of a window, `start` and `end` are the positions of the
    first answer's first and last token, (0, 0) where it is not wholly inside; `offsets` are the
    characters of the context that a token stands for (None for others), and `answerable` marks
    the context and [CLS], where a span may start or end. All are of the length of `input_ids`.
    """

    example: int
    input_ids: tuple[int, ...]
    token_type_ids: tuple[int, ...]
    start: int = 0
    end: int = 0
    offsets: tuple[Offset | None, ...] = ()
    answerable: tuple[bool, ...] = ()


def encode_texts(
    examples: Sequence[TextExample], tokenizer: PreTrainedTokenizerBase, max_length: int
) -> list[Feature]:
    """One feature per example, of at most `max_length` tokens; of a pair the longer is cut first.

    Raises:
        DataError: (nearly) all pieces are unknown, or the special tokens leave no room for text.
    """
    special = tokenizer.backend_tokenizer.num_special_tokens_to_add(is_pair=True)
    if max_length <= special:
        raise DataError(_too_short(max_length, special))
    features: list[Feature] = []
    pieces = UnknownPieces(tokenizer)
    known: dict[tuple[int, ...], tuple[int, ...]] = {}
    for begin in range(0, len(examples), BATCH_EXAMPLES):
        batch = examples[begin : begin + BATCH_EXAMPLES]
        backend = tokenizer.backend_tokenizer
        backend.enable_truncation(max_length, strategy="longest_first")
        backend.no_padding()
        encodings = backend.encode_batch([_inputs(example) for example in batch])
        pieces.add(encoding.ids for encoding in encodings)
        for row, encoding in enumerate(encodings):
            segments = tuple(encoding.type_ids)
            # Segment ids repeat by the thousand: one tuple for all that are equal.
            shared = known.setdefault(segments, segments)
            features.append(Feature(begin + row, tuple(encoding.ids), shared))
    return features


def encode_spans(
    examples: Sequence[SpanExample],
    tokenizer: PreTrainedTokenizerBase,
    max_length: int,
    stride: int,
    max_query: int,
) -> list[Feature]:
    """The windows of each example in order: [CLS] question [SEP] part of the context [SEP].

    Questions are cut to `max_query` tokens. As in BERT's published code, `stride` is the distance
    between the starts of two windows (transformers' own `stride` is their overlap instead).

    Raises:
        DataError: a question leaves no room for its context, or (nearly) all pieces are unknown.
    """
    frame = _frame_of(tokenizer)
    questions = piece_ids((example.question for example in examples), tokenizer)
    contexts = _contexts(examples, tokenizer)
    features: list[Feature] = []
    for index, (example, question) in enumerate(zip(examples, questions, strict=True)):
        asked = tuple(question[:max_query])
        room = max_length - frame.size - len(asked)
        if room < 1 or stride < 1:
            raise DataError(_no_room(example, len(asked), max_length, stride))
        context = contexts[example.context]
        answer = context.span(example)
        features += [
            frame.feature(index, asked, context.part(begin, begin + room), answer)
            for begin in context.starts(room, stride)
        ]
    return features


@dataclass(frozen=True, slots=True)
class _Context:
    """The pieces of a context, or of a part of it that begins at piece `begin`."""

    ids: tuple[int, ...]
    offsets: tuple[Offset, ...]
    begin: int = 0

    def part(self, begin: int, end: int) -> "_Context":
        """The pieces from `begin` to `end`."""
        return _Context(self.ids[begin:end], self.offsets[begin:end], begin)

    def starts(self, room: int, stride: int) -> Iterator[int]:
        """Where windows of `room` pieces begin so that every piece lies in one."""
        yield 0
        begin = 0
        while begin + room < len(self.ids):
            # A stride beyond the window would skip pieces, and answers with them.
            begin += min(stride, room)
            yield begin

    def span(self, example: SpanExample) -> Offset | None:
        """The first and last piece of the first answer; None where there is none."""
        if not example.answers:
            return None
        begin = example.starts[0]
        end = begin + len(example.answers[0])
        # Offsets rise, so both ends are found by bisection: the first piece that ends behind the
        # answer's first character, and the last that begins before its end.
        first = bisect_right(self.offsets, begin, key=lambda offset: offset[1])
        last = bisect_left(self.offsets, end, key=lambda offset: offset[0]) - 1
        return (first, last) if first <= last else None


@dataclass(frozen=True)
class _Frame:
    """The special tokens before, between and after a pair, and the five parts' segment ids."""

    before: tuple[int, ...]
    between: tuple[int, ...]
    after: tuple[int, ...]
    segments: tuple[int, int, int, int, int]

    @property
    def size(self) -> int:
        """The number of special tokens."""
        return len(self.before) + len(self.between) + len(self.after)

    def feature(
        self, example: int, question: tuple[int, ...], context: _Context, answer: Offset | None
    ) -> Feature:
        """The window of `context`, which may hold `answer` (pieces of the whole context)."""
        shift = len(self.before) + len(question) + len(self.between)
        start, end = answer or (-1, -1)
        inside = context.begin <= start and end < context.begin + len(context.ids)
        segments, answerable = _masks(self, len(question), len(context.ids))
        return Feature(
            example,
            (*self.before, *question, *self.between, *context.ids, *self.after),
            segments,
            start - context.begin + shift if inside else 0,
            end - context.begin + shift if inside else 0,
            (*(None,) * shift, *context.offsets, *(None,) * len(self.after)),
            answerable,
        )


@lru_cache(maxsize=1 << 15)
def _masks(frame: _Frame, question: int, context: int) -> tuple[tuple[int, ...], tuple[bool, ...]]:
    """Segment ids and answerable positions; cached since few pairs of lengths occur, but often."""
    lengths = (len(frame.before), question, len(frame.between), context, len(frame.after))
    parts = zip(frame.segments, lengths, strict=True)
    segments = tuple(segment for segment, length in parts for _ in range(length))
    others = (False,) * (sum(lengths[:3]) - 1)
    return segments, (True, *others, *(True,) * context, *(False,) * len(frame.after))


def _frame_of(tokenizer: PreTrainedTokenizerBase) -> _Frame:
    """The frame that this tokenizer puts around a pair, read off an example."""
    backend = tokenizer.backend_tokenizer
    backend.no_truncation()
    backend.no_padding()
    encoding = backend.encode("a", "a")
    sequence = encoding.sequence_ids
    question, context = sequence.index(0), sequence.index(1)
    between = question + sequence.count(0)
    after = context + sequence.count(1)
    types = encoding.type_ids
    return _Frame(
        tuple(encoding.ids[:question]),
        tuple(encoding.ids[between:context]),
        tuple(encoding.ids[after:]),
        (types[0], types[question], types[between], types[context], types[-1]),
    )


def _contexts(
    examples: Sequence[SpanExample], tokenizer: PreTrainedTokenizerBase
) -> dict[str, _Context]:
    """Each context once: SQuAD asks about five questions on one."""
    texts = list(dict.fromkeys(example.context for example in examples))
    return {
        text: _Context(tuple(encoding.ids), tuple(encoding.offsets))
        for text, encoding in zip(texts, located_pieces(texts, tokenizer), strict=True)
    }


def _inputs(example: TextExample) -> str | tuple[str, str]:
    return example.first if example.second is None else (example.first, example.second)


def _too_short(max_length: int, special: int) -> Problem:
    given = f"no text fits next to {special} special tokens"
    return Problem(f"max_length {max_length}", given, f"max_length > {special}", "increase it")


def _no_room(example: SpanExample, question: int, max_length: int, stride: int) -> Problem:
    return Problem(
        f"question {example.id}",
        f"{question} tokens plus special tokens leave no room in {max_length}, stride {stride}",
        "max_length > max_query + special tokens, stride >= 1",
        "increase max_length or reduce max_query",
    )
