"""`zoo list` and `zoo show`."""

import json
from typing import Any

from zoo.cli import study
from zoo.errors import Problem, UsageError, suggestion
from zoo.methods import METHODS, method_name
from zoo.paths import find_project
from zoo.pipeline.recipes import entry_recipe, run_recipes
from zoo.pipeline.table_of_terms import entry_text
from zoo.spec.base import digest
from zoo.spec.load import LoadedSuite, load_suite, load_suites


def list_entries(*, as_json: bool) -> str:
    """Every suite with its teachers, entries and studies."""
    suites = load_suites(find_project(), METHODS)
    listed = [
        line for loaded in suites.values() for line in (*_listed(loaded), *study.listed(loaded))
    ]
    if as_json:
        return json.dumps(listed, indent=1)
    width = max(len(line["entry"]) for line in listed)
    return "\n".join(
        f"{line['entry']:<{width}}  {line['method']:<10}  {line['parameters'] / 1e6:7.2f} M  "
        f"{line['note']}"
        for line in listed
    )


def show(target: str, *, as_json: bool) -> str:
    """One entry or one study in full.

    Raises:
        UsageError: there is neither.
    """
    suite, _, name = target.partition("/")
    loaded = load_suite(find_project(), suite, METHODS)
    if name in loaded.studies:
        return study.show(loaded, name, as_json=as_json)
    known = {**loaded.teachers, **loaded.entries, **loaded.studies}
    if name not in known:
        raise UsageError(
            Problem(
                target, "there is no such entry", ", ".join(sorted(known)), suggestion(name, known)
            )
        )
    if not as_json:
        return entry_text(loaded, name)
    recipe = entry_recipe(loaded, name)
    facts: dict[str, Any] = {
        "entry": target,
        "digest": digest(recipe),
        "runs": {run.key: run.declared for run in run_recipes(loaded, name)},
        "spec": recipe.model_dump(mode="json"),
    }
    return json.dumps(facts, indent=1, sort_keys=True)


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
