"""The table of runtimes as documents show it."""

from zoo.spec.bench import RUNTIMES, Runtime

_HEAD = ("runtime", "engine", "opens", "devices")


def runtimes_text() -> str:
    """A line for each runtime: what runs it, what it opens, and where it runs."""
    lines = [_HEAD, ("---",) * len(_HEAD), *map(_line, RUNTIMES.values())]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _line(runtime: Runtime) -> tuple[str, ...]:
    opens = "checkpoint" if runtime.file is None else f"{runtime.file} ONNX file"
    return f"`{runtime.name}`", runtime.engine.label, opens, ", ".join(runtime.devices)
