"""The pocket language is the same everywhere, its labels are true and its splits are apart."""

import hashlib
import time
from collections import Counter
from itertools import islice, pairwise
from random import Random

import pytest

from zoo.data import pocket
from zoo.data.examples import SpanExample, Split, TextExample
from zoo.data.pocket_language import (
    NOUNS,
    PLACES,
    PRAISE,
    QUALITIES,
    VERBS,
    Speaker,
    participle,
    progressive,
)
from zoo.data.pocket_sentences import FAULTS, opinion, statement
from zoo.data.pocket_tasks import MAKERS
from zoo.errors import UsageError
from zoo.spec.task import TASKS, Reader

FORMS = (progressive, participle)
POCKET = sorted(name for name, task in TASKS.items() if task.reader is Reader.GENERATOR)


def texts(split: Split) -> list[tuple[str, ...]]:
    return [
        (e.question, e.context) if isinstance(e, SpanExample) else (e.first, e.second or "")
        for e in split.examples
    ]


def words(split: Split) -> set[str]:
    return {word for pair in texts(split) for text in pair for word in text.split()}


def test_tasks_are_those_of_the_spec() -> None:
    """Every pocket task of the spec can be generated, and no other."""
    assert sorted(MAKERS) == POCKET


def test_corpus_is_the_same_everywhere() -> None:
    """The corpus depends on the seed alone, bit for bit, and never on the platform."""
    first = "\f".join(pocket.corpus(200)).encode()

    assert hashlib.sha256(first).hexdigest()[:16] == "89fe1ef685c278fa"
    assert first == "\f".join(pocket.corpus(200)).encode()
    assert first != "\f".join(pocket.corpus(200, seed=1)).encode()


def test_splits_are_the_same_everywhere() -> None:
    """The examples of all tasks depend on the seed alone, bit for bit."""
    told = repr([pocket.split(task, "train", 50) for task in POCKET]).encode()

    assert hashlib.sha256(told).hexdigest()[:16] == "c3254e459dc51b81"


def test_corpus_is_lazy_and_a_longer_one_begins_alike() -> None:
    """A longer corpus continues a shorter one, and documents come one by one."""
    assert list(islice(pocket.corpus(10**9), 30)) == list(pocket.corpus(30))


def test_corpus_holds_plain_sentences() -> None:
    """Documents are lower-case sentences, one a line, short enough for 64 tokens."""
    for document in pocket.corpus(2000):
        assert document == document.lower()
        assert all(
            line.endswith(".") and line == " ".join(line.split()) for line in document.split("\n")
        )
        assert len(document.split()) + document.count("\n") + 2 <= 64


@pytest.mark.parametrize("task", POCKET)
def test_train_and_dev_are_disjoint(task: str) -> None:
    """No text of train is in dev, whatever the seeds, and none stands twice."""
    train, dev = (
        texts(pocket.split(task, "train", 2000)),
        texts(pocket.split(task, "dev", 400, seed=3)),
    )

    assert not set(train) & set(dev)
    assert len(set(train)) == len(train) == 2000
    assert len(set(dev)) == len(dev) == 400


@pytest.mark.parametrize("task", POCKET)
def test_smaller_split_is_a_prefix(task: str) -> None:
    """Asking for more examples changes none of the first ones."""
    assert pocket.split(task, "train", 60).examples[:25] == pocket.split(task, "train", 25).examples


@pytest.mark.parametrize("task", POCKET)
def test_examples_have_the_form_of_the_task(task: str) -> None:
    """Ids, pairs and labels are what the task's definition promises."""
    spec = TASKS[task]
    for number, example in enumerate(pocket.split(task, "dev", 300).examples):
        assert example.id == f"{task}-dev-{number}"
        if isinstance(example, TextExample):
            assert (example.second is not None) == spec.pair
            assert spec.kind != "classification" or example.label in range(len(spec.labels))
            assert spec.kind != "regression" or 0 <= (example.label or 0) <= 5


@pytest.mark.parametrize("task", POCKET)
def test_dev_needs_words_that_train_never_shows(task: str) -> None:
    """A part of the words of dev is to be learnt from the corpus alone."""
    corpus = {word for document in pocket.corpus(3000) for word in document.split()}
    train, dev = words(pocket.split(task, "train", 2000)), words(pocket.split(task, "dev", 500))

    assert len(dev - train) >= 6
    assert dev | train <= corpus


def test_vocabulary_is_small() -> None:
    """The language has between 120 and 250 words."""
    assert 120 <= len({word for text in pocket.corpus(5000) for word in text.split()}) <= 250


@pytest.mark.parametrize(
    ("task", "low", "high"), [("acceptability", 0.4, 0.6), ("sentiment", 0.4, 0.6),
                              ("paraphrase", 0.45, 0.6), ("inference", 0.27, 0.41)]
)  # fmt: skip
def test_classes_have_their_shares(task: str, low: float, high: float) -> None:
    """The largest class is as large as the task says."""
    labels = Counter(e.label for e in pocket.split(task, "dev", 600).examples)  # type: ignore[union-attr]

    assert low <= max(labels.values()) / 600 <= high
    assert len(labels) == len(TASKS[task].labels)


def test_answers_stand_where_they_are_said_to() -> None:
    """An answer is the context's own text; about a quarter of the questions have none."""
    examples = [e for e in pocket.split("span", "dev", 600).examples if isinstance(e, SpanExample)]
    for example in examples:
        for answer, start in zip(example.answers, example.starts, strict=True):
            assert example.context[start : start + len(answer)] == answer
            assert example.context[:start].count(" ") == len(example.context[:start].split())

    assert 0.18 <= sum(not e.answers for e in examples) / 600 <= 0.32


