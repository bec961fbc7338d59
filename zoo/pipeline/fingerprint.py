"""Fingerprints of code: what a stage's imports reach, without text that is only for people.

Changing a loss changes the fingerprint of every training stage; changing the board, a comment, a
docstring, the formatting or an error message changes none of them.

Fingerprints have one line per module, so that branches that touch different modules merge.
"""

import ast
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import zoo
from zoo.pipeline.kinds import TRAIN, StageKind, code_roots
from zoo.pipeline.silence import SPEAKING, bare_text, without_words
from zoo.spec.jobs import Job

PACKAGE = Path(zoo.__file__).parent
_PACKAGE_FILE = "__init__.py"

METHOD_FOLDER = "methods"
"""The folder of the methods, and the name of their code parts."""


def code_parts(kind: StageKind, job: Job) -> tuple[str, ...]:
    """The parts of the code that a stage runs: its kind's, and its method's module."""
    method = job.method_file
    return (kind.code, *((f"{METHOD_FOLDER}/{method}",) if method else ()))


@dataclass(frozen=True)
class _Module:
    """What fingerprints need of a module."""

    imports: tuple[str, ...]
    """The names that it imports from the zoo: modules, and what they define."""
    sha256: str
    """Of its code, without text for people; for a package with its templates."""


class Code:
    """The modules of the zoo, each read and parsed once, when it is first needed."""

    def __init__(self, package: Path = PACKAGE) -> None:
        self._files = {_module_name(package, path): path for path in package.rglob("*.py")}
        self._read: dict[str, _Module] = {}

    def fingerprint_text(self, part: str) -> str:
        """A fingerprint as stored on disk: one line per module, sorted by name."""
        lines = self.fingerprint(part).items()
        return "".join(f"{sha256}  {module}\n" for module, sha256 in lines)

    def fingerprint(self, part: str) -> dict[str, str]:
        """The sha256 of every module that a part of the code reaches, by module name.

        For a method, only what it adds to training.
        """
        room, _, method = part.partition("/")
        modules = self.closure((f"zoo.{room}.{method}",) if method else code_roots(part))
        if method:
            modules -= self.closure(code_roots(TRAIN.code))
        return {module: self._module(module).sha256 for module in sorted(modules)}

    def closure(self, roots: tuple[str, ...]) -> set[str]:
        """The zoo's modules that `roots` import, directly or indirectly, and their packages."""
        found: set[str] = set()
        waiting = list(roots)
        while waiting:
            module = waiting.pop()
            if module in found or module in SPEAKING or module not in self._files:
                continue
            found.add(module)
            waiting += (*self._module(module).imports, module.rpartition(".")[0])
        return found

    def _module(self, name: str) -> _Module:
        if name not in self._read:
            self._read[name] = _read(self._files[name])
        return self._read[name]


def _module_name(package: Path, file: Path) -> str:
    module = file.parent if file.name == _PACKAGE_FILE else file.with_suffix("")
    return ".".join(module.relative_to(package.parent).parts)


def _read(file: Path) -> _Module:
    templates = sorted((file.parent / "templates").glob("*")) if file.name == _PACKAGE_FILE else ()
    texts = (path.read_text(encoding="utf-8") for path in templates)
    tree = without_words(file.read_text(encoding="utf-8"))
    imports = tuple(name for name in _imports(tree) if name.split(".")[0] == "zoo")
    whole = "".join((bare_text(tree), *texts))
    return _Module(imports, hashlib.sha256(whole.encode()).hexdigest())


def _imports(block: ast.AST) -> Iterator[str]:
    """All names that a block of statements imports at run time, in functions too."""
    for node in ast.iter_child_nodes(block):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif not isinstance(node, ast.expr) and not _for_types(node):
            yield from _imports(node)


def _for_types(node: ast.AST) -> bool:
    """Whether this is an `if TYPE_CHECKING:` block, which never runs."""
    return (
        isinstance(node, ast.If)
        and isinstance(node.test, ast.Name)
        and node.test.id == "TYPE_CHECKING"
    )
