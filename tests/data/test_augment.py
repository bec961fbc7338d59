"""Copies of examples are those of algorithm 1, drawn from the right words, and reproducible."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import BertTokenizer, PreTrainedModel, PreTrainedTokenizerFast

from tests import tiny
from zoo.data import augment as augment_module
from zoo.data import pocket
from zoo.data.augment import augmented, augmented_size
from zoo.data.examples import Split, TextExample
from zoo.data.masked_words import MaskedWords, whole_words
from zoo.data.word_vectors import WordVectors
from zoo.errors import DataError
from zoo.spec.augment import Augment

FAMILY_SHAPES = [
    tiny.STUDENT.model_copy(
        update={"family": family, "token_types": 2 if family in ("bert", "electra") else 1}
    )
    for family in tiny.FAMILIES
]
ODD = "doctorx"
"""No piece of the tokenizer: it is cut into letters."""


def masked(
    model: PreTrainedModel | None = None, length: int = 48, batch_tokens: int = 2048
) -> MaskedWords:
    return MaskedWords(model or tiny.model(), tiny.tokenizer(), length, batch_tokens)


def split(*texts: str | tuple[str, str]) -> Split:
    """Examples of the texts, labelled by their number."""
    pairs = [(text, None) if isinstance(text, str) else text for text in texts]
    return Split(
        "train",
        tuple(
            TextExample(f"e{index}", first, second, index)
            for index, (first, second) in enumerate(pairs)
        ),
    )


def texts(made: Split) -> list[tuple[str, str | None]]:
    return [(e.first, e.second) for e in made.examples if isinstance(e, TextExample)]


def vectors(folder: Path, text: str) -> WordVectors:
    (folder / "vectors.txt").write_text(text, encoding="utf-8")
    return WordVectors.read(folder / "vectors.txt")


def looped(examples: Split, augment: Augment, model: PreTrainedModel) -> list[tuple[str, ...]]:
    """Algorithm 1 word by word, for texts whose words and marks stand between blanks."""
    copies = []
    candidates = {
        text: [candidates_of(text.split(" "), index, augment, model) for index in range(size)]
        for example in examples.examples
        if isinstance(example, TextExample)
        for text in (example.first, example.second or example.first)
        for size in [len(text.split(" "))]
    }
    draws = [np.random.default_rng((augment.seed, index)) for index in range(len(candidates))]
    for _ in range(augment.copies):
        for index, example in enumerate(examples.examples):
            assert isinstance(example, TextExample)
            made = []
            for text in (example.first, example.second):
                words = [] if text is None else text.split(" ")
                for place in range(len(words)):
                    if candidates[text][place]:
                        chance, choice = draws[index].random(2)
                        if chance < augment.probability:
                            some = candidates[text][place]
                            words[place] = some[int(choice * len(some))]
                made.append(" ".join(words) if words else None)
            copies.append(tuple(made))
    return copies


@torch.no_grad()
def candidates_of(
    words: list[str], place: int, augment: Augment, model: PreTrainedModel
) -> list[str]:
    """The likeliest words at a place, of all logits of one sentence, in the pieces' order."""
    tokenizer = tiny.tokenizer()
    if not words[place].isalpha() or len(tokenizer.tokenize(words[place])) > 1:
        return []
    hidden = " ".join([*words[:place], "[MASK]", *words[place + 1 :]])
    inputs = tokenizer(hidden, return_tensors="pt", return_token_type_ids=False)
    position = inputs["input_ids"][0].tolist().index(tokenizer.mask_token_id)
    logits = model.eval()(**inputs).logits[0, position, : len(tokenizer)]
    ranked = tokenizer.convert_ids_to_tokens(logits.argsort(descending=True).tolist())
    best = [piece for piece in ranked if piece.isalpha()][: augment.candidates]
    return sorted(best, key=tokenizer.convert_tokens_to_ids)


@pytest.mark.parametrize("shape", FAMILY_SHAPES, ids=tiny.FAMILIES)
@pytest.mark.parametrize("task", ["sentiment", "inference"])
def test_copies_are_those_of_the_loop_version(task: str, shape: tiny.Shape) -> None:
    """Batches, and a head that reads one position only, change nothing: in any family."""
    examples = pocket.split(task, "train", 7, 0)
    augment = Augment(copies=3, candidates=6, seed=4)
    model = tiny.model(shape)
    made = augmented(examples, augment, masked(model))
    assert texts(made)[:7] == texts(examples)
    assert texts(made)[7:] == looped(examples, augment, model)


