"""The data of the pocket suite: a small artificial language, generated without files or network."""

import zlib
from collections.abc import Callable, Iterator
from itertools import islice
from random import Random
from typing import Literal

from zoo.data.examples import Example, SpanExample, Split, TextExample
from zoo.data.pocket_language import Speaker
from zoo.data.pocket_sentences import definition, opinion, statement
from zoo.data.pocket_tasks import MAKERS, Draft, ask, ask_quality, hypothesis, story
from zoo.errors import Problem, UsageError, suggestion

NOISE = 0.12
TRAIN_SHARE = 0.7
MOST_EXAMPLES = 5_000
VERDICTS = ("right", "perhaps", "wrong")
TWISTED = 0.5
_ONE_IN = 4


def corpus(documents: int, seed: int = 0) -> Iterator[str]:
    """Documents of the language for masked-LM training, their sentences separated by newlines.

    Three in eight tell an event again in other words, two are lines of a dictionary, two are
    reviews of one mood and one is of statements with far subjects. All words of the language are in
    them.
    """
    speaker = Speaker(_random("corpus", seed), variety=0.3)
    for number in range(documents):
        yield "\n".join(_MAKERS[number % len(_MAKERS)](speaker))


def split(task: str, name: Literal["train", "dev"], examples: int, seed: int = 0) -> Split:
    """The first `examples` examples of one split of a pocket task.

    Train knows `TRAIN_SHARE` of the words and has wrong labels in `NOISE` of its examples; dev
    knows all words and is clean. A text belongs to one of the splits whatever the seed.

    Raises:
        UsageError: there is no such task or split, or it has not that many examples.
    """
    _check(task, name, examples)
    speaker = Speaker(_random(f"{task}/{name}", seed), TRAIN_SHARE if name == "train" else 1.0)
    noise = _random(f"{task}/{name}/noise", seed)
    drafts = islice(_drafts(MAKERS[task], speaker, name), examples)
    return Split(
        name,
        tuple(
            _example(f"{task}-{name}-{number}", draft, name == "train" and noise.random() < NOISE)
            for number, draft in enumerate(drafts)
        ),
    )


def _random(purpose: str, seed: int) -> Random:
    return Random(f"pocket/{purpose}/{seed}")  # noqa: S311 - data, the same on every machine


def _check(task: str, name: str, examples: int) -> None:
    problems = []
    if task not in MAKERS:
        known = ", ".join(MAKERS)
        problems.append(
            Problem("pocket", f"there is no task {task!r}", known, suggestion(task, MAKERS))
        )
    if name not in {"train", "dev"}:
        problems.append(Problem(f"pocket: {task}", f"there is no split {name!r}", "train, dev"))
    if not 0 < examples <= MOST_EXAMPLES:
        problems.append(
            Problem(f"pocket: {task}/{name}", f"{examples} examples", f"1 to {MOST_EXAMPLES}")
        )
    if problems:
        raise UsageError(*problems)


def _drafts(maker: Callable[[Speaker], Draft], speaker: Speaker, name: str) -> Iterator[Draft]:
    seen: set[str] = set()
    while True:
        draft = maker(speaker)
        text = f"{draft.first}\n{draft.second}"
        belongs = "dev" if zlib.crc32(text.encode()) % _ONE_IN == 0 else "train"
        if belongs == name and text not in seen:
            seen.add(text)
            yield draft


def _example(identity: str, draft: Draft, noisy: bool) -> Example:
    if draft.answer is None or draft.second is None:
        return TextExample(
            identity, draft.first, draft.second, draft.mistake if noisy else draft.label
        )
    answer = draft.wrong_answer if noisy else draft.answer
    if not answer:
        return SpanExample(identity, draft.first, draft.second, (), ())
    return SpanExample(
        identity, draft.first, draft.second, (answer,), (draft.second.index(answer),)
    )


def _retelling(speaker: Speaker) -> list[str]:
    events = story(speaker, 1 + int(speaker.chance(0.3)), told=0.5)
    sentences = [told for _, told, _ in events]
    for _ in range(4 - len(events)):
        event, _, names = events[speaker.random.randrange(len(events))]
        form, role = speaker.random.randrange(5), speaker.random.randrange(2)
        question, quality = ask_quality(names[role])
        if form < 2:
            sentences.append(speaker.tell(event))
        elif form == 2:
            sentences.append(f"{ask(speaker, event, role, names)} {names[role]} .")
        elif form == 3 and quality:
            sentences.append(f"{question} {quality} .")
        else:
            label = speaker.random.randrange(3)
            sentences.append(f"{hypothesis(speaker, event, label)} {VERDICTS[label]} .")
    return sentences


def _review(speaker: Speaker) -> list[str]:
    happy = speaker.chance(0.5)
    mood = "i smile ." if happy else "i frown ."
    return [f"{opinion(speaker, happy, TWISTED)} {mood}" for _ in range(3)]


def _grammar(speaker: Speaker) -> list[str]:
    return [statement(speaker, TWISTED) for _ in range(3)]


def _dictionary(speaker: Speaker) -> list[str]:
    return [definition(speaker) for _ in range(6)]


_MAKERS = (
    _retelling, _dictionary, _review, _retelling, _dictionary, _retelling, _review, _grammar,
)  # fmt: skip
