"""Tokenizers for teachers that are pretrained here."""

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
from transformers import BertTokenizer, PreTrainedTokenizerBase

from zoo.data.reading import refuse, text_lines
from zoo.errors import DataError, Problem, at
from zoo.files import MISSING, unreadable
from zoo.paths import data_folder
from zoo.spec.teacher import Vocabulary
from zoo.training.brought import LOST_SHARE

_BLANKS = " \t"
"""Others, as U+2028, are pieces of published vocabularies."""
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def make_tokenizer(
    vocabulary: Vocabulary, size: int, documents: Iterable[str], max_length: int
) -> PreTrainedTokenizerBase:
    """A lower-case BERT tokenizer of at most `size` tokens.

    Raises:
        DataError: the vocabulary file is missing, too large, no UTF-8, cased, lacks a special
            piece, or has lines that are no piece or one piece twice.
    """
    if vocabulary.kind == "file":
        pieces = _from_file(str(vocabulary.path), size)
    elif vocabulary.kind == "words":
        pieces = _whole_words(documents, size)
    else:
        pieces = _trained(documents, size)
    return BertTokenizer(
        vocab={piece: index for index, piece in enumerate(pieces)}, model_max_length=max_length
    )


def vocabulary_file(path: str) -> Path:
    """A vocab.txt below `$ZOO_DATA`.

    Raises:
        DataError: it is not there.
    """
    folder = data_folder()
    file = (folder or Path()) / path
    given = unreadable(file)
    if folder is None or given:
        told = "vocabulary not found" if folder is None or given == MISSING else given
        raise DataError(Problem(str(file), told, "a vocab.txt below $ZOO_DATA"))
    return file


def _from_file(path: str, size: int) -> list[str]:
    """One piece a line; a line's number is the piece's, so that none is skipped or cut."""
    file = vocabulary_file(path)
    problems: list[Problem] = []
    first: dict[str, int] = {}
    pieces = list(text_lines(file, problems, blank=True))
    for line, piece in pieces:
        problems += _line_problems(at(file, line), piece, first.setdefault(piece, line), line)
    problems += _vocabulary_problems(file, list(first), size)
    refuse(problems, str(file))
    return list(first)


def _line_problems(where: str, piece: str, first: int, line: int) -> Iterator[Problem]:
    if not piece:
        yield Problem(where, "is blank", "one token per line", "remove this line")
    elif piece.strip(_BLANKS) != piece:
        yield Problem(
            where, f"{piece!r} has surrounding spaces", "one token per line", "remove them"
        )
    elif first != line:
        given = f"{piece!r} appears in line {first} too"
        yield Problem(where, given, "each token once", "remove one of them")


def _vocabulary_problems(file: Path, pieces: list[str], size: int) -> Iterator[Problem]:
    missing = [piece for piece in SPECIAL if piece not in pieces]
    if missing or len(pieces) > size:
        given = f"lacks {', '.join(missing)}" if missing else f"contains {len(pieces)} tokens"
        yield Problem(str(file), given, f"at most {size} tokens with all of {SPECIAL}")
    lost = [piece for piece in pieces if piece not in SPECIAL and piece.lower() != piece]
    if len(lost) > LOST_SHARE * len(pieces):
        yield Problem(
            str(file),
            f"{len(lost)} of {len(pieces)} tokens have capitals, such as {lost[0]!r}, and can never"
            " occur: teachers pretrained here lower-case all text",
            "an uncased vocabulary",
            "use another file, or kind: wordpiece",
        )


def _whole_words(documents: Iterable[str], size: int) -> list[str]:
    """Special pieces, every character (alone and inside a word), then the most frequent words."""
    counts = _word_counts(documents)
    characters = sorted({character for word in counts for character in word})
    pieces = [*SPECIAL, *characters, *(f"##{character}" for character in characters)]
    ranked = sorted(counts, key=lambda word: (-counts[word], word))
    known = set(pieces)
    pieces += [word for word in ranked if word not in known]
    return pieces[:size]


def _trained(documents: Iterable[str], size: int) -> list[str]:
    """WordPiece, with the pieces of one character numbered by us.

    The trainer numbers those inside words in the order of a random hash and breaks ties by number:
    left to itself it makes another vocabulary in every process.
    """
    counts = _word_counts(documents)
    inside = sorted({f"##{character}" for word in counts for character in word[1:]})
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))  # noqa: S106
    tokenizer.normalizer = _normalizer()
    tokenizer.pre_tokenizer = _pre_tokenizer()
    trainer = trainers.WordPieceTrainer(
        vocab_size=size, special_tokens=[*SPECIAL, *inside], show_progress=False
    )
    tokenizer.train_from_iterator((f"{word} " * counts[word] for word in sorted(counts)), trainer)
    vocabulary = tokenizer.get_vocab()
    return sorted(vocabulary, key=lambda piece: vocabulary[piece])


def _word_counts(documents: Iterable[str]) -> Counter[str]:
    split, normalise = _pre_tokenizer(), _normalizer()
    counts: Counter[str] = Counter()
    for document in documents:
        words = split.pre_tokenize_str(normalise.normalize_str(document))
        counts.update(word for word, _ in words)
    return counts


def _normalizer() -> normalizers.BertNormalizer:
    return normalizers.BertNormalizer(lowercase=True)


def _pre_tokenizer() -> pre_tokenizers.BertPreTokenizer:
    return pre_tokenizers.BertPreTokenizer()
