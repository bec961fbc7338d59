"""JSON Schema of the spec files, walked for the allowed values in messages."""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from pydantic import BaseModel

from zoo.spec.base import WORDS
from zoo.spec.finding import KeyPath

Node = Mapping[str, Any]

_KINDS = {
    "integer": "a whole number",
    "number": "a number",
    "string": "text",
    "boolean": "true or false",
    "null": "null",
    "object": "a mapping",
}
_BOUNDS = {
    "exclusiveMinimum": "above",
    "minimum": "from",
    "exclusiveMaximum": "below",
    "maximum": "up to",
}


class Schema:
    """The schema of one kind of file, walked along the locations of validation errors."""

    def __init__(self, model: type[BaseModel]) -> None:
        self._root: Node = model.model_json_schema()

    def locate(self, location: KeyPath) -> tuple[KeyPath, Node]:
        """The keys a person wrote, without the labels of unions, and what the last one takes."""
        path: list[str | int] = []
        node = above = self._resolved(self._root)
        for step in location:
            if step == "[key]" and "patternProperties" in above:
                node = {"type": "string", "pattern": next(iter(above["patternProperties"]))}
                continue
            if step == "[key]" or self._is_label(node, step):
                node = self._chosen(node, step)
                continue
            path.append(step)
            above, node = node, self._below(node, step)
        return tuple(path), node

    def keys(self, node: Node) -> list[str]:
        """The keys of a mapping."""
        return sorted(node.get("properties", {}))

    def takes(self, node: Node) -> str:
        """What a value may be, in words."""
        node = self._resolved(node)
        return f"{self._takes(node)}, or null" if node.get("nullable") else self._takes(node)

    def _takes(self, node: Node) -> str:
        if "anyOf" in node:
            return ", or ".join(dict.fromkeys(self.takes(choice) for choice in node["anyOf"]))
        if "enum" in node or "const" in node:
            return ", ".join(map(str, node.get("enum") or [node["const"]]))
        if "discriminator" in node:
            return f"a mapping with the key {node['discriminator']['propertyName']}"
        if "pattern" in node:
            return WORDS.get(node["pattern"], f"text that matches {node['pattern']}")
        if node.get("type") == "array":
            return self._list(node)
        return _KINDS.get(str(node.get("type")), "another value") + _range(node)

    def _list(self, node: Node) -> str:
        least, most, items = node.get("minItems", 0), node.get("maxItems"), node.get("items")
        up_to = f" of at most {most}" if most and most > least else ""
        of = f", each item {self.takes(items)}" if items else ""
        return f"a {'non-empty ' if least else ''}list{up_to}{of}"

    def _below(self, node: Node, step: str | int) -> Node:
        if step in node.get("properties", {}):
            return self._resolved(node["properties"][step])
        fixed = node.get("prefixItems", ())
        if isinstance(step, int) and step < len(fixed):
            return self._resolved(fixed[step])
        of_any_key = next(iter(node.get("patternProperties", {}).values()), None)
        inner = of_any_key or node.get("items", node.get("additionalProperties"))
        return self._resolved(inner) if isinstance(inner, Mapping) else {}

    @staticmethod
    def _is_label(node: Node, step: str | int) -> bool:
        return "anyOf" in node or step in node.get("discriminator", {}).get("mapping", {})

    def _chosen(self, node: Node, step: str | int) -> Node:
        mapping = node.get("discriminator", {}).get("mapping", {})
        if step in mapping:
            return self._resolved({"$ref": mapping[step]})
        if str(step).startswith("tuple"):
            return next(choice for choice in node["anyOf"] if choice.get("type") == "array")
        if str(step).startswith("tagged-union"):
            return next(choice for choice in node["anyOf"] if "discriminator" in choice)
        return node

    def _resolved(self, node: Node) -> Node:
        """`node` with its reference followed; `X | null` is X, marked as nullable."""
        while "$ref" in node:
            node = self._root["$defs"][node["$ref"].rsplit("/", 1)[-1]]
        choices = [choice for choice in node.get("anyOf", ()) if choice.get("type") != "null"]
        if len(choices) == 1:
            return {**self._resolved(choices[0]), "nullable": True}
        return node


@lru_cache(maxsize=16)
def schema_of(model: type[BaseModel]) -> Schema:
    """The schema of a model; made once, and only when a file has errors."""
    return Schema(model)


def _range(node: Node) -> str:
    """The bounds of a number in words."""
    bounds = {key: node[key] for key in _BOUNDS if key in node}
    if node.get("type") == "integer":
        bounds = _inclusive(bounds)
    said = " and ".join(
        f"{word} {_plain(bounds[key])}" for key, word in _BOUNDS.items() if key in bounds
    )
    return re.sub(r"^( from \S+) and up to ", r"\1 to ", f" {said}".rstrip(), count=1)


def _plain(bound: float) -> str:
    """A bound as a person writes it: 1,000 rather than 1000.0."""
    return f"{int(bound):,}" if bound == int(bound) else f"{bound:g}".replace("e-0", "e-")


def _inclusive(bounds: Mapping[str, int]) -> dict[str, int]:
    """Bounds of whole numbers, themselves allowed."""
    shift = {"exclusiveMinimum": ("minimum", 1), "exclusiveMaximum": ("maximum", -1)}
    renamed = ((shift.get(key, (key, 0)), value) for key, value in bounds.items())
    return {key: value + step for (key, step), value in renamed}
