"""Examples as they come from any source, before they are tokenised."""

from dataclasses import dataclass, field

from zoo.data.index import Index


@dataclass(frozen=True)
class TextExample:
    """One sentence, or a pair, with its label: a class id, a number, or None where hidden."""

    id: str
    first: str
    second: str | None
    label: int | float | None


@dataclass(frozen=True)
class SpanExample:
    """One question on a context; `answers` and their `starts` may be empty (v2.0).

    Starts count characters of the context, from 0; answer k begins at start k.
    """

    id: str
    question: str
    context: str
    answers: tuple[str, ...]
    starts: tuple[int, ...]


Example = TextExample | SpanExample


@dataclass(frozen=True)
class Split:
    """The examples of one split, in file order.

    `skipped` counts malformed rows that the release is known to hold, `moved` the answers that did
    not stand at their offsets. `index` holds the numbers that the file gives its examples.
    """

    name: str
    examples: tuple[Example, ...]
    skipped: int = 0
    moved: int = field(default=0, repr=False)
    index: Index | None = field(default=None, compare=False, repr=False)
