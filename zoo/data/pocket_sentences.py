"""Two more kinds of pocket sentences: statements that may break the grammar, and opinions."""

from typing import Literal

from zoo.data.pocket_language import (
    ACTIONS,
    BLAME,
    NOUNS,
    PLACES,
    PRAISE,
    QUALITIES,
    THINGS,
    VERBS,
    Speaker,
    participle,
    progressive,
)

Fault = Literal["verb", "relative", "order"]
FAULTS: tuple[Fault, ...] = ("verb", "verb", "verb", "relative", "order")
_ONE = ("this", "every", "one")
_MANY = ("these", "many", "several")


def statement(speaker: Speaker, fault: Fault | None = None) -> str:
    """A sentence whose subject and verb often stand far apart, with at most one fault."""
    many = speaker.chance(0.5)
    subject = _phrase(speaker, many)
    modifier = _modifier(speaker, many, broken=fault == "relative")
    words = [*subject, *modifier, *_predicate(speaker, many != (fault == "verb"))]
    if fault == "order":
        spot = speaker.random.randrange(len(subject))
        words[spot], words[spot + 1] = words[spot + 1], words[spot]
    return " ".join([*words, "."])


def _phrase(speaker: Speaker, many: bool) -> list[str]:
    determiner = (_MANY if many else _ONE)[speaker.random.randrange(3)]
    quality = [speaker.adjective(speaker.quality())] if speaker.chance(0.2) else []
    return [determiner, *quality, speaker.noun(speaker.being())]


def _modifier(speaker: Speaker, many: bool, *, broken: bool) -> list[str]:
    form = speaker.random.randrange(2 if broken else 4)
    others = speaker.chance(0.5)
    phrase = _phrase(speaker, others)
    verb = progressive(speaker.word(VERBS[speaker.draw(VERBS)]))
    if form == 0:
        return ["that", be(many != broken), verb, *phrase]
    if form == 1:
        return ["that", *phrase, be(others != broken), verb]
    return ["near", *phrase] if form == 2 else []


def _predicate(speaker: Speaker, many: bool) -> list[str]:
    form = speaker.random.randrange(3)
    if form == 0:
        return [be(many), progressive(speaker.word(ACTIONS[speaker.draw(ACTIONS)]))]
    if form == 1:
        return [be(many), speaker.adjective(speaker.quality())]
    verb = progressive(speaker.word(VERBS[speaker.draw(VERBS)]))
    return [be(many), verb, *_phrase(speaker, speaker.chance(0.5))]


def be(many: bool) -> str:
    """The only word that agrees with its subject."""
    return "are" if many else "is"


def definition(speaker: Speaker) -> str:
    """A line of a dictionary: a word and its synonym, or a quality and its opposite."""
    if speaker.chance(0.35):
        quality = speaker.quality()
        one, other = speaker.adjective(quality), speaker.adjective(quality.opposite)
        return f"{one} is not {other} ."
    qualities = tuple(pole for axis in QUALITIES for pole in axis)
    entries = (*NOUNS, *VERBS, *PLACES, *qualities, *qualities)
    entry = entries[speaker.draw(entries)]
    first = speaker.random.randrange(2)
    if entry not in VERBS:
        return f"{entry[first]} means {entry[1 - first]} ."
    form = (progressive, participle)[speaker.random.randrange(2)]
    return f"{form(entry[first])} means {form(entry[1 - first])} ."


def opinion(speaker: Speaker, happy: bool) -> str:
    """A sentence with this verdict; a concession, a denial or a doubt may have to be undone."""
    form = speaker.random.randrange(10)
    if form < 5:
        return f"{_view(speaker, happy)} ."
    if form == 5:
        return f"{_view(speaker, happy)} although {_view(speaker, not happy)} ."
    if form == 6:
        return f"although {_view(speaker, not happy)} , {_view(speaker, happy)} ."
    if form < 9:
        return f"{_view(speaker, not happy)} but {_view(speaker, happy)} ."
    return f"nobody thinks that {_view(speaker, not happy)} ."


def _view(speaker: Speaker, happy: bool) -> str:
    denied = speaker.chance(0.2)
    words = PRAISE if happy != denied else BLAME
    between = ("not", "never", "hardly")[speaker.random.randrange(3)] if denied else ""
    if not denied and speaker.chance(0.3):
        between = ("very", "quite")[speaker.random.randrange(2)]
    thing = THINGS[speaker.draw(THINGS)]
    first = speaker.draw(words)
    verdict = [words[first]]
    if speaker.chance(0.4):
        verdict += ["and", words[speaker.draw(words, first)]]
    return " ".join(filter(None, ("the", thing, "is", between, *verdict)))
