"""An entry as text: its shapes, and its stages as tables of loss terms."""

from collections.abc import Sequence
from itertools import chain

from zoo.distil.stage import Stage
from zoo.distil.surgery import Continue
from zoo.distil.term import Ramp, Term
from zoo.resolve.entry import ResolvedEntry
from zoo.resolve.plan import Phase, words_plan
from zoo.spec.base import digest
from zoo.spec.entry import Entry
from zoo.spec.recipe import AdaptedSource, Recipe
from zoo.spec.shape import Shape
from zoo.spec.student import copied_layers
from zoo.spec.weights import DistilledWeights, HubWeights


def entry_text(entry: ResolvedEntry, tasks: Sequence[str] = ()) -> str:
    """An entry or teacher in full; restricted to `tasks` if given."""
    recipe = entry.recipe
    place = f"{entry.suite_name}/{entry.name}"
    lines = [f"{place}  recipe {digest(recipe)[:12]}", "", *_shapes(recipe)]
    if isinstance(entry.spec, Entry):
        lines.append(f"start: {_start(entry, entry.spec)}")
        lines += ["", *_plan(entry, tasks or entry.tasks)]
    source = recipe.teacher.source
    if not isinstance(entry.spec, Entry) and isinstance(source, AdaptedSource):
        lines += ["", *chain.from_iterable(map(_phase_lines, words_plan(source.words)))]
    return "\n".join(lines)


def _shapes(recipe: Recipe) -> list[str]:
    shapes = {"teacher": recipe.teacher.source.shape}
    if recipe.student is not None:
        shapes["student"] = recipe.student.shape
    return [_shape_line(who, shape) for who, shape in shapes.items()]


def _shape_line(who: str, shape: Shape) -> str:
    count = shape.parameters()
    return (
        f"{who}: {shape.family} {shape.layers} x {shape.hidden}, {shape.heads} heads,"
        f" feed-forward {shape.intermediate}; {count.total:,} parameters without pooler and head"
        f" ({count.embedding:,} in embeddings)"
    )


def _start(entry: ResolvedEntry, spec: Entry) -> str:
    """Where a student's initial weights come from."""
    given, student = spec.student.given, entry.recipe.student
    if isinstance(given, DistilledWeights):
        return f"output of the corpus stages of {given.entry}"
    if given is not None:
        return (
            f"{given.id} from the Hugging Face Hub" if isinstance(given, HubWeights) else given.path
        )
    start = spec.student.start
    assert student is not None
    assert isinstance(start, str | tuple)
    if not entry.plan(entry.tasks[0])[0].stage.surgery.reads_student:
        return "derived from the teacher by the first stage"
    layers = copied_layers(start, student.shape.layers, entry.recipe.teacher.source.shape.layers)
    if not layers:
        return "fresh"
    return f"layers {', '.join(map(str, layers))} of the teacher, counted from 0"


def _plan(entry: ResolvedEntry, tasks: Sequence[str]) -> list[str]:
    """The stages as tables of loss terms, once for all tasks that share them."""
    by_plan: dict[str, list[str]] = {}
    for task in tasks:
        text = "\n".join(line for phase in entry.plan(task) for line in _phase_lines(phase))
        by_plan.setdefault(text, []).append(task)
    lines = []
    for text, alike in by_plan.items():
        if len(by_plan) > 1:
            kinds = sorted({entry.loaded.definition(task).kind.value for task in alike})
            lines.append(f"on {', '.join(alike)} ({', '.join(kinds)}):")
        lines.append(text)
    return lines


def _phase_lines(phase: Phase) -> list[str]:
    stage = phase.stage
    rows = [("term", "loss", "student", "teacher", "weight"), *map(_term_row, stage.terms)]
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    told = [_budget(phase), stage.note, stage.surgery.note(phase.stated_budget), _surgery(stage)]
    table = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    return [_head(stage), *(f"  {line}" for line in (*filter(None, told), *table))]


def _head(stage: Stage) -> str:
    data = {"corpus": "the corpus", "task": "the task", "augmented": "the augmented task"}
    head = f"stage {stage.name!r} on {data[stage.data]}"
    if stage.frozen:
        head += f", {', '.join(stage.frozen)} frozen"
    for part, pace in stage.paces.items():
        head += f", {part} at {pace:g} of the learning rate"
    if stage.leave is not None:
        head += f", stopped when {stage.leave.term} is below {stage.leave.threshold:g}"
    return head


def _budget(phase: Phase) -> str:
    optimise, share = phase.optimise, phase.stage.share
    whole = f"{optimise.steps} steps" if optimise.steps else f"{optimise.epochs:g} epochs"
    part = "" if share == 1.0 else f"{share:.3g} of "
    return (
        f"{part}{whole}, batch size {optimise.batch_size},"
        f" learning rate {optimise.learning_rate:g}, {optimise.decay} after"
        f" {optimise.warmup:.0%} warm-up"
    )


def _surgery(stage: Stage) -> str:
    name = type(stage.surgery).__name__
    return "" if isinstance(stage.surgery, Continue) and name == "Continue" else f"surgery: {name}"


def _term_row(term: Term) -> tuple[str, str, str, str, str]:
    if isinstance(term.weight, Ramp):
        weight = f"{term.weight.start:g} to {term.weight.end:g}"
    else:
        weight = f"{term.weight:g}"
    student = str(term.student) + (f" x {term.project}" if term.project else "")
    return term.name, term.settings, student, str(term.teacher or "labels"), weight
