"""What papers claim, in the figures that boards measure."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from zoo.board.compared import Compared, means_of
from zoo.records.reported import Reported

Figure = Callable[[Compared, Sequence[Compared]], float | None]
"""A figure of an entry's mean, beside the means of all entries; None where it is not measured."""
_Convert = Callable[[float], float]


class Quantity(NamedTuple):
    """What a claim is about, and how boards measure it."""

    text: str
    measure: Figure


def _retention(line: Compared, _: Sequence[Compared]) -> float | None:
    return None if line.retention is None else 100 * line.retention


def _parameters(line: Compared, _: Sequence[Compared]) -> float | None:
    share = line.costs.of_parameters
    return None if share is None else 100 * share


def _time(line: Compared, _: Sequence[Compared]) -> float | None:
    fastest = line.costs.fastest
    return None if fastest is None or fastest.ratio is None else 100 * fastest.ratio


def _above(rival: str) -> Figure:
    """The mean less the best of the rival method's."""

    def points(line: Compared, means: Sequence[Compared]) -> float | None:
        theirs = [other.score for other in means if other.method == rival and other.score]
        return None if line.score is None or not theirs else 100 * (line.score - max(theirs))

    return points


def _with_heads(fewer: int, more: int) -> Figure:
    """The time with fewer heads, of what the same model with more takes."""

    def change(line: Compared, means: Sequence[Compared]) -> float | None:
        own = _form(line)
        if own is None or own.heads != fewer:
            return None
        rivals = [other for other in means if _form(other) == own._replace(heads=more)]
        found = (_change_of_time(line, rival) for rival in rivals)
        return next((value for value in found if value is not None), None)

    return change


class _Form(NamedTuple):
    """What else must be equal where entries of other heads are compared."""

    method: str
    teacher: str
    parameters: int | None
    layers: int | None
    hidden: int | None
    heads: int | None


def _form(line: Compared) -> _Form | None:
    size = next((row.size for row in line.rows if row.size and row.size.heads), None)
    if size is None:
        return None
    whole = line.costs.parameters
    return _Form(line.method, line.teacher, whole, size.layers, size.hidden, size.heads)


def _change_of_time(line: Compared, rival: Compared) -> float | None:
    """In per cent; None unless both were timed beside their teacher in the same way."""
    ours, theirs = line.costs.fastest, rival.costs.fastest
    if ours is None or theirs is None or not ours.ratio or not theirs.ratio:
        return None
    if (ours.runtime, ours.cell) != (theirs.runtime, theirs.cell):
        return None
    return 100 * (ours.ratio / theirs.ratio - 1)


_SCORE = Quantity("score, % of the teacher's", _retention)
_SIZE = Quantity("parameters, % of the teacher's", _parameters)
_TIME = Quantity("time, % of the teacher's", _time)
_SOFT_LABELS = Quantity("points above soft labels", _above("kd"))
_HEADS = Quantity("time with 3 instead of 12 heads, change in %", _with_heads(3, 12))


def _as_it_is(value: float) -> float:
    return value


def _remaining(value: float) -> float:
    return 100 - value


def _inverse(value: float) -> float:
    return 100 / value


CLAIMS: Mapping[str, tuple[Quantity, _Convert]] = {
    "percent of the teacher's mean": (_SCORE, _as_it_is),
    "percent of the teacher's parameters": (_SIZE, _as_it_is),
    "percent fewer parameters than the teacher": (_SIZE, _remaining),
    "percent smaller than BERT-base": (_SIZE, _remaining),
    "times smaller than BERT-base": (_SIZE, _inverse),
    "percent faster than BERT-base on a CPU": (_TIME, lambda value: 100 / (1 + value / 100)),
    "speed-up over BERT-base on a K80 GPU": (_TIME, _inverse),
    "speed-up over 12 x 768": (_TIME, _inverse),
    "points above soft labels": (_SOFT_LABELS, _as_it_is),
    "change of inference time in percent on MNLI at batch size 64": (_HEADS, _as_it_is),
}
"""The quantity of each claimed metric, and how its printed value becomes one."""


class Claimed(NamedTuple):
    """A paper's claim beside one entry of its method."""

    claim: Reported
    entry: Compared
    quantity: str
    published: float
    """In the unit of the quantity."""
    measured: float | None


def claimed(lines: Sequence[Compared], reported: Sequence[Reported]) -> list[Claimed]:
    """Every claim beside every entry of its method."""
    means = means_of(lines)
    found = []
    order = list(CLAIMS)
    claims = [row for row in reported if row.claim]
    for claim in sorted(claims, key=lambda row: (row.method, order.index(row.metric))):
        quantity, convert = CLAIMS[claim.metric]
        published = convert(claim.value)
        found += [
            Claimed(claim, line, quantity.text, published, quantity.measure(line, means))
            for line in means
            if line.method == claim.method
        ]
    return found
