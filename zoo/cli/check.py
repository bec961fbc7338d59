"""`zoo check`: are all specs right?"""

import json

from zoo.errors import Problem, SpecError, UsageError, suggestion
from zoo.methods import METHODS
from zoo.paths import find_project
from zoo.spec.load import load_suites
from zoo.spec.schema import json_schemas


def check(*, as_json: bool) -> str:
    """Load every suite.

    Raises:
        SpecError: with all problems; as JSON when that is asked for.
    """
    try:
        suites = load_suites(find_project(), METHODS)
    except SpecError as error:
        if not as_json:
            raise
        problems = [vars(problem) for problem in error.problems]
        raise SpecError(_Verbatim(json.dumps({"problems": problems}, indent=1))) from None
    counts = {
        name: {"teachers": len(loaded.teachers), "entries": len(loaded.entries)}
        for name, loaded in suites.items()
    }
    if as_json:
        return json.dumps({"problems": [], "suites": counts}, indent=1)
    return "\n".join(
        f"{name}: {count['teachers']} teachers, {count['entries']} entries, all right"
        for name, count in counts.items()
    )


def schema(kind: str) -> str:
    """The JSON Schema of one kind of file, for editors.

    Raises:
        UsageError: there is no such kind.
    """
    schemas = json_schemas(METHODS.classes)
    if kind not in schemas:
        known = ", ".join(sorted(schemas))
        raise UsageError(
            Problem("--schema", f"{kind!r} has no schema", known, suggestion(kind, schemas))
        )
    return json.dumps(schemas[kind], indent=1)


class _Verbatim(Problem):
    """A problem that is already the text to print."""

    def __init__(self, text: str) -> None:
        super().__init__(where="", given=text)

    def __str__(self) -> str:
        return self.given
