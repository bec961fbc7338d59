"""`zoo list` and `zoo show`."""

import json
from typing import Any

from zoo.distil.stage import Stage
from zoo.distil.term import Ramp, Term
from zoo.errors import Problem, UsageError, suggestion
from zoo.methods import METHODS, method_name
from zoo.paths import find_project
from zoo.pipeline.compile import entry_recipe, run_recipes
from zoo.spec.base import digest
from zoo.spec.load import LoadedSuite, load_suite, load_suites
from zoo.spec.recipe import Recipe
from zoo.spec.shape import Shape
from zoo.spec.task import TASKS
from zoo.training.plan import student_stages


def list_entries(*, as_json: bool) -> str:
    """Every suite with its teachers and entries."""
    suites = load_suites(find_project(), METHODS)
    listed = [line for loaded in suites.values() for line in _listed(loaded)]
    if as_json:
        return json.dumps(listed, indent=1)
    width = max(len(line["entry"]) for line in listed)
    return "\n".join(
        f"{line['entry']:<{width}}  {line['method']:<10}  {line['parameters'] / 1e6:7.2f} M  "
        f"{line['note']}"
        for line in listed
    )


def show(target: str, *, as_json: bool) -> str:
    """One entry in full.

    Raises:
        UsageError: there is no such entry.
    """
    suite, _, name = target.partition("/")
    loaded = load_suite(find_project(), suite, METHODS)
    known = {**loaded.teachers, **loaded.entries}
    if name not in known:
        raise UsageError(
            Problem(
                target, "there is no such entry", ", ".join(sorted(known)), suggestion(name, known)
            )
        )
    recipe = entry_recipe(loaded, name)
    facts: dict[str, Any] = {
        "entry": target,
        "digest": digest(recipe),
        "runs": {run.key: run.digest for run in run_recipes(loaded, name)},
        "spec": recipe.model_dump(mode="json"),
    }
    if as_json:
        return json.dumps(facts, indent=1, sort_keys=True)
    lines = [f"{target}  digest {facts['digest'][:12]}", "", *_shapes(recipe)]
    if recipe.student is not None:
        lines += ["", *_plan(recipe, loaded)]
    return "\n".join(lines)


def _listed(loaded: LoadedSuite) -> list[dict[str, Any]]:
    lines = []
    for name in [*sorted(loaded.teachers), *sorted(loaded.entries)]:
        entry = loaded.entries.get(name)
        lines.append(
            {
                "entry": f"{loaded.name}/{name}",
                "method": method_name(entry.method) if entry else "teacher",
                "parameters": entry_recipe(loaded, name).shape.parameters().total,
                "note": (entry or loaded.teachers[name]).note,
            }
        )
    return lines


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


def _plan(recipe: Recipe, loaded: LoadedSuite) -> list[str]:
    """The stages as tables of terms, once for all tasks that share them."""
    by_plan: dict[str, list[str]] = {}
    for task in loaded.suite.tasks:
        text = "\n".join(
            line for stage in student_stages(recipe, task) for line in _stage_lines(stage)
        )
        by_plan.setdefault(text, []).append(task)
    lines = []
    for text, tasks in by_plan.items():
        if len(by_plan) > 1:
            kinds = sorted({TASKS[task].kind.value for task in tasks})
            lines.append(f"on {', '.join(tasks)} ({', '.join(kinds)}):")
        lines.append(text)
    return lines


def _stage_lines(stage: Stage) -> list[str]:
    rows = [("term", "loss", "student", "teacher", "weight"), *map(_term_row, stage.terms)]
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    head = f"stage {stage.name!r} on the {stage.data}"
    if stage.frozen:
        head += f", {', '.join(stage.frozen)} frozen"
    if stage.leave is not None:
        head += f", left when {stage.leave.term} is below {stage.leave.threshold:g}"
    table = [
        "  "
        + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    return [head, *table]


def _term_row(term: Term) -> tuple[str, str, str, str, str]:
    if isinstance(term.weight, Ramp):
        weight = f"{term.weight.start:g} to {term.weight.end:g}"
    else:
        weight = f"{term.weight:g}"
    student = str(term.student) + (f" x {term.project}" if term.project else "")
    return term.name, term.settings, student, str(term.teacher or "labels"), weight
