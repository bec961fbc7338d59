"""The table of runtimes as documents show it."""

from zoo.spec.bench import RUNTIMES, Runtime

_HEAD = ("runtime", "engine", "opens", "devices", "extra")


def runtimes_text() -> str:
    """One line per runtime: its engine, input file, devices and the extra that installs it."""
    lines = [_HEAD, ("---",) * len(_HEAD), *map(_line, RUNTIMES.values())]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _line(runtime: Runtime) -> tuple[str, ...]:
    opens = "checkpoint" if runtime.file is None else f"{runtime.file} ONNX file"
    extra = f"`{runtime.engine.requirement}`" if runtime.engine.extra else ""
    return f"`{runtime.name}`", runtime.engine.label, opens, ", ".join(runtime.devices), extra
