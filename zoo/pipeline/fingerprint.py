"""Fingerprints of code: what a stage's imports reach, without text that is only for people.

Changing a loss changes the fingerprint of every training stage; changing the board, a comment, a
docstring, the formatting or an error message changes none of them.

Fingerprints have one line per module, so that branches that touch different modules merge.
"""

import ast
import hashlib
import os
from functools import cache
from pathlib import Path
from typing import Any

import zoo
from zoo.pipeline.kinds import TRAIN, StageKind, code_roots
from zoo.pipeline.silence import SPEAKING, Silenced
from zoo.spec.jobs import Job

PACKAGE = Path(zoo.__file__).parent
_PACKAGE_FILE = "__init__.py"

METHOD_FOLDER = "methods"
"""The folder of the methods, and the name of their code parts."""


def code_parts(kind: StageKind, job: Job) -> tuple[str, ...]:
    """The parts of the code that a stage runs: its kind's, and its method's module."""
    method = job.method_file
    return (kind.code, *((f"{METHOD_FOLDER}/{method}",) if method else ()))


def fingerprint(part: str) -> dict[str, str]:
    """The sha256 of every module that a part of the code reaches, by module name.

    For a method, only what it adds to training.
    """
    room, _, method = part.partition("/")
    modules = closure((f"zoo.{room}.{method}",)) if method else closure(code_roots(part))
    if method:
        modules -= closure(code_roots(TRAIN.code))
    return {module: _module_sha256(module) for module in sorted(modules)}


def fingerprint_text(part: str) -> str:
    """A fingerprint as stored on disk: one line per module, sorted by name."""
    return "".join(f"{sha256}  {module}\n" for module, sha256 in fingerprint(part).items())


def _module_sha256(module: str) -> str:
    """The modules of a package, and its templates."""
    file = _file(module)
    templates = sorted((file.parent / "templates").glob("*")) if file.name == _PACKAGE_FILE else ()
    texts = (path.read_text(encoding="utf-8") for path in templates)
    bare = "".join((bare_code(file.read_text(encoding="utf-8")), *texts))
    return hashlib.sha256(bare.encode()).hexdigest()


def closure(roots: tuple[str, ...]) -> set[str]:
    """The zoo's modules that `roots` import, directly or indirectly, and their packages."""
    found: set[str] = set()
    waiting = list(roots)
    while waiting:
        module = waiting.pop()
        if module in found or module in SPEAKING or not _exists(module):
            continue
        found.add(module)
        waiting += _imports(_file(module))
        if "." in module:
            waiting.append(module.rpartition(".")[0])
    return found


def _file(module: str) -> Path:
    path = f"{PACKAGE.parent}/{module.replace('.', '/')}"
    return Path(f"{path}/{_PACKAGE_FILE}" if os.path.isdir(path) else f"{path}.py")  # noqa: PTH112


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
    """Whether this is an `if TYPE_CHECKING:` block, which never runs."""
    return (
        isinstance(node, ast.If)
        and isinstance(node.test, ast.Name)
        and node.test.id == "TYPE_CHECKING"
    )


@cache
def bare_code(source: str) -> str:
    """The effective code of a source: no formatting, comments, docstrings or error messages.

    It is the syntax tree as text without empty fields, which differ between Python versions.
    """
    return _text(Silenced().visit(ast.parse(source)))


def _text(node: Any) -> str:
    if isinstance(node, ast.AST):
        stated = ((name, value) for name, value in ast.iter_fields(node) if name != "type_comment")
        fields = (f"{name}={_text(value)}" for name, value in stated if value not in (None, []))
        return f"{type(node).__name__}({','.join(fields)})"
    if isinstance(node, list):
        return f"[{','.join(map(_text, node))}]"
    return repr(node)
