"""An estimate as a table for people."""

from collections.abc import Iterable, Iterator

from benchmarks.plan.estimate import HOUR, Estimate, Row

HEADER = (
    f"{'entry':24}{'data':14}{'trainings':>10}{'left':>6}{'M tokens':>10}"
    f"{'student PFLOP':>15}{'teacher PFLOP':>15}{'CPU h':>9}{'measured':>10}{'CPU h left':>12}"
)
OTHER = "other stages"


def estimate_table(found: Estimate) -> str:
    """One line for an entry on a data set, and what is left of the whole."""
    lines = [HEADER, *(_line(rows) for rows in _grouped(found.rows)), *_totals(found)]
    return "\n".join(lines)


def _grouped(rows: Iterable[Row]) -> Iterator[list[Row]]:
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((row.owner, row.data), []).append(row)
    yield from groups.values()


def _line(rows: list[Row]) -> str:
    first = rows[0]
    left = sum(row.trainings for row in rows if not row.built)
    measured = [row.measured_cpu_s for row in rows if row.measured_cpu_s is not None]
    return (
        f"{first.owner:24}{first.data or OTHER:14}"
        f"{_shown(sum(row.trainings for row in rows), 10)}{_shown(left, 6)}"
        f"{_shown(sum(row.tokens for row in rows) / 1e6, 10)}"
        f"{_shown(sum(row.student_flops for row in rows) / 1e15, 15)}"
        f"{_shown(sum(row.teacher_flops for row in rows) / 1e15, 15)}"
        f"{_shown(sum(row.cpu_s or 0.0 for row in rows) / HOUR, 9)}"
        f"{_shown(sum(measured) / HOUR, 10)}"
        f"{_shown(sum(row.left_s for row in rows) / HOUR, 12)}"
    )


def _shown(number: float, width: int) -> str:
    return f"{number:{width}.3g}" if number else " " * width


def _totals(found: Estimate) -> Iterator[str]:
    whole = sum(row.cpu_s or 0.0 for row in found.rows) / HOUR
    wall = f"{found.wall_s / HOUR:.3g} hours with --jobs {found.jobs} on {found.cores} idle cores"
    yield f"\n{found.suite}: {whole:.3g} CPU hours from nothing"
    yield f"left: {found.left_s / HOUR:.3g} CPU hours, {wall}"
    if found.agreement is not None:
        estimated, measured = (seconds / HOUR for seconds in found.agreement)
        yield (
            f"trainings with records: {estimated:.3g} CPU hours estimated, {measured:.3g} by "
            f"their records (seconds x threads), which is {estimated / measured:.2f}"
        )
    if found.unknown:
        some = ", ".join(found.unknown[:3])
        yield f"not counted, as no build has timed them: {len(found.unknown)} stages ({some}, ...)"
