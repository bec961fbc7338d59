"""`zoo doctor`: what this machine is, and what of a suite's data and weights it has."""

import json
import os
import shutil
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

import psutil
from dvc.config import Config, ConfigError
from huggingface_hub import constants

from zoo.cli.target import require_known
from zoo.data.at_hand import holdings, is_on_hub, require_intact
from zoo.data.places import Holding
from zoo.errors import ZooError
from zoo.files import read_file
from zoo.paths import Project, data_folder, find_project
from zoo.pipeline.inputs import inputs_job
from zoo.records.environment import cpu_lines, instruction_sets, processor
from zoo.resolve.entry import read_suite
from zoo.spec.jobs import FileInput, Input, TaskInput
from zoo.spec.load import suite_names

HUB_SECONDS = 5.0
CONSTRAINTS = "constraints.txt"
_TOLD = ("torch", "transformers", "tokenizers", "onnxruntime")
_OF_BF16 = ("amx_bf16", "avx512_bf16", "sve")
_OF_INT8 = ("amx_int8", "avx512_vnni", "avx_vnni", "i8mm", "asimddp")


@dataclass(frozen=True)
class Diagnosis:
    """One thing that was looked at."""

    part: str
    """`machine`, or a suite."""
    name: str
    found: str
    state: Literal["fine", "note", "missing"] = "fine"
    """`note`: the zoo works, and here is what may surprise."""
    remedy: str = ""

    def __str__(self) -> str:
        mark = {"fine": " ", "note": "-", "missing": "!"}[self.state]
        fix = f"\n    fix: {self.remedy}" if self.remedy else ""
        return f"{mark} {self.name}: {self.found}{fix}"


def doctor(suite: str | None, *, verify: bool, as_json: bool) -> tuple[str, int]:
    """Look at the machine and at all suites, or one; return the text and the exit code.

    The code is 1 if something is missing that the one suite needs.

    Raises:
        UsageError: there is no such suite, or `ZOO_DATA` names no folder.
        SpecError: the specs are invalid.
    """
    project = find_project()
    suites = suite_names(project)
    if suite is not None:
        require_known(suite, f"there is no suite {suite!r}", suite, suites)
        suites = [suite]
    hub = _hub()
    found = [*_machine(project), hub]
    for name in suites:
        found += _suite(project, name, hub, verify=verify)
    lacking = suite is not None and any(each.state == "missing" for each in found)
    return _as_json(found) if as_json else _as_text(found), int(lacking)


def _as_json(found: list[Diagnosis]) -> str:
    return json.dumps([asdict(each) for each in found], indent=1)


def _as_text(found: list[Diagnosis]) -> str:
    parts = dict.fromkeys(each.part for each in found)
    return "\n".join(
        line
        for part in parts
        for line in (part, *(str(each) for each in found if each.part == part))
    )


def _machine(project: Project) -> Iterator[Diagnosis]:
    yield Diagnosis("machine", "python", sys.version.split()[0])
    yield _libraries(project.root / CONSTRAINTS)
    yield Diagnosis("machine", "processor", f"{processor()}, {os.cpu_count()} cores")
    yield from _instructions(instruction_sets(cpu_lines()))
    yield _device()
    memory, disk = psutil.virtual_memory(), shutil.disk_usage(project.root)
    amount = f"{_gib(memory.available)} available of {_gib(memory.total)}"
    yield Diagnosis("machine", "memory", amount)
    yield Diagnosis("machine", "disk", f"{_gib(disk.free)} free of {_gib(disk.total)}")
    yield _dvc(project.root / ".dvc")
    yield _data()


def _libraries(constraints: Path) -> Diagnosis:
    """The installed libraries that are other versions than the records were made with."""
    if not constraints.is_file():
        return Diagnosis("machine", "libraries", f"not compared: there is no {CONSTRAINTS}", "note")
    lines = read_file(constraints).decode(errors="replace").splitlines()
    pinned = {
        name: wanted for name, _, wanted in (line.partition("==") for line in lines) if wanted
    }
    found = {name: _installed(name) for name in pinned}
    others = [
        f"{name} {found[name]}, not {wanted}"
        for name, wanted in pinned.items()
        if found[name] not in (None, wanted)
    ]
    if not others:
        told = ", ".join(f"{name} {found[name]}" for name in _TOLD if found.get(name))
        return Diagnosis("machine", "libraries", f"{told}; all as in {CONSTRAINTS}")
    remedy = f"`pip install -c {CONSTRAINTS} -e .` for the versions of the published records"
    return Diagnosis("machine", "libraries", "; ".join(others), "note", remedy)