@pytest.mark.parametrize(("most", "total"), [(None, 20), (5, 5), (3, 3), (12, 12), (99, 20)])
def test_originals_come_first_then_a_copy_of_each(most: int | None, total: int) -> None:
    """Count, order, ids and labels; `most` takes the first of them."""
    examples = pocket.split("similarity", "train", 5, 0)
    made = augmented(examples, Augment(copies=3, most=most), masked())
    assert len(made.examples) == total == augmented_size(5, Augment(copies=3, most=most))
    assert made.examples[:5] == examples.examples[:total]
    copies = made.examples[5:]
    names = [f"{e.id}+{number}" for number in (1, 2, 3) for e in examples.examples]
    assert [copy.id for copy in copies] == names[: len(copies)]
    labels = [example.label for example in examples.examples] * 4
    assert [example.label for example in made.examples] == labels[:total]
    whole = augmented(examples, Augment(copies=3), masked())
    assert made.examples == whole.examples[:total]


def test_probability_0_gives_identical_copies_and_1_replaces_every_word() -> None:
    """Also what stands between the words is kept as it was, blanks and marks and numbers."""
    odd = split(("The  doctor,\tis (not) 42\n", "the hen_is 'rich'!"), "...")
    same = augmented(odd, Augment(copies=2, probability=0), masked())
    assert texts(same) == texts(odd) * 3
    favourite = biased({"boy": 500.0})
    made = augmented(odd, Augment(copies=2, probability=1, candidates=1), masked(favourite))
    changed = ("boy  boy,\tboy (boy) 42\n", "boy boy_boy 'boy'!")
    assert texts(made)[2:] == [changed, ("...", None)] * 2


