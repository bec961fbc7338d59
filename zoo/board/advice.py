"""Which student to take, by a rule that anybody can apply to the records.

Of the students whose mean no other student beats significantly, the smallest, and the fastest if
that is another. Sizes within two per cent are equal, and so are relative times whose intervals
come within two per cent of each other; among equals the best mean is taken.
"""

from collections.abc import Sequence

from zoo.board.compared import Compared
from zoo.board.fastest import Fastest

EQUAL = 1.02
"""Sizes (a pooler, token types) and times (another process) up to this factor are equal."""


def advice(lines: Sequence[Compared]) -> str:
    """A sentence that names the student to take, and short ones on what another would trade.

    Args:
        lines: the means of a board's entries.
    """
    students = [line for line in lines if line.is_student and line.score is not None]
    best = sorted((line for line in students if line.rank and line.rank[0] == 1), key=_by_mean)
    if not best:
        return "No student can be recommended: no task is shared by all entries."
    taken = _smallest(best)
    told = [_taken(taken, best, students)]
    if best[0] is not taken:
        told.append(f"The best mean, not significantly better, is that of {_named(best[0])}.")
    return " ".join((*told, *_smaller(taken, students)))


def _taken(taken: Compared, best: Sequence[Compared], students: Sequence[Compared]) -> str:
    if len(students) == 1:
        return f"Take {_named(taken)}, the only student."
    if len(best) == 1:
        return f"Take {_named(taken)}: its mean is significantly the best of {len(students)}."
    if len(best) == len(students):
        among = f"no mean of the {len(students)} students can be told apart from the others', and"
    else:
        among = (
            f"of the {len(best)} students (of {len(students)}) that no other beats significantly,"
        )
    sizes = [line.costs.parameters or 0 for line in best]
    alike = max(sizes) <= EQUAL * min(sizes)
    size = "has the best mean, and none is smaller" if alike else "is the smallest"
    return f"Take {_named(taken)}: {among} it {size}{_time(taken, best, alike=alike)}."


def _time(taken: Compared, best: Sequence[Compared], *, alike: bool) -> str:
    """What is to be said of the fastest."""
    fastest = _fastest(best)
    if not fastest:
        return ""
    if taken in fastest:
        return " or faster" if alike else ", and none is faster"
    return f"; {_named(min(fastest, key=_by_mean))} is the fastest"


def _named(line: Compared) -> str:
    """Its name, and what it costs and loses beside its teacher."""
    told = []
    if line.costs.of_parameters is not None:
        told.append(f"{100 * line.costs.of_parameters:.0f} % of its teacher's parameters")
    if line.costs.fastest and line.costs.fastest.ratio is not None:
        told.append(f"{100 * line.costs.fastest.ratio:.0f} % of its time")
    if line.against_teacher is not None:
        told.append(f"{100 * line.against_teacher.difference:+.1f} points")
    return f"`{line.entry}`" + (f" ({', '.join(told)})" if told else "")


def _smallest(lines: Sequence[Compared]) -> Compared:
    """The best mean of the smallest."""
    sizes = [line.costs.parameters for line in lines if line.costs.parameters]
    bound = EQUAL * min(sizes, default=0)
    equal = [line for line in lines if line.costs.parameters and line.costs.parameters <= bound]
    return min(equal or lines, key=_by_mean)


def _fastest(lines: Sequence[Compared]) -> list[Compared]:
    """Those whose time, relative to the teacher, may be the smallest; none if nothing was timed."""
    timed = [(line, line.costs.fastest) for line in lines if line.costs.fastest]
    bound = min((_longest(fastest) for _, fastest in timed), default=0.0)
    return [line for line, fastest in timed if _shortest(fastest) <= EQUAL * bound]


def _longest(fastest: Fastest) -> float:
    """The upper end of the relative time."""
    known = (fastest.ratio_high, fastest.ratio)
    return next((ratio for ratio in known if ratio is not None), float("inf"))


def _shortest(fastest: Fastest) -> float:
    known = (fastest.ratio_low, fastest.ratio)
    return next((ratio for ratio in known if ratio is not None), float("inf"))


def _smaller(taken: Compared, students: Sequence[Compared]) -> list[str]:
    """The best of those that are smaller still: all of them are significantly beaten."""
    size = (taken.costs.parameters or 0) / EQUAL
    smaller = [line for line in students if 0 < (line.costs.parameters or 0) < size]
    if not smaller:
        return []
    return [f"Smaller, and significantly worse than some: {_named(min(smaller, key=_by_mean))}."]


def _by_mean(line: Compared) -> tuple[float, str]:
    """The key that puts better means first."""
    return -(line.score or 0.0), line.entry
