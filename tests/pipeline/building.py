"""DVC and `zoo` at work in a project, their stages run by a process that has all loaded."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from zoo.paths import Project

PRELOADED = Path(__file__).with_name("preloaded.py")

ZOO = """\
#!{python}
import json, os, socket, sys
server = socket.socket(socket.AF_UNIX)
server.connect({socket!r})
call = {{
    "arguments": sys.argv[1:],
    "folder": os.getcwd(),
    "environment": dict(os.environ),
    "python": {own!r},
}}
socket.send_fds(server, [json.dumps(call).encode()], [1, 2])
sys.exit(int(server.recv(16) or 1))
"""
"""The `zoo` that stands on the path."""

PYTHON = """\
#!/bin/sh
exec {python} "$@"
"""
"""The interpreter beside it: what a call starts in turn finds this `zoo` too."""


@dataclass
class Building:
    """One project, with every stage that runs in it on record."""

    project: Project
    scripts: Path
    log: Path

    def repro(self, target: str = "pipelines/tiny/dvc.yaml", **extra: str) -> int:
        return self.run(sys.executable, "-m", "dvc", "repro", "--quiet", target, **extra).returncode

    def zoo(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.run(str(self.scripts / "zoo"), *arguments)

    def run(self, *command: str, **extra: str) -> subprocess.CompletedProcess[str]:
        path = os.pathsep.join([str(self.scripts), os.environ["PATH"]])
        fixed = {"PATH": path, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "ZOO_DEVICE": "cpu"}
        everything = {**os.environ, **fixed, **extra}
        return subprocess.run(
            command,
            cwd=self.project.root,
            env=everything,
            capture_output=True,
            text=True,
            check=False,
        )

    def ran(self) -> list[str]:
        """The stages that ran since this was last asked, as `<entry>/<stage>`."""
        return [stage for event, stage in self.events() if event == "begin"]

    def events(self) -> list[tuple[str, str]]:
        """The beginnings and ends of stages since this was last asked, in their order."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        self.log.unlink(missing_ok=True)
        words = [line.split() for line in lines]
        return [
            (event, f"{place.removeprefix('tiny/')}/{name}")
            for event, verb, place, name, *_ in (line for line in words if len(line) > 3)
            if verb == "stage"
        ]


@contextmanager
def building(project: Project, aside: Path) -> Iterator[Building]:
    """The project with a `zoo` of its own in the folder `aside`."""
    address, log = aside / "socket", aside / "log"
    scripts = {
        "zoo": ZOO.format(python=sys.executable, socket=str(address), own=str(aside / "python")),
        "python": PYTHON.format(python=sys.executable),
    }
    for name, text in scripts.items():
        (aside / name).write_text(text)
        (aside / name).chmod(0o755)
    command = [sys.executable, str(PRELOADED), str(address), str(log)]
    quiet = {**os.environ, "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=quiet) as server:
        assert server.stdout is not None
        assert server.stdout.readline() == "ready\n"
        yield Building(project, aside, log)
        server.kill()