@pytest.mark.parametrize("batch_tokens", [1, 40, 100_000])
def test_batches_do_not_matter(batch_tokens: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many texts are read together, and examples taken together, the copies are equal."""
    examples = pocket.split("paraphrase", "train", 9, 0)
    first = augmented(examples, Augment(copies=2), masked())
    monkeypatch.setattr(augment_module, "_AT_ONCE", 4)
    assert augmented(examples, Augment(copies=2), masked(batch_tokens=batch_tokens)) == first


def test_copies_depend_on_the_seed_and_nothing_after_them() -> None:
    """More copies begin with the same; another seed gives others; no two rounds are alike."""
    examples = pocket.split("sentiment", "train", 6, 0)
    few = augmented(examples, Augment(copies=2), masked())
    more = augmented(examples, Augment(copies=4), masked())
    assert more.examples[: len(few.examples)] == few.examples
    rounds = [texts(more)[begin : begin + 6] for begin in range(0, 30, 6)]
    assert all(one != other for one, other in pairwise(rounds))
    assert augmented(examples, Augment(copies=2, seed=1), masked()) != few


def test_words_are_replaced_as_often_as_said_and_candidates_drawn_alike() -> None:
    """In 4,000 copies of four words: 0.4 of the places, each of five candidates a fifth of them."""
    wanted = ("boy", "hen", "dog", "song", "hotel")
    model = biased(dict.fromkeys(wanted, 500.0))
    examples = split("the room is nasty")
    made = augmented(examples, Augment.model_construct(copies=4000, candidates=5), masked(model))
    drawn = [word for first, _ in texts(made)[1:] for word in first.split() if word in wanted]
    assert len(drawn) / 16_000 == pytest.approx(0.4, abs=0.02)
    for word in wanted:
        assert drawn.count(word) / len(drawn) == pytest.approx(0.2, abs=0.02)


def test_special_pieces_continuations_and_marks_are_never_drawn() -> None:
    """Not even where the model finds them likeliest."""
    vocabulary = tiny.tokenizer().get_vocab()
    unwanted = [piece for piece in vocabulary if not piece.isalpha()]
    assert {"[MASK]", "[PAD]", "##a", "."} <= set(unwanted)
    model = biased(dict.fromkeys(unwanted, 1000.0))
    examples = pocket.split("sentiment", "train", 6, 0)
    made = augmented(examples, Augment(copies=5, probability=1), masked(model))
    for first, _ in texts(made)[6:]:
        assert all(word in vocabulary for word in first.split())
    for before, after in zip(texts(examples) * 5, texts(made)[6:], strict=True):
        marks = [word for word in before[0].split() if not word.isalpha()]
        assert [word for word in after[0].split() if not word.isalpha()] == marks


def test_words_of_several_pieces_need_vectors(tmp_path: Path) -> None:
    """Without they stay; with them they become one of their neighbours, if they have a vector."""
    assert len(tiny.tokenizer().tokenize(ODD)) > 1
    model = biased({"boy": 500.0})
    examples = split(f"the {ODD} and {ODD.upper()}", (f"{ODD}s", "boy"))
    augment = Augment(copies=1, probability=1, candidates=1)
    made = augmented(examples, augment, masked(model))
    assert texts(made)[2:] == [(f"boy {ODD} boy {ODD.upper()}", None), (f"{ODD}s", "boy")]
    near = vectors(tmp_path, f"{ODD} 1 0.1\nhen 0.1 2\nnurse 3 0\nthe 0 1\n")
    made = augmented(examples, augment, masked(model), near)
    assert texts(made)[2:] == [("boy nurse boy nurse", None), (f"{ODD}s", "boy")]
    both = augmented(examples, Augment(copies=40, probability=1, candidates=2), masked(), near)
    drawn = {first.split()[1] for first, _ in texts(both)[2::2]}
    assert drawn == {"nurse", "hen"}


def test_words_beyond_the_length_stay() -> None:
    """Five pieces leave room for three; a word that is cut there is none of several pieces."""
    model = biased({"boy": 500.0})
    examples = split("the hotel is not bad .", f"the hen {ODD}")
    augment = Augment(copies=1, probability=1, candidates=1)
    made = augmented(examples, augment, masked(model, length=5))
    assert texts(made)[2:] == [("boy boy boy not bad .", None), (f"boy boy {ODD}", None)]


def test_pieces_of_bytes_are_words_where_they_begin_one() -> None:
    """RoBERTa's tokenizers write the blank into the piece: only those pieces are drawn."""
    tokenizer = byte_level()
    words = whole_words(tokenizer)
    pieces = tokenizer.convert_ids_to_tokens(list(words))
    assert len(words) > 50
    assert all(piece.startswith("Ġ") for piece in pieces)
    assert set(words.values()) <= {piece.removeprefix("Ġ") for piece in pieces}
    shape = tiny.STUDENT.model_copy(update={"family": "roberta", "token_types": 1})
    reader = MaskedWords(tiny.model(shape), tokenizer, 48)
    examples = pocket.split("inference", "train", 5, 0)
    made = augmented(examples, Augment(copies=3, probability=1), reader)
    for before, after in zip(texts(examples) * 3, texts(made)[5:], strict=True):
        for old, new in zip(" ".join(before).split(), " ".join(after).split(), strict=True):
            assert new == old or new in words.values()


def test_questions_are_refused() -> None:
    """A replaced word would move the answer."""
    with pytest.raises(DataError) as raised:
        augmented(pocket.split("span", "train", 3, 0), Augment(), masked())
    assert str(raised.value) == (
        "split train: 3 examples are questions on a context: replacing words would move or lose "
        "their answers\n  allowed: single texts or pairs of texts\n"
        "  fix: use this task's data without augmentation"
    )


def test_a_tokenizer_without_words_is_told() -> None:
    """A vocabulary of marks has nothing to draw from."""
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ".", "##a", "1"]
    tokenizer = BertTokenizer(vocab={piece: index for index, piece in enumerate(pieces)})
    with pytest.raises(DataError) as raised:
        whole_words(tokenizer)
    assert str(raised.value).endswith(
        "of 8 tokens: none of its tokens is a whole word\n"
        "  allowed: a tokenizer with whole words in its vocabulary"
    )


def test_repeated_texts_are_drawn_for_themselves() -> None:
    """Equal originals share candidates, not draws."""
    once = pocket.split("sentiment", "train", 1, 0).examples[0]
    same = Split("train", (once, replace(once, id="again")))
    made = augmented(same, Augment(copies=8), masked())
    assert texts(made)[2::2] != texts(made)[3::2]


def biased(pieces: dict[str, float]) -> PreTrainedModel:
    """A model that finds some pieces likelier everywhere."""
    model = tiny.model()
    with torch.no_grad():
        for piece, bias in pieces.items():
            model.cls.predictions.bias[tiny.tokenizer().convert_tokens_to_ids(piece)] += bias
    return model


def byte_level() -> PreTrainedTokenizerFast:
    """A tokenizer of RoBERTa's kind, trained on the generated language."""
    roles = {
        "cls_token": "<s>",
        "sep_token": "</s>",
        "pad_token": "<pad>",
        "unk_token": "<unk>",
        "mask_token": "<mask>",
    }
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=500, special_tokens=list(roles.values()), show_progress=False
    )
    backend.train_from_iterator(pocket.corpus(60, 0), trainer)
    backend.post_processor = processors.RobertaProcessing(("</s>", 1), ("<s>", 0))
    return PreTrainedTokenizerFast(tokenizer_object=backend, **roles)
