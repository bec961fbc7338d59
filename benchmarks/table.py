"""Costs as tables: of every engine, and of us against the best of the others."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from benchmarks.cases import Case
from benchmarks.measure import Cost


@dataclass(frozen=True)
class Comparison:
    """What one case cost at one precision: each engine by round; the first of them is ours."""

    case: Case
    precision: str
    costs: Mapping[str, Sequence[Cost]]

    @property
    def ours(self) -> Sequence[Cost]:
        """Our own costs, by round."""
        return next(iter(self.costs.values()))

    @property
    def others(self) -> tuple[str, ...]:
        """The other engines."""
        return tuple(self.costs)[1:]

    def ratios(self, engine: str) -> list[float]:
        """Our CPU seconds relative to those of an engine, by round."""
        pairs = zip(self.ours, self.costs[engine], strict=False)
        return [ours.cpu_s / theirs.cpu_s for ours, theirs in pairs]

    @property
    def best(self) -> str:
        """The engine beside which we look worst."""
        return max(self.others, key=lambda engine: median(self.ratios(engine)))


def engines_table(comparisons: Sequence[Comparison]) -> str:
    """Every engine's CPU seconds, and ours relative to them: median [smallest, largest]."""
    head = ("work", "precision", "engine", "rounds", "steps", "CPU s", "ours relative to it")
    rows = [
        (
            comparison.case.label,
            comparison.precision,
            engine,
            str(len(costs)),
            str(costs[0].steps),
            _spread([cost.cpu_s for cost in costs], 1),
            _spread(comparison.ratios(engine), 3) if engine in comparison.others else "",
        )
        for comparison in comparisons
        for engine, costs in comparison.costs.items()
    ]
    return _markdown(head, rows)


def goals_table(comparisons: Sequence[Comparison]) -> str:
    """What each goal asks, and what it gets."""
    head = ("work", "precision", "best of the others", "ours relative to it", "goal", "met")
    rows = [
        (
            comparison.case.label,
            comparison.precision,
            comparison.best,
            _spread(found, 3),
            f"<= {comparison.case.goal:g}",
            "yes" if median(found) <= comparison.case.goal else "no",
        )
        for comparison in comparisons
        if comparison.others
        for found in [comparison.ratios(comparison.best)]
    ]
    return _markdown(head, rows)


def differences_table(differences: Mapping[str, float]) -> str:
    """The check in front, by engine."""
    rows = [(engine, f"{largest:.1e}") for engine, largest in differences.items()]
    return _markdown(("engine", "largest difference of a weight after three steps"), rows)


def _spread(values: Sequence[float], digits: int) -> str:
    middle, *ends = (f"{value:.{digits}f}" for value in (median(values), min(values), max(values)))
    return f"{middle} [{', '.join(ends)}]" if len(values) > 1 else middle


def _markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
