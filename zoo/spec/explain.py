"""Pydantic's errors as problems: file, line, key, what was given, allowed, how to fix it."""

import difflib
import json
import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from zoo.errors import Problem, suggestion
from zoo.spec.finding import Finding, KeyPath
from zoo.spec.schema import Node, Schema, schema_of
from zoo.spec.yaml import Document

_LONGEST = 60
_MISSING = "this key is missing"


def explain(error: ValidationError, document: Document, model: type[BaseModel]) -> list[Problem]:
    """Every error of one file, in the order of its lines, one per place."""
    found = findings_of(error, model)
    in_order = sorted(found, key=lambda finding: (document.order(finding.path), str(finding.path)))
    return [document.problem(finding) for finding in in_order]


def findings_of(error: ValidationError, model: type[BaseModel]) -> list[Finding]:
    """Every error of one value, one per place."""
    schema = schema_of(model)
    found: dict[KeyPath, Finding] = {}
    covered: set[KeyPath] = set()
    all_details = error.errors(include_url=False)
    places = [schema.locate(details["loc"]) for details in all_details]
    for details, (path, node) in zip(all_details, places, strict=True):
        tell = _TELLERS.get(details["type"], _wrong_value)
        finding = tell(details, path, node, schema)
        found.setdefault(finding.path, finding)
    for details, (path, node) in zip(all_details, places, strict=True):
        # The nearer a problem, the better it helps; a list is too short of what is right in it.
        told_below = "anyOf" in node or details["type"] == "too_short"
        if told_below and any(_is_above(path, other) for other in found):
            covered.add(path)
    missing = {path for path, finding in found.items() if finding.given == _MISSING}
    covered |= missing & {_meant(details, schema) for details in all_details}
    return [finding for path, finding in found.items() if path not in covered]


def _is_above(path: KeyPath, other: KeyPath) -> bool:
    return len(other) > len(path) and other[: len(path)] == path


def _meant(details: ErrorDetails, schema: Schema) -> KeyPath:
    """The key that an unknown one was meant to be: it need not be reported as missing too."""
    path, _ = schema.locate(details["loc"])
    if details["type"] != "extra_forbidden":
        return ()
    known = schema.keys(schema.locate(details["loc"][:-1])[1])
    return (*path[:-1], *difflib.get_close_matches(str(path[-1]), known, n=1))


def _wrong_value(details: ErrorDetails, path: KeyPath, node: Node, schema: Schema) -> Finding:
    given, allowed = details["input"], schema.takes(node)
    if details["type"] == "finite_number":
        allowed = allowed.replace("a number", "a finite number")
    return Finding(path, f"given {_shown(given)}", allowed, _remedy(given, allowed, node))


def _missing_key(_details: ErrorDetails, path: KeyPath, node: Node, schema: Schema) -> Finding:
    return Finding(path, _MISSING, schema.takes(node), f"add {path[-1]!r}")


def _unknown_key(details: ErrorDetails, path: KeyPath, _node: Node, schema: Schema) -> Finding:
    known = schema.keys(schema.locate(details["loc"][:-1])[1])
    remedy = suggestion(str(path[-1]), known) or "remove it"
    return Finding(path, "there is no such key", ", ".join(known), remedy)


def _misfit(details: ErrorDetails, path: KeyPath, _node: Node, _schema: Schema) -> Finding:
    context = details["ctx"]
    path = (*path, context["key"]) if context["key"] else path
    return Finding(path, context["given"], context["allowed"])


def _refused(details: ErrorDetails, path: KeyPath, _node: Node, _schema: Schema) -> Finding:
    """A validator of a method that raised a plain ValueError."""
    given, _, allowed = str(details["ctx"]["error"]).partition("; allowed: ")
    return Finding(path, given, allowed)


def _no_tag(details: ErrorDetails, path: KeyPath, node: Node, _schema: Schema) -> Finding:
    """A mapping without its `kind` or `name`."""
    key, names = _tags(node)
    near = difflib.get_close_matches(key, details["input"], n=1)
    remedy = f"rename {near[0]!r} to {key!r}" if near else f"add {key!r}"
    return Finding((*path, key), _MISSING, ", ".join(names), remedy)


def _wrong_tag(details: ErrorDetails, path: KeyPath, node: Node, _schema: Schema) -> Finding:
    key, names = _tags(node)
    tag = details["input"][key]
    remedy = suggestion(str(tag), names)
    return Finding((*path, key), f"given {_shown(tag)}", ", ".join(names), remedy)


def _tags(node: Node) -> tuple[str, list[str]]:
    discriminator = node["discriminator"]
    return str(discriminator["propertyName"]), sorted(discriminator["mapping"])


_TELLERS: dict[str, Callable[[ErrorDetails, KeyPath, Node, Schema], Finding]] = {
    "missing": _missing_key,
    "extra_forbidden": _unknown_key,
    "misfit": _misfit,
    "value_error": _refused,
    "union_tag_not_found": _no_tag,
    "union_tag_invalid": _wrong_tag,
}


def _shown(value: Any) -> str:
    """A value as it might appear in the file, shortened."""
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    text = repr(value) if isinstance(value, str) else json.dumps(value, default=str)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."


def _remedy(given: Any, allowed: str, node: Node) -> str:
    """How to fix common mistakes: quotes, yes and no, a fraction, a misspelt word."""
    wants_number = "number" in allowed and not allowed.startswith("a list")
    if isinstance(given, str) and wants_number and re.fullmatch(r"[-+.\deE]+", given):
        return "write it without quotes"
    if allowed == "true or false" and str(given).lower() in ("yes", "on", "true", "1"):
        return "write true"
    if allowed == "true or false" and str(given).lower() in ("no", "off", "false", "0"):
        return "write false"
    if node.get("type") == "string" and isinstance(given, int | float):
        return "write it in quotes"
    if isinstance(given, float) and given.is_integer() and "whole number" in allowed:
        return f"write {given:.0f}"
    words = [word for choice in (node, *node.get("anyOf", ())) for word in choice.get("enum", ())]
    return suggestion(given, words) if isinstance(given, str) else ""
