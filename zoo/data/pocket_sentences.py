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


def statement(speaker: Speaker, twisted: float, fault: Fault | None = None) -> str:
    """A sentence with at most one fault; subject and verb stand far apart if it is twisted."""
    many = speaker.chance(0.5)
    subject = _phrase(speaker, many)
    modifier = []
    if fault == "relative" or speaker.chance(twisted):
        modifier = _modifier(speaker, many, broken=fault == "relative")
        if speaker.chance(0.4):
            modifier = ["near", *_phrase(speaker, speaker.chance(0.5)), *modifier]
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
    form = speaker.random.randrange(2 if broken else 3)
    others = speaker.chance(0.5)
    phrase = _phrase(speaker, others)
    verb = progressive(speaker.word(VERBS[speaker.draw(VERBS)]))
    if form == 0:
        return ["that", be(many != broken), verb, *phrase]
    if form == 1:
        return ["that", *phrase, be(others != broken), verb]
    return ["near", *phrase]


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


def opinion(speaker: Speaker, happy: bool, twisted: float) -> str:
    """A sentence with this verdict, to which a concession or a denial is added if it is twisted."""
    if not speaker.chance(twisted):
        return f"{_view(speaker, happy)} ."
    form = speaker.random.randrange(5)
    good, bad = _clause(speaker, happy), _clause(speaker, not happy)
    if form == 0:
        return f"{_denial(speaker, happy)} ."
    if form == 1:
        return f"{good} although {bad} ."
    if form == 2:
        return f"although {bad} , {good} ."
    if form == 3:
        return f"{bad} but {good} ."
    return f"nobody thinks that {bad} ."


def _clause(speaker: Speaker, happy: bool) -> str:
    return (_denial if speaker.chance(0.35) else _view)(speaker, happy)


def _denial(speaker: Speaker, happy: bool) -> str:
    words = BLAME if happy else PRAISE
    denial = ("not", "never", "hardly")[speaker.random.randrange(3)]
    thing = THINGS[speaker.draw(THINGS)]
    return f"the {thing} is {denial} {words[speaker.draw(words)]}"


def _view(speaker: Speaker, happy: bool) -> str:
    words = PRAISE if happy else BLAME
    thing = THINGS[speaker.draw(THINGS)]
    first = speaker.draw(words)
    verdict = [words[first]]
    if speaker.chance(0.4):
        verdict += ["and", words[speaker.draw(words, first)]]
    return " ".join(("the", thing, "is", *verdict))
