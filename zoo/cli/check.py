"""`zoo check`: validate all specs."""

import json

from zoo.cli.absence import absence_lines
from zoo.errors import SpecError
from zoo.methods import METHODS
from zoo.paths import find_project
from zoo.spec.load import load_suites


def check(*, as_json: bool) -> tuple[str, int]:
    """Load every suite; return the text to print and the exit code.

    Raises:
        SpecError: all problems, unless requested as JSON.
    """
    project = find_project()
    try:
        suites = load_suites(project, METHODS)
    except SpecError as error:
        if not as_json:
            raise
        problems = [vars(problem) for problem in error.problems]
        return json.dumps({"problems": problems, "suites": {}}, indent=1), error.exit_code
    counts = {
        name: {
            "teachers": len(loaded.teachers),
            "entries": len(loaded.entries),
            "studies": len(loaded.studies),
            **({"own tasks": len(loaded.own)} if loaded.own else {}),
        }
        for name, loaded in suites.items()
    }
    if as_json:
        return json.dumps({"problems": [], "suites": counts}, indent=1), 0
    lines = [
        f"{name}: {', '.join(f'{number} {what}' for what, number in count.items())}: all valid"
        for name, count in counts.items()
    ]
    skipped = (
        line
        for loaded in suites.values()
        for line in absence_lines(project, loaded, loaded.suite.tasks)
    )
    return "\n".join([*lines, *skipped]), 0
