"""Code without text that is only for people: docstrings and error messages.

Whether and where an error is raised is code; its wording is not. Wording means the arguments of
the calls in `TELLERS`, and values of names that are only read there.
"""

import ast
from typing import Any

SPEAKING = ("zoo.errors", "zoo.training.journal")
"""Modules that only produce messages: no number depends on them."""
TELLERS = ("Problem", "Finding", "misfit", "PydanticCustomError")
"""Calls whose arguments are messages: problems of errors, and findings in specs."""


def without_words(source: str) -> ast.Module:
    """The syntax tree of a module, without values that only a function's tellers read."""
    tree = ast.parse(source)
    if any(teller in source for teller in TELLERS):
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef) and (words := _words_of(node)):
                _Without(words).generic_visit(node)
    return tree


def bare_text(node: Any) -> str:
    """The effective code of a tree: no formatting, comments, docstrings or error messages.

    It is the syntax tree as text without empty fields, which differ between Python versions.
    """
    if not isinstance(node, ast.AST):
        return repr(node)
    if isinstance(node, ast.Call) and _name(node.func) in TELLERS:
        # It matters that it reports, not what.
        return f"Call(func={bare_text(node.func)})"
    fields = []
    for name, value in ast.iter_fields(node):
        if isinstance(value, list):
            texts = [bare_text(item) for item in value if not _is_for_people(item)]
            if texts:
                fields.append(f"{name}=[{','.join(texts)}]")
        elif value is not None and name != "type_comment":
            fields.append(f"{name}={bare_text(value)}")
    return f"{type(node).__name__}({','.join(fields)})"


def _is_for_people(node: Any) -> bool:
    """Whether it is a standalone string, which is a docstring, or an import of messages."""
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
    return isinstance(node, ast.ImportFrom) and node.module in SPEAKING


class _Without(ast.NodeTransformer):
    """Removes assignments to names."""

    def __init__(self, names: set[str]) -> None:
        self._names = names

    def visit_Assign(self, node: ast.Assign) -> ast.AST | None:
        return None if _assigned(node) in self._names else self.generic_visit(node)


def _words_of(function: ast.FunctionDef) -> set[str]:
    """The names read only by tellers, or by values of other such names."""
    nodes = list(ast.walk(function))
    told = {id(below) for node in nodes for below in _told(node)}
    if not told:
        return set()
    read = [node for node in nodes if isinstance(node, ast.Name) and _is_read(node)]
    assigns = [node for node in nodes if isinstance(node, ast.Assign)]
    values = [(name, node.value) for node in assigns if (name := _assigned(node)) is not None]
    words: set[str] = set()
    while True:
        silent = told | {id(b) for name, value in values if name in words for b in ast.walk(value)}
        decided = {name.id for name in read if id(name) not in silent}
        found = {name.id for name in read} & {name for name, _ in values} - decided
        if found == words:
            return words
        words = found


def _told(node: ast.AST) -> list[ast.AST]:
    """All nodes below the arguments of a teller."""
    if not (isinstance(node, ast.Call) and _name(node.func) in TELLERS):
        return []
    arguments = [*node.args, *(keyword.value for keyword in node.keywords)]
    return [below for argument in arguments for below in ast.walk(argument)]


def _assigned(node: ast.Assign) -> str | None:
    """The single name that a statement assigns."""
    target = node.targets[0]
    return target.id if len(node.targets) == 1 and isinstance(target, ast.Name) else None


def _name(function: ast.expr) -> str:
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def _is_read(name: ast.Name) -> bool:
    return isinstance(name.ctx, ast.Load)