def _installed(name: str) -> str | None:
    """The version of a library, without the name of its build; None if it is not installed."""
    try:
        return version(name).partition("+")[0]
    except PackageNotFoundError:
        return None


def _instructions(found: tuple[str, ...] | None) -> Iterator[Diagnosis]:
    """What the processor computes low precisions with."""
    for precision, wanted in (("bf16", _OF_BF16), ("int8", _OF_INT8)):
        having = [name for name in wanted if name in (found or ())]
        if found is None:
            yield Diagnosis("machine", precision, "unknown: the system does not tell", "note")
        elif having:
            yield Diagnosis("machine", precision, ", ".join(having))
        else:
            given = "no instructions of the processor's own: slower than where it has them"
            yield Diagnosis("machine", precision, given, "note")


def _device() -> Diagnosis:
    import torch

    count = torch.cuda.device_count()
    names = [torch.cuda.get_device_name(number) for number in range(count)]
    return Diagnosis("machine", "device", ", ".join(names) or "cpu: no CUDA device is available")


def _data() -> Diagnosis:
    root = data_folder()
    if root is not None:
        return Diagnosis("machine", "ZOO_DATA", str(root))
    remedy = "set ZOO_DATA to a folder with glue/, squad/, models/, corpus/"
    return Diagnosis("machine", "ZOO_DATA", "not set: data comes from the hub", "note", remedy)


def _hub() -> Diagnosis:
    given = _no_hub()
    remedy = "unset HF_HUB_OFFLINE" if constants.HF_HUB_OFFLINE else "go online"
    if given:
        return Diagnosis("machine", "hub", given, "note", remedy)
    return Diagnosis("machine", "hub", f"{constants.ENDPOINT} answers")


def _no_hub() -> str:
    """Why the hub cannot be reached; empty if it can."""
    if constants.HF_HUB_OFFLINE:
        return "not asked: HF_HUB_OFFLINE is set"
    request = urllib.request.Request(constants.ENDPOINT, method="HEAD")  # noqa: S310
    try:
        urllib.request.urlopen(request, timeout=HUB_SECONDS).close()  # noqa: S310
    except urllib.error.HTTPError:
        return ""  # it has answered
    except (OSError, ValueError) as error:
        return f"{constants.ENDPOINT} does not answer: {error}"
    return ""


def _dvc(folder: Path) -> Diagnosis:
    installed = version("dvc")
    if not folder.is_dir():
        return Diagnosis("machine", "dvc", f"{installed}, not set up here", "note", "`dvc init`")
    try:
        config = Config(str(folder))
    except ConfigError as error:
        return Diagnosis("machine", "dvc", f"{installed}; {error}", "note", "correct .dvc/config")
    default, remotes = config["core"].get("remote"), ", ".join(sorted(config["remote"]))
    told = f"remote {default or remotes}" if remotes else "no remote: builds stay on this machine"
    return Diagnosis("machine", "dvc", f"{installed}, {told}")


def _suite(project: Project, name: str, hub: Diagnosis, *, verify: bool) -> Iterator[Diagnosis]:
    job = inputs_job(read_suite(project, name))
    if not job.inputs:
        yield Diagnosis(name, "inputs", "none: all data is generated")
    for key, given in job.inputs.items():
        try:
            yield _input(name, key, given, hub, verify=verify)
        except ZooError as error:
            problem = error.problems[0]
            told = f"{problem.where}: {problem.given}"
            yield Diagnosis(name, key, told, "missing", problem.remedy)


def _input(suite: str, name: str, given: Input, hub: Diagnosis, *, verify: bool) -> Diagnosis:
    """What every place has of an input; only if none has it, it is missing."""
    places = [*holdings(given)]
    first = next((holding for holding in places if holding.files), None)
    if first is not None and verify:
        require_intact(given, first)
    told, on_hub = "; ".join(map(_told, places)), is_on_hub(given)
    if first is not None:
        return Diagnosis(suite, name, told)
    if on_hub and hub.state == "fine":
        return Diagnosis(suite, name, f"will be downloaded from the hub ({told})")
    remedies = [*(holding.remedy for holding in places), hub.remedy if on_hub else ""]
    remedy = ", or ".join(filter(None, remedies))
    if isinstance(given, TaskInput | FileInput) and given.optional:
        return Diagnosis(suite, name, f"{told}; optional: builds skip it", "note", remedy)
    return Diagnosis(suite, name, told, "missing", remedy)


def _told(holding: Holding) -> str:
    if not holding.files:
        return f"{holding.place}: {holding.lacking}"
    size = sum(path.stat().st_size for path in holding.files.values())
    return f"{holding.place}: {size / 1e6:,.1f} MB"


def _gib(size: int) -> str:
    return f"{size / 2**30:,.1f} GiB"
