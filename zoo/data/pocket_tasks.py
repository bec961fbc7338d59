"""The six pocket tasks: how an example of each is made by a speaker of the language."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from zoo.data.pocket_language import (
    NOUNS,
    PLACES,
    QUALITIES,
    VERBS,
    Being,
    Event,
    Quality,
    Speaker,
    participle,
    progressive,
)
from zoo.data.pocket_sentences import FAULTS, opinion, statement

ENTAILMENT, NEUTRAL, CONTRADICTION = range(3)
PASSIVE = 0.25
PocketPart = Literal["agent", "verb", "patient", "place"]
PARTS: tuple[PocketPart, ...] = ("agent", "verb", "patient", "place")
MOST_ALIKE = 5.0


Story = list[tuple[Event, str, tuple[str, str]]]
"""Events, each with its sentence and the names of its agent and patient there."""


@dataclass(frozen=True)
class Draft:
    """An example without its id; for a span, `first` is the question and `second` the context.

    `answer` is empty for a question that has none, and None where the task has no spans;
    `mistake` is what a careless annotator would have given instead.
    """

    first: str
    second: str | None
    label: float | None
    mistake: float | None
    answer: str | None = None
    wrong_answer: str | None = None


def acceptability(speaker: Speaker) -> Draft:
    """Is the sentence grammatical?"""
    label = speaker.random.randrange(2)
    fault = None if label else speaker.random.choice(FAULTS)
    return Draft(statement(speaker, 0.85, fault), None, label, 1 - label)


def sentiment(speaker: Speaker) -> Draft:
    """Is the verdict of the sentence a good one?"""
    label = speaker.random.randrange(2)
    return Draft(opinion(speaker, bool(label), 0.85), None, label, 1 - label)


def paraphrase(speaker: Speaker) -> Draft:
    """Do the two sentences tell the same event? Half of them do."""
    event = speaker.event(told=0.0, placed=0.0)
    label = speaker.random.randrange(2)
    other = event if label else _other(speaker, event)
    return Draft(speaker.tell(event), speaker.tell(other), label, 1 - label)


def _other(speaker: Speaker, event: Event) -> Event:
    """Another event: the roles exchanged, or one of the two beings and the verb."""
    if speaker.chance(0.2):
        return event.reversed
    nouns = (event.agent.noun, event.patient.noun)
    being = replace(event.agent, noun=speaker.draw(NOUNS, *nouns))
    changed = replace(event, verb=speaker.draw(VERBS, event.verb))
    if speaker.chance(0.5):
        return replace(changed, agent=being)
    return replace(changed, patient=being)


def inference(speaker: Speaker) -> Draft:
    """Is the second sentence true, unknown or false, given the first?"""
    label = speaker.random.randrange(3)
    premise = replace(speaker.event(told=0.7, placed=0.2), denied=speaker.chance(0.2))
    mistake = (label + 1 + speaker.random.randrange(2)) % 3
    return Draft(speaker.tell(premise), hypothesis(speaker, premise, label), label, mistake)


def hypothesis(speaker: Speaker, premise: Event, label: int) -> str:
    """A sentence that is true, unknown or false, given that the premise is true."""
    form = speaker.random.randrange(2)
    if form and (premise.agent.quality or premise.patient.quality):
        return _description(speaker, premise, label)
    return _claim(speaker, premise, label)


def _claim(speaker: Speaker, premise: Event, label: int) -> str:
    claim = replace(premise, denied=premise.denied != (label == CONTRADICTION), place=None)
    if label == NEUTRAL:
        claim = replace(_other(speaker, claim), denied=speaker.chance(0.5))
    return speaker.tell(claim, told=speaker.chance(0.3))


def _description(speaker: Speaker, premise: Event, label: int) -> str:
    described = [being for being in (premise.agent, premise.patient) if being.quality]
    who = speaker.random.choice(described)
    quality = who.quality or speaker.quality()
    denied = speaker.chance(0.3)
    said = quality if denied == (label == CONTRADICTION) else quality.opposite
    if label == NEUTRAL:
        said = Quality(speaker.draw(QUALITIES, quality.axis), speaker.random.randrange(2))
    return describe(speaker, who, said, denied)


def describe(speaker: Speaker, who: Being, said: Quality, denied: bool) -> str:
    """A sentence that gives, or denies, a being a quality."""
    negation = "not " if denied else ""
    return f"{speaker.name(who, told=False)} is {negation}{speaker.adjective(said)} ."


def similarity(speaker: Speaker) -> Draft:
    """How much of one event is kept in the other, from 0 to 5?"""
    event = speaker.event(told=0.0, placed=1.0)
    kept = speaker.random.sample(PARTS, speaker.random.randrange(len(PARTS) + 1))
    share = MOST_ALIKE / len(PARTS)
    mistake = speaker.random.randrange(len(PARTS) + 1)
    second = _partly(speaker, event, kept)
    return Draft(speaker.tell(event), speaker.tell(second), share * len(kept), share * mistake)


def _partly(speaker: Speaker, event: Event, kept: list[PocketPart]) -> Event:
    agent, verb, patient, place = event.agent, event.verb, event.patient, event.place
    nouns = (agent.noun, patient.noun)
    if "agent" not in kept:
        agent = Being(speaker.draw(NOUNS, *nouns))
    if "patient" not in kept:
        patient = Being(speaker.draw(NOUNS, *nouns, agent.noun))
    if "verb" not in kept:
        verb = speaker.draw(VERBS, verb)
    if "place" not in kept and place is not None:
        place = speaker.draw(PLACES, place)
    return Event(agent, verb, patient, place)


def span(speaker: Speaker) -> Draft:
    """Who does it, to whom, or of which quality? Words of the context, or nothing."""
    while True:
        events = story(speaker, 1, told=0.7)
        context = " ".join(told for _, told, _ in events)
        draft = _question(speaker, events, context)
        if not draft.answer or context.count(draft.answer) == 1:
            return draft


def _question(speaker: Speaker, events: Story, context: str) -> Draft:
    event, _, names = events[speaker.random.randrange(len(events))]
    form = speaker.random.randrange(2)
    if speaker.chance(0.7):
        question, answer = ask_quality(names[form])
        return Draft(question, context, None, None, answer, names[1 - form])
    if speaker.chance(0.8):
        question = ask(speaker, event, form, names)
        return Draft(question, context, None, None, names[form], names[1 - form])
    used = [noun for told, _, _ in events for noun in (told.agent.noun, told.patient.noun)]
    absent = speaker.event(*used, told=0.0)
    return Draft(ask(speaker, absent, form), context, None, None, "", names[form])


def ask_quality(name: str) -> tuple[str, str]:
    """A question for the quality of a being that is called `name`, and its answer or nothing."""
    article, *quality, noun = name.split()
    return f"how is {article} {noun} ?", " ".join(quality)


def story(speaker: Speaker, length: int, told: float = 0.15) -> Story:
    """Events of different beings, each with its sentence and the names of agent and patient.

    `told` is how often a being's quality is told.
    """
    events: Story = []
    used: list[int] = []
    for _ in range(length):
        event = speaker.event(*used, told=told)
        used += [event.agent.noun, event.patient.noun]
        names = (speaker.name(event.agent), speaker.name(event.patient))
        events.append((event, _sentence(speaker, event, names), names))
    return events


def _sentence(speaker: Speaker, event: Event, names: tuple[str, str]) -> str:
    verb = speaker.word(VERBS[event.verb])
    clause = f"{names[0]} is {progressive(verb)} {names[1]}"
    if speaker.chance(PASSIVE):
        clause = f"{names[1]} is {participle(verb)} by {names[0]}"
    return f"{clause} ." if event.place is None else f"{clause} {speaker.place(event.place)} ."


def ask(speaker: Speaker, event: Event, form: int, names: tuple[str, str] | None = None) -> str:
    """A question for the agent (form 0) or the patient (form 1) of an event.

    The other being is called as in `names`, or in any words.
    """
    agent, patient = names or tuple(
        speaker.name(being, told=False) for being in (event.agent, event.patient)
    )
    verb = speaker.word(VERBS[event.verb])
    if speaker.chance(PASSIVE):
        by = f"by whom is {patient} {participle(verb)} ?"
        return by if form == 0 else f"who is {participle(verb)} by {agent} ?"
    who = f"who is {progressive(verb)} {patient} ?"
    return who if form == 0 else f"whom is {agent} {progressive(verb)} ?"


MAKERS: dict[str, Callable[[Speaker], Draft]] = {
    "acceptability": acceptability,
    "sentiment": sentiment,
    "paraphrase": paraphrase,
    "inference": inference,
    "similarity": similarity,
    "span": span,
}
