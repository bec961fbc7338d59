"""The pocket language: its words, and how meanings are said in it."""

from dataclasses import dataclass, replace
from random import Random

NOUNS = (
    ("dog", "hound"), ("crow", "raven"), ("doctor", "physician"),
    ("rabbit", "hare"), ("hen", "chicken"), ("boy", "lad"),
    ("pony", "horse"), ("dove", "pigeon"), ("teacher", "tutor"),
    ("pig", "hog"), ("hawk", "falcon"), ("farmer", "grower"),
)  # fmt: skip
VERBS = (
    ("chase", "pursue"), ("help", "assist"), ("follow", "trail"), ("watch", "observe"),
    ("fear", "dread"), ("push", "shove"), ("call", "summon"), ("guard", "protect"),
)  # fmt: skip
ACTIONS = (
    ("sleep", "slumber"), ("dance", "prance"), ("shout", "yell"), ("rest", "relax"),
)  # fmt: skip
QUALITIES = (
    (("old", "aged"), ("young", "youthful")), (("big", "large"), ("small", "little")),
    (("rich", "wealthy"), ("poor", "needy")), (("fast", "quick"), ("slow", "sluggish")),
)  # fmt: skip
PLACES = (
    ("garden", "yard"), ("forest", "wood"), ("barn", "stable"), ("market", "bazaar"),
)  # fmt: skip
THINGS = (
    "soup", "film", "room", "song", "hotel", "book",
)  # fmt: skip
PRAISE = (
    "good", "lovely", "splendid", "superb", "charming", "brilliant", "delightful", "pleasant",
    "excellent", "perfect",
)  # fmt: skip
BLAME = (
    "bad", "awful", "dreadful", "horrid", "boring", "dismal", "nasty", "unpleasant",
    "terrible", "shabby",
)  # fmt: skip


@dataclass(frozen=True)
class Quality:
    """A pole (0 or 1) of one of the axes of `QUALITIES`; the other pole is its opposite."""

    axis: int
    pole: int

    @property
    def opposite(self) -> "Quality":
        """The other pole of the same axis."""
        return Quality(self.axis, 1 - self.pole)


@dataclass(frozen=True)
class Being:
    """One of `NOUNS`, perhaps with a quality that is told."""

    noun: int
    quality: Quality | None = None


@dataclass(frozen=True)
class Event:
    """Who does what to whom, where if that is told, and whether it is denied."""

    agent: Being
    verb: int
    patient: Being
    place: int | None = None
    denied: bool = False

    @property
    def reversed(self) -> "Event":
        """The same event with the roles exchanged."""
        return replace(self, agent=self.patient, patient=self.agent)


@dataclass(frozen=True)
class Speaker:
    """Draws meanings, and words for them, knowing the first `share` of every list of words.

    With probability `variety` the rarer one of two synonyms is said.
    """

    random: Random
    share: float = 1.0
    variety: float = 0.5

    def draw(self, words: tuple[object, ...], *avoid: int) -> int:
        """The index of one of the known `words` that is not to be avoided."""
        known = max(2, round(self.share * len(words)))
        return self.random.choice([index for index in range(known) if index not in avoid])

    def chance(self, probability: float) -> bool:
        """True with this probability."""
        return self.random.random() < probability

    def quality(self) -> Quality:
        """Any quality."""
        return Quality(self.draw(QUALITIES), self.random.randrange(2))

    def being(self, *avoid: int, told: float = 0.3) -> Being:
        """Any being but those nouns, its quality told with probability `told`."""
        quality = self.quality() if self.chance(told) else None
        return Being(self.draw(NOUNS, *avoid), quality)

    def event(self, *avoid: int, told: float = 0.3, placed: float = 0.4) -> Event:
        """Any event between two beings of different nouns."""
        agent = self.being(*avoid, told=told)
        patient = self.being(agent.noun, *avoid, told=told)
        place = self.draw(PLACES) if self.chance(placed) else None
        return Event(agent, self.draw(VERBS), patient, place)

    def word(self, pair: tuple[str, str]) -> str:
        """One of two synonyms."""
        return pair[int(self.chance(self.variety))]

    def noun(self, being: Being) -> str:
        """A noun for `being`; nouns are the same for one and for many, as "sheep" is."""
        return self.word(NOUNS[being.noun])

    def name(self, being: Being, *, told: bool = True) -> str:
        """A noun phrase for `being`, with its quality if that is `told`."""
        quality = f"{self.adjective(being.quality)} " if told and being.quality else ""
        return f"the {quality}{self.noun(being)}"

    def adjective(self, quality: Quality) -> str:
        """An adjective for `quality`."""
        return self.word(QUALITIES[quality.axis][quality.pole])

    def place(self, place: int) -> str:
        """Where something happens."""
        return f"in the {self.word(PLACES[place])}"

    def tell(self, event: Event, *, told: bool = True) -> str:
        """A sentence for `event`, active or passive, its place first or last."""
        clause = self.clause(event, passive=self.chance(0.4), told=told)
        if event.place is None or not told:
            return f"{clause} ."
        place = self.place(event.place)
        return f"{place} {clause} ." if self.chance(0.3) else f"{clause} {place} ."

    def clause(self, event: Event, *, passive: bool, told: bool = True) -> str:
        """The bare clause for `event`, without its place."""
        agent, patient = (self.name(being, told=told) for being in (event.agent, event.patient))
        verb = self.word(VERBS[event.verb])
        copula = "is not" if event.denied else "is"
        if passive:
            return f"{patient} {copula} {participle(verb)} by {agent}"
        return f"{agent} {copula} {progressive(verb)} {patient}"


def progressive(verb: str) -> str:
    """The form of a verb that tells what someone is doing."""
    return f"{verb.removesuffix('e')}ing"


def participle(verb: str) -> str:
    """The form of a verb that tells what is done to someone."""
    return f"{verb.removesuffix('e')}ed"
