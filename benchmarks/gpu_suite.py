"""A suite on a machine that is lent for minutes, in slices that go on with each other.

    python -m benchmarks.gpu_suite send mini --to build/away                      here
    python -m benchmarks.gpu_suite slice mini --take build/away --to out --minutes 12    there
    python -m benchmarks.gpu_suite take out                                       here

What travels is packed in parts (`--part-mib`), each checked by its sha256, and may be carried part
by part into several folders. Stages are built that train and score; ONNX files and latency are
made where the board is, from the weights that travel.
"""

import argparse
import math
import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path, PurePosixPath
from types import FrameType

from benchmarks.luggage import DATA, LOCK, data_files, keep_in_cache, luggage, stages_left
from benchmarks.parcel import MANIFEST, MIB, Parcel, pack, unpack
from zoo.cli.stage import prepare_environment
from zoo.errors import ZooError
from zoo.paths import Project, find_project, fix_data_folder, write_file
from zoo.pipeline.locks import building_alone
from zoo.pipeline.sync import drift, pipeline_files
from zoo.resolve.entry import read_suite, read_suites
from zoo.signals import answered_by

STOP_SECONDS = 60.0
"""Before the end of a slice, trainings are asked to save; what they have made is packed then."""
GRACE_SECONDS = 30.0
"""Whoever has not ended so long after that is killed."""
SCRIPT = """\
#!/bin/sh
exec {python} -P -c 'from zoo.cli import main; main()' "$@"
"""
"""The command of the stages, where `zoo` is not installed."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the verb that is asked for; its exit code."""
    asked = _parser().parse_args(arguments)
    prepare_environment()
    fix_data_folder()
    try:
        code: int = asked.verb(find_project(), asked)
    except ZooError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return code


def send(project: Project, asked: argparse.Namespace) -> int:
    """Pack the data of a suite, and what is built of it already."""
    suite = read_suite(project, asked.suite)
    found = luggage(project, suite, _most_bytes(asked), {})
    _pack(data_files(suite) | found.files, asked)
    return 0


def take(project: Project, asked: argparse.Namespace) -> int:
    """Leave what slices have made in this checkout."""
    print(f"{len(_taken(project, asked.folders))} files taken")
    return 0


def _taken(project: Project, folders: Sequence[Path]) -> dict[str, str]:
    """The sha256 of every file of the parcels in these folders, each in its place now."""
    parcels = [unpack(each, partial(_place, project)) for each in _parcels(folders)]
    found = {name: sha256 for parcel in parcels for name, sha256 in parcel.files.items()}
    keep_in_cache(_place(project, name) for name in found if PurePosixPath(name).name == LOCK)
    return found


def train(project: Project, asked: argparse.Namespace) -> int:
    """Build what is left of a suite or of some entries, as far as it is built away."""
    from zoo.cli.build import run_stages  # noqa: PLC0415  (what packs needs no builder)

    suites = read_suites(project)
    stale = list(drift(project, pipeline_files(suites)))
    if stale:
        raise ZooError(*stale)
    with building_alone(project, asked.suite, asked.suite) as build:
        stages = stages_left(project, suites[asked.suite], asked.entries)
        print(f"{len(stages)} stages are left", flush=True)
        return run_stages(project, stages, asked.jobs, build) if stages else 0


def slice_of(project: Project, asked: argparse.Namespace) -> int:
    """Take, train until shortly before the end, and pack what is new; the exit code of training."""
    end = time.monotonic() + 60.0 * asked.minutes
    known = _taken(project, asked.take)
    code = _until(end, _training(project, asked))
    suite = read_suite(project, asked.suite)
    found = luggage(project, suite, _most_bytes(asked), known)
    _pack(found.files, asked)
    for stage in found.repeated:
        print(f"{stage}: its weights do not fit in the parcel; it will be trained again")
    return code


