"""`zoo check --schema`: print the JSON Schema of a kind of spec file."""

import json

from zoo.errors import Problem, UsageError, suggestion
from zoo.methods import METHODS
from zoo.spec.json_schema import json_schemas


def schema(kind: str) -> str:
    """The JSON Schema of one kind of spec file, for editors.

    Raises:
        UsageError: unknown kind.
    """
    schemas = json_schemas(METHODS.classes)
    if kind not in schemas:
        known = ", ".join(sorted(schemas))
        raise UsageError(
            Problem("--schema", f"{kind!r} has no schema", known, suggestion(kind, schemas))
        )
    return json.dumps(schemas[kind], indent=1)
