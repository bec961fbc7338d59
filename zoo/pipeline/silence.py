"""Code without text that is only for people: docstrings and error messages.

Whether and where an error is raised is code; its wording is not. Wording means the arguments of
the calls in `TELLERS`, and values of names that are only read there.
"""

import ast

SPEAKING = ("zoo.errors", "zoo.training.journal")
"""Modules that only produce messages: no number depends on them."""
TELLERS = ("Problem", "Finding", "misfit", "PydanticCustomError")
"""Calls whose arguments are messages: problems of errors, and findings in specs."""


class Silenced(ast.NodeTransformer):
    """Removes messages from a syntax tree."""

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        """Remove standalone strings, which are docstrings."""
        is_text = isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        return None if is_text else self.generic_visit(node)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.AST | None:
        """Remove imports from message-only modules."""
        return None if node.module in SPEAKING else node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """Keep a teller's name without its arguments: it matters that it reports, not what."""
        if _name(node.func) in TELLERS:
            return ast.Call(node.func, [], [])
        return self.generic_visit(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        """Remove values that only a function's tellers read."""
        return self.generic_visit(_Without(_words_of(node)).generic_visit(node))


class _Without(ast.NodeTransformer):
    """Removes assignments to names."""

    def __init__(self, names: set[str]) -> None:
        self._names = names

    def visit_Assign(self, node: ast.Assign) -> ast.AST | None:
        return None if _assigned(node) in self._names else self.generic_visit(node)


def _words_of(function: ast.FunctionDef) -> set[str]:
    """The names read only by tellers, or by values of other such names."""
    nodes = list(ast.walk(function))
    read = [node for node in nodes if isinstance(node, ast.Name) and _is_read(node)]
    assigns = [node for node in nodes if isinstance(node, ast.Assign)]
    values = [(name, node.value) for node in assigns if (name := _assigned(node)) is not None]
    told = {id(below) for node in nodes for below in _told(node)}
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