def _training(project: Project, asked: argparse.Namespace) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-P", "-m", "benchmarks.gpu_suite", "train", asked.suite]
    command += [*asked.entries, "--jobs", str(asked.jobs)]
    environment = dict(os.environ)
    if _data_folder(project).is_dir():
        environment["ZOO_DATA"] = str(_data_folder(project))
    threads = max(1, (os.cpu_count() or 1) // asked.jobs)
    environment.setdefault("OMP_NUM_THREADS", str(threads))
    paths = [str(Path(__file__).parents[1]), environment.get("PYTHONPATH", "")]
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
    if shutil.which("zoo") is None:
        folder = _script(project).parent
        environment["PATH"] = f"{folder}{os.pathsep}{environment.get('PATH', '')}"
    return subprocess.Popen(command, cwd=project.root, env=environment, process_group=0)  # noqa: S603


def _script(project: Project) -> Path:
    path = project.scratch / "slices" / "bin" / "zoo"
    write_file(path, SCRIPT.format(python=sys.executable))
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def _until(end: float, process: "subprocess.Popen[bytes]") -> int:
    """Wait for it, and ask it to end when its time is over: it saves and ends after a step."""

    def pass_on(number: int, _frame: FrameType | None) -> None:
        process.send_signal(number)

    with process, answered_by(pass_on):
        code = _waited(process, end - STOP_SECONDS - time.monotonic())
        if code is None:
            process.send_signal(signal.SIGTERM)
            code = _waited(process, GRACE_SECONDS)
        if code is None:
            os.killpg(process.pid, signal.SIGKILL)
            code = process.wait()
    return code if code >= 0 else 128 - code


def _waited(process: "subprocess.Popen[bytes]", seconds: float) -> int | None:
    """The exit code, or None where it runs on."""
    try:
        return process.wait(max(0.0, seconds))
    except subprocess.TimeoutExpired:
        return None


def _parcels(folders: Sequence[Path]) -> list[list[Path]]:
    """The folders by what lies in them: each manifest, with the folders of its parts after it."""
    found: list[list[Path]] = []
    for folder in folders:
        if (folder / MANIFEST).is_file() or not found:
            found.append([])
        found[-1].append(folder)
    return found


def _pack(files: dict[str, Path], asked: argparse.Namespace) -> Parcel:
    parcel = pack(files, asked.to, round(asked.part_mib * MIB))
    size = sum(path.stat().st_size for path in files.values()) / MIB
    print(f"{len(files)} files, {size:.1f} MiB, in {len(parcel.parts)} parts: {asked.to}")
    return parcel


def _place(project: Project, name: str) -> Path:
    """Where a file of a parcel belongs."""
    kind, _, path = name.partition("/")
    root = _data_folder(project) if kind == DATA else project.root
    return root / path


def _data_folder(project: Project) -> Path:
    return project.scratch / "slices" / "data"


def _most_bytes(asked: argparse.Namespace) -> float:
    return math.inf if asked.most_mib is None else asked.most_mib * MIB


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gpu_suite",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    packing = argparse.ArgumentParser(add_help=False)
    packing.add_argument("--to", type=Path, required=True, help="the folder of the parcel")
    packing.add_argument("--part-mib", type=float, default=60.0, help="largest part (60)")
    packing.add_argument("--most-mib", type=float, help="weights and states up to this size in all")
    building = argparse.ArgumentParser(add_help=False)
    building.add_argument("suite")
    building.add_argument("entries", nargs="*", help="only these, with what they need")
    building.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="stages at once")

    added = verbs.add_parser("send", parents=[packing], help="pack data, and what is built")
    added.add_argument("suite")
    added.set_defaults(verb=send)
    added = verbs.add_parser("slice", parents=[building, packing], help="take, train, pack")
    added.add_argument("--take", type=Path, nargs="+", default=[], help="folders of parcels")
    added.add_argument("--minutes", type=float, required=True, help="of all of it")
    added.set_defaults(verb=slice_of)
    added = verbs.add_parser("train", parents=[building], help="only train")
    added.set_defaults(verb=train)
    added = verbs.add_parser("take", help="leave what a slice made in this checkout")
    added.add_argument("folders", type=Path, nargs="+")
    added.set_defaults(verb=take)
    return parser


if __name__ == "__main__":
    sys.exit(main())
