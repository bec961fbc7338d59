"""The environment of a measurement: machine, libraries, code."""

import os
import platform
import subprocess
from collections.abc import Iterable
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from zoo.spec.base import Spec

_LIBRARIES = ("distilzoo", "torch", "transformers", "tokenizers", "onnxruntime", "onnx", "numpy")
_CPU_INFO = Path("/proc/cpuinfo")
_CPU_FLAGS = (
    "avx2",
    "avx512f",
    "avx512_vnni",
    "avx512_bf16",
    "avx_vnni",
    "amx_bf16",
    "amx_int8",
    "asimddp",
    "i8mm",
    "sve",
)
"""Instruction sets of x86 and ARM that matter for the speed of int8 and bf16."""


class Environment(Spec):
    """One machine with one set of libraries; part of every result."""

    system: str
    python: str
    processor: str
    cores: int
    instruction_sets: tuple[str, ...]
    device: str
    """`cpu`, or the GPU's name."""
    libraries: dict[str, str]
    commit: str
    """The project's commit; `unknown` outside a checkout, with `+changes` if files differ."""


def capture_environment(
    root: Path, device: str = "cpu", libraries: Iterable[str] = ()
) -> Environment:
    """The environment of this process; `libraries` are listed in addition to the standard ones."""
    return Environment(
        system=platform.system(),
        python=platform.python_version(),
        processor=processor(),
        cores=os.cpu_count() or 1,
        instruction_sets=instruction_sets(cpu_lines()) or (),
        device=device,
        libraries={name: found for name in (*_LIBRARIES, *libraries) if (found := _version(name))},
        commit=_commit(root),
    )


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def cpu_lines(source: Path = _CPU_INFO) -> tuple[str, ...]:
    """Linux's description of the processor; empty elsewhere."""
    try:
        return tuple(source.read_text(encoding="utf-8").splitlines())
    except OSError:
        return ()


def instruction_sets(lines: tuple[str, ...]) -> tuple[str, ...] | None:
    """The first core's relevant instruction sets; None if unknown."""
    for line in lines:
        key, _, flags = line.partition(":")
        if key.strip() in {"flags", "Features"}:
            return tuple(flag for flag in _CPU_FLAGS if flag in flags.split())
    return None


def processor() -> str:
    """The processor's name, as far as the system tells."""
    for line in cpu_lines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


@cache
def _commit(root: Path) -> str:
    try:
        head = _git(root, "rev-parse", "HEAD")
        changed = _git(root, "status", "--porcelain", "--untracked-files=no", "--", "zoo", "specs")
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return f"{head}+changes" if changed else head


def _git(root: Path, *arguments: str) -> str:
    done = subprocess.run(  # noqa: S603
        ["git", "-C", str(root), *arguments],  # noqa: S607
        capture_output=True,
        text=True,
        check=True,
        timeout=20,
    )
    return done.stdout.strip()
