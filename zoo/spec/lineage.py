"""Which entries take which others' weights: what must hold between them before any is built."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pydantic import ValidationError

from zoo.errors import suggestion
from zoo.spec.cross import Catalogue
from zoo.spec.entry import Entry
from zoo.spec.finding import Finding
from zoo.spec.shape import Shape
from zoo.spec.teacher import Teacher
from zoo.spec.weights import DistilledWeights

_OF_THE_TEACHER = ("vocabulary", "positions", "token_types")
"""Fields of a student's shape that no key of its own states."""


def origin_of(spec: Teacher | Entry) -> str | None:
    """The entry whose transferred weights a teacher is, or a student starts from."""
    weights = spec.source if isinstance(spec, Teacher) else spec.student.given
    return weights.entry if isinstance(weights, DistilledWeights) else None


def build_needs(
    teachers: Mapping[str, Teacher], entries: Mapping[str, Entry]
) -> dict[str, list[str]]:
    """By name, what must be built before it."""
    needs = {name: _needs(teacher) for name, teacher in teachers.items()}
    return needs | {name: _needs(entry) for name, entry in entries.items()}


def build_waves(teachers: Mapping[str, Teacher], entries: Mapping[str, Entry]) -> list[list[str]]:
    """All names by name, in waves: what a name needs is in earlier waves.

    Where nobody is made of another entry's weights, these are the teachers and the entries.
    """
    needs = build_needs(teachers, entries)
    wave: dict[str, int] = {}

    def place(name: str) -> int:
        if name not in wave:
            wave[name] = 1 + max((place(needed) for needed in needs[name]), default=-1)
        return wave[name]

    places = {name: place(name) for name in sorted(needs)}
    return [
        [name for name in places if places[name] == number]
        for number in sorted(set(places.values()))
    ]


def build_order(teachers: Mapping[str, Teacher], entries: Mapping[str, Entry]) -> tuple[str, ...]:
    """All names in an order in which they can be built."""
    return tuple(name for wave in build_waves(teachers, entries) for name in wave)


def _needs(spec: Teacher | Entry) -> list[str]:
    taught = [spec.teacher] if isinstance(spec, Entry) else []
    origin = origin_of(spec)
    return taught if origin is None else [*taught, origin]


@dataclass(frozen=True)
class Lineage:
    """The teachers and entries of a suite that have no errors of their own.

    `entry_names` are those of all files: a broken entry is told of in its own file only.
    """

    teachers: Mapping[str, Teacher]
    entries: Mapping[str, Entry]
    entry_names: set[str]
    catalogue: Catalogue

    def of_teacher(self, name: str) -> Iterator[Finding]:
        """What does not fit between a teacher and the entry that it is made of."""
        teacher = self.teachers[name]
        origin = origin_of(teacher)
        if origin is None:
            return
        yield from self._origin_findings(name, origin, ("source", "entry"))
        theirs = self._student_shape(origin)
        for field in Shape.model_fields if theirs else ():
            ours, stated = getattr(teacher.shape, field), getattr(theirs, field)
            if ours != stated:
                given = f"the student of entry {origin!r} has {field} {stated}, not {ours}"
                yield Finding(("source", "shape", field), given, str(stated))

    def of_entry(self, name: str) -> Iterator[Finding]:
        """What does not fit between an entry and the one that its student starts from."""
        entry = self.entries[name]
        origin = origin_of(entry)
        if origin is None:
            return
        yield from self._origin_findings(name, origin, ("student", "start", "entry"))
        ours, theirs = self._student_shape(name), self._student_shape(origin)
        if ours is not None and theirs is not None:
            yield from self._start_findings(entry, origin, ours, theirs)

    def _origin_findings(self, name: str, origin: str, path: tuple[str, ...]) -> Iterator[Finding]:
        if origin not in self.entry_names:
            given = f"there is no entry {origin!r}"
            yield Finding(
                path, given, self._with_corpus_stage(), suggestion(origin, self.entry_names)
            )
            return
        entry = self.entries.get(origin)
        if entry is not None and not self.catalogue.reads_corpus(entry.method):
            given = f"entry {origin!r} has no corpus stageto take weights from"
            yield Finding(path, given, self._with_corpus_stage())
        circle = self._way(origin, name)
        if circle:
            way = " <- ".join((name, *circle))
            remedy = "choose other weights, or another teacher, in one of them"
            yield Finding(path, f"{name!r} depends on itself: {way}", remedy=remedy)

    def _with_corpus_stage(self) -> str:
        reads = self.catalogue.reads_corpus
        found = sorted(name for name, entry in self.entries.items() if reads(entry.method))
        return ", ".join(found) or "an entry whose method has a corpus stage; there is none"

    def _way(self, begin: str, end: str) -> list[str]:
        """The shortest way from `begin` to `end` along what each is made of; empty for none."""
        known: dict[str, list[str]] = {begin: [begin]}
        waiting = [begin]
        for name in waiting:  # grows while it is read
            if name == end:
                return known[name]
            spec = self.teachers.get(name) or self.entries.get(name)
            for needed in _needs(spec) if spec else ():
                if needed not in known:
                    known[needed] = [*known[name], needed]
                    waiting.append(needed)
        return []

    def _student_shape(self, name: str) -> Shape | None:
        """None where the entry or its teacher has errors reported elsewhere."""
        entry = self.entries.get(name)
        teacher = self.teachers.get(entry.teacher) if entry else None
        if entry is None or teacher is None:
            return None
        try:
            return entry.student.shape(teacher.shape)
        except ValidationError:
            return None

    def _start_findings(
        self, entry: Entry, origin: str, ours: Shape, theirs: Shape
    ) -> Iterator[Finding]:
        start = ("student", "start", "entry")
        for field in sorted(set(Shape.model_fields) - {"heads"}):
            our, their = getattr(ours, field), getattr(theirs, field)
            if our == their:
                continue
            if field == "vocabulary":
                given = (
                    f"the tokenizers differ: entry {origin!r} reads {their} tokens and teacher"
                    f" {entry.teacher!r} {our}"
                )
                yield Finding(start, given, "an entry with the same tokenizer")
            elif field in _OF_THE_TEACHER:
                given = f"entry {origin!r} has {field} {their}, and teacher {entry.teacher!r} {our}"
                yield Finding(start, given, f"an entry with {field} {our}")
            else:
                given = f"the student of entry {origin!r} has {field} {their}, not {our}"
                yield Finding(("student", field), given, f"{their}, or another start")
