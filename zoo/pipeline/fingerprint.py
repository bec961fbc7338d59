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
    "latency": ("zoo.latency.stage", "zoo.latency.engine"),
    "board": ("zoo.board.publish",),
    "study": ("zoo.board.studies",),
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
        whole.update(f"{module}\n{bare_code(_file(module).read_text(encoding='utf-8'))}\n".encode())
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
        waiting += _imports(_file(module))
        if "." in module:
            waiting.append(module.rpartition(".")[0])
    return found


def _file(module: str) -> Path:
    path = PACKAGE.parent.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def _exists(module: str) -> bool:
    return _file(module).is_file()


@cache
def _imports(path: Path) -> tuple[str, ...]:
    named: list[str] = []
    tree = ast.parse(path.read_text(encoding="utf-8"))
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
def bare_code(source: str) -> str:
    """The source without comments, docstrings (of fields too) and blank lines.

    Text in other strings stays as it is, blank lines and all.
    """
    lines = source.split("\n")
    unended: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        (row, column), (end_row, _) = token.start, token.end
        if token.type == tokenize.COMMENT:
            lines[row - 1] = lines[row - 1][:column]
        elif tokenize.tok_name[token.type] in _TEXTS:
            unended.update(range(row, end_row))
    for node in ast.walk(ast.parse(source)):
        if _is_docstring(node):
            assert isinstance(node, ast.Expr)
            unended -= _blank(lines, node)
    return "\n".join(
        line if row in unended else line.rstrip()
        for row, line in enumerate(lines, start=1)
        if line.strip() or {row - 1, row} & unended
    )


_TEXTS = ("STRING", "FSTRING_MIDDLE", "TSTRING_MIDDLE")
"""Tokens that may go on over lines; an f-string is one STRING before Python 3.12."""


def _is_docstring(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def _blank(lines: list[str], node: ast.Expr) -> set[int]:
    """Take a string that stands alone out of the lines; returns the rows it reached over."""
    first, last = node.lineno, node.end_lineno or node.lineno
    # Columns count bytes.
    before = lines[first - 1].encode()[: node.col_offset].decode()
    after = lines[last - 1].encode()[node.end_col_offset :].decode()
    lines[first - 1 : last] = [before + after, *([""] * (last - first))]
    return set(range(first, last))
