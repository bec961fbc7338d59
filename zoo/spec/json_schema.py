"""JSON Schema of the spec files, for editors: with the docstrings of fields as descriptions."""

import ast
import inspect
import textwrap
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema

from zoo.spec.base import Spec
from zoo.spec.entry import MethodSpec, entry_model
from zoo.spec.own_task import OwnTask
from zoo.spec.study import Study
from zoo.spec.suite import Suite
from zoo.spec.teacher import Teacher


def json_schemas(methods: Mapping[str, type[MethodSpec]]) -> dict[str, dict[str, Any]]:
    """JSON Schema of suite.yaml, and of the file of a teacher, an entry, a study, an own task."""
    models: dict[str, type[BaseModel]] = {
        "suite": Suite,
        "teacher": Teacher,
        "entry": entry_model(methods),
        "study": Study,
        "task": OwnTask,
    }
    schemas = {
        name: model.model_json_schema(schema_generator=_Described) for name, model in models.items()
    }
    suite = schemas["suite"]
    alone = {"required": suite.pop("required")}  # an extended suite has what this one leaves out
    return schemas | {"suite": suite | {"if": {"required": ["extends"]}, "else": alone}}


class _Described(GenerateJsonSchema):
    """Describes fields by their docstrings.

    Pydantic could (`use_attribute_docstrings`), but reads the source of every class for it on every
    import, and only editors ask for descriptions.
    """

    def model_schema(self, schema: Any) -> dict[str, Any]:
        """The schema of one model."""
        plain: dict[str, Any] = super().model_schema(schema)
        told = _docstrings(schema["cls"])
        for name, field in plain.get("properties", {}).items():
            if name in told:
                field.setdefault("description", told[name])
        return plain


def _docstrings(model: type[BaseModel]) -> dict[str, str]:
    """The docstrings of a model's fields, of inherited ones too."""
    found: dict[str, str] = {}
    for base in reversed(model.__mro__):
        if issubclass(base, Spec):
            (definition,) = ast.parse(textwrap.dedent(inspect.getsource(base))).body
            assert isinstance(definition, ast.ClassDef)
            for field, told in pairwise(definition.body):
                if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
                    found |= _docstring(field.target.id, told)
    return found


def _docstring(field: str, node: ast.stmt) -> dict[str, str]:
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return {field: inspect.cleandoc(str(node.value.value))}
    return {}
