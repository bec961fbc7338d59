"""`zoo list` and `zoo show`."""

import json
from typing import Any

from zoo.cli import study
from zoo.cli.absence import absence_lines
from zoo.cli.target import entry_target
from zoo.documents.table_of_terms import entry_text
from zoo.paths import find_project
from zoo.resolve.entry import ResolvedSuite, read_suite, read_suites
from zoo.spec.base import digest


def list_entries(*, as_json: bool) -> str:
    """All suites with their teachers, entries and studies."""
    suites = read_suites(find_project())
    listed = [line for suite in suites.values() for line in (*_listed(suite), *study.listed(suite))]
    if as_json:
        return json.dumps(listed, indent=1)
    width = max(len(line["entry"]) for line in listed)
    return "\n".join(
        f"{line['entry']:<{width}}  {line['method']:<10}  {line['parameters'] / 1e6:7.2f} M  "
        f"{line['note']}"
        for line in listed
    )


def show(target: str, *, as_json: bool) -> str:
    """One entry or study in full.

    Raises:
        UsageError: unknown entry or study.
    """
    project = find_project()
    asked = entry_target(project, target)
    resolved, name = read_suite(project, asked.suite), asked.entry
    if name in resolved.loaded.studies:
        return study.show_study(resolved, name, as_json=as_json)
    entry = resolved.entries[name]
    if not as_json:
        skipped = absence_lines(project, resolved.loaded, entry.tasks)
        return "\n".join([entry_text(entry), *(f"\n{line}" for line in skipped)])
    facts: dict[str, Any] = {
        "entry": str(asked),
        "recipe": digest(entry.recipe),
        "runs": entry.declared_runs,
        "spec": entry.recipe.model_dump(mode="json"),
    }
    return json.dumps(facts, indent=1, sort_keys=True)


def _listed(suite: ResolvedSuite) -> list[dict[str, Any]]:
    names = [*sorted(suite.loaded.teachers), *sorted(suite.loaded.entries)]
    return [
        {
            "entry": f"{suite.name}/{name}",
            "method": suite.entries[name].method,
            "parameters": suite.entries[name].recipe.shape.parameters().total,
            "note": suite.entries[name].spec.note,
        }
        for name in names
    ]