def test_similarity_is_the_share_of_the_event_that_is_kept() -> None:
    """With the words of both sentences as their lists know them, whatever the voice and order."""
    known = (*NOUNS, *PLACES, *(tuple(f(w) for w in pair) for f in FORMS for pair in VERBS))
    meaning = {word: pair for pair in known for word in pair}
    for example in pocket.split("similarity", "dev", 300).examples:
        assert isinstance(example, TextExample)
        first, second = (
            {_root(meaning[word]) for word in text.split() if word in meaning}
            for text in (example.first, example.second or "")
        )
        assert len(first & second) * 5.0 / 4 == example.label


def _root(pair: tuple[str, str]) -> tuple[str, str]:
    """A pair of verbs without the form they are in."""
    return pair[0].removesuffix("ing").removesuffix("ed"), ""


def test_only_train_is_noisy() -> None:
    """Between 9 and 15 per cent of the training labels are wrong, and none of dev."""
    for task in ("acceptability", "sentiment"):
        for name, low, high in (("train", 0.09, 0.15), ("dev", 0.0, 0.0)):
            split = pocket.split(task, name, 1000)
            wrong = sum(e.label != TRUTH[task](e.first) for e in split.examples)  # type: ignore[union-attr]
            assert low <= wrong / 1000 <= high


GOOD = set(PRAISE)
ONE, MANY = {"this", "every", "one"}, {"these", "many", "several"}


def polarity(clause: list[str]) -> bool:
    """An independent reading of one clause of an opinion."""
    return (clause[-1] in GOOD) != bool({"not", "never", "hardly"} & set(clause))


def verdict(sentence: str) -> int:
    """An independent reading of an opinion, from its words."""
    tokens = sentence.removesuffix(" .").split()
    if "but" in tokens:
        return int(polarity(tokens[tokens.index("but") + 1 :]))
    if tokens[0] == "although":
        return int(polarity(tokens[tokens.index(",") + 1 :]))
    if "although" in tokens:
        return int(polarity(tokens[: tokens.index("although")]))
    return int(polarity(tokens) != (tokens[0] == "nobody"))


def grammatical(sentence: str) -> int:
    """An independent parse of a statement: the order of a phrase, then every verb's subject."""
    tokens = sentence.split()[:-1]
    for here, following in pairwise(tokens):
        if here in ONE | MANY and following not in NOUN_WORDS | ADJECTIVES:
            return 0
        if here in ADJECTIVES and following not in NOUN_WORDS:
            return 0
    if tokens[0] not in ONE | MANY or any(
        here in NOUN_WORDS and following in ADJECTIVES for here, following in pairwise(tokens)
    ):
        return 0
    subjects = [word in MANY for word in tokens if word in ONE | MANY]
    verbs = [word == "are" for word in tokens if word in {"is", "are"}]
    if "that" not in tokens:
        return int(verbs == subjects[:1])
    that = tokens.index("that")
    inner = subjects[0]
    if tokens[that + 1] in ONE | MANY:
        inner = subjects[sum(word in ONE | MANY for word in tokens[:that])]
    return int(verbs == [inner, subjects[0]])


NOUN_WORDS = {word for pair in NOUNS for word in pair}
ADJECTIVES = {word for axis in QUALITIES for pole in axis for word in pole}
TRUTH = {"acceptability": grammatical, "sentiment": verdict}


def test_statements_have_the_faults_they_are_given() -> None:
    """An independent parser finds every fault, and none where there is none."""
    speaker = Speaker(Random(1))

    assert all(grammatical(statement(speaker, 0.7)) for _ in range(500))
    for fault in set(FAULTS):
        assert not any(grammatical(statement(speaker, 0.7, fault)) for _ in range(300))


def test_opinions_have_the_verdict_they_are_given() -> None:
    """An independent reader undoes concessions, denials and doubts to the same verdict."""
    speaker = Speaker(Random(1))

    for happy in (True, False):
        assert all(verdict(opinion(speaker, happy, 0.7)) == happy for _ in range(500))


def test_unknown_task_names_the_known_ones() -> None:
    """A misspelt task is answered with the known names and the nearest."""
    with pytest.raises(
        UsageError, match=r"(?s)no task 'sentimant'.*acceptability, sentiment.*'sentiment'"
    ):
        pocket.split("sentimant", "dev", 1)


def test_unknown_split_names_the_known_ones() -> None:
    """There is no split but train and dev."""
    with pytest.raises(UsageError, match=r"(?s)no split 'test'.*train, dev"):
        pocket.split("sentiment", "test", 1)  # type: ignore[arg-type]


@pytest.mark.parametrize("examples", [0, 5_001])
def test_too_many_examples_are_refused(examples: int) -> None:
    """A number of examples that the language does not hold is refused, not cut short."""
    with pytest.raises(UsageError, match=rf"(?s)sentiment/train: {examples} examples.*1 to 5000"):
        pocket.split("sentiment", "train", examples)


@pytest.mark.parametrize("task", POCKET)
def test_largest_split_exists(task: str) -> None:
    """The language holds as many different examples as a split may be asked for."""
    assert len(pocket.split(task, "dev", pocket.MOST_EXAMPLES).examples) == pocket.MOST_EXAMPLES


def test_generation_is_quick() -> None:
    """The whole suite is generated in two seconds on an idle core."""
    start = time.process_time()
    list(pocket.corpus(20_000))
    for task in POCKET:
        pocket.split(task, "train", 2000)
        pocket.split(task, "dev", 500)

    assert time.process_time() - start < 6
