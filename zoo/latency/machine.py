"""What the processor says about itself where it can be read: clock policy and instruction sets."""

from pathlib import Path
from typing import Literal

from zoo.latency.report import NOT_AVAILABLE

_GOVERNOR = Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
_CPU = Path("/proc/cpuinfo")
_SETS = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "avx_vnni", "amx_bf16", "amx_int8")


def cpu_governor(source: Path = _GOVERNOR) -> str:
    """The frequency policy of the first core, or "not available"."""
    try:
        return source.read_text().strip()
    except OSError:
        return NOT_AVAILABLE


def instruction_sets(source: Path = _CPU) -> tuple[str, ...] | Literal["not available"]:
    """Those of the sets that int8 and bf16 speed depends on which this processor has."""
    try:
        lines = source.read_text().splitlines()
    except OSError:
        return NOT_AVAILABLE
    for line in lines:
        key, _, flags = line.partition(":")
        if key.strip() == "flags":
            return tuple(name for name in _SETS if name in flags.split())
    return NOT_AVAILABLE
