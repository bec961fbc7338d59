"""Fingerprints of code: what a stage's imports really reach, without comments and docstrings.

A change of a loss changes the fingerprint of every stage that trains; a change of the board, of a
comment or of a docstring changes none of them. The text is compared, not the syntax tree, so that
every Python version gives the same fingerprint.
"""

import ast
import hashlib
import io
import tokenize
from functools import cache
from pathlib import Path

import zoo

PACKAGE = Path(zoo.__file__).parent

ROOTS = {
    "pretrain": ("zoo.training.run",),
    "transfer": ("zoo.training.run",),
    "train": ("zoo.training.run",),
    "score": ("zoo.evaluation.stage",),
    "gate": ("zoo.evaluation.gate",),
    "export": ("zoo.export.stage",),
    "latency": ("zoo.latency.stage", "zoo.latency.child"),
    "board": ("zoo.board.publish",),
}
BY_METHOD = ("transfer", "train")
"""Stages whose code includes the file of the entry's method."""


def fingerprint(stage: str, method: str | None = None) -> str:
    """sha256 over the code that a kind of stage reaches."""
    roots = [*ROOTS[stage]]
    if method is not None and stage in BY_METHOD:
        roots.append(f"zoo.methods.{method}")
    whole = hashlib.sha256()
    for module in sorted(closure(tuple(roots))):
        whole.update(f"{module}\n{_bare_code(_file(module))}\n".encode())
    return whole.hexdigest()


def closure(roots: tuple[str, ...]) -> set[str]:
    """The zoo's modules that `roots` import, directly or not, and the packages they lie in."""
    found: set[str] = set()
    waiting = list(roots)
    while waiting:
        module = waiting.pop()
        if module in found or not _exists(module):
            continue
        found.add(module)
        waiting += _imports(module)
        if "." in module:
            waiting.append(module.rpartition(".")[0])
    return found


def _file(module: str) -> Path:
    path = PACKAGE.parent.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def _exists(module: str) -> bool:
    return _file(module).is_file()


@cache
def _imports(module: str) -> tuple[str, ...]:
    named: list[str] = []
    tree = ast.parse(_file(module).read_text(encoding="utf-8"))
    skipped = {
        id(node) for block in ast.walk(tree) if _for_types(block) for node in ast.walk(block)
    }
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            named += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            named.append(node.module)
            named += [f"{node.module}.{alias.name}" for alias in node.names]
    return tuple(name for name in named if name.split(".")[0] == "zoo")


def _for_types(node: ast.AST) -> bool:
    """Whether this is an `if TYPE_CHECKING:` block: it never runs."""
    return (
        isinstance(node, ast.If)
        and isinstance(node.test, ast.Name)
        and node.test.id == "TYPE_CHECKING"
    )


@cache
def _bare_code(path: Path) -> str:
    """The source without comments, docstrings (of fields too) and blank lines."""
    source = path.read_text(encoding="utf-8")
    lines = source.splitlines()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column]
    for node in ast.walk(ast.parse(source)):
        if _is_docstring(node):
            assert isinstance(node, ast.Expr)
            for row in range(node.lineno, (node.end_lineno or node.lineno) + 1):
                lines[row - 1] = ""
    return "\n".join(line.rstrip() for line in lines if line.strip())


def _is_docstring(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )
