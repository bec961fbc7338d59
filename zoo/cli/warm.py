"""The warm process: has imported what stages need, and runs each call in a fork of itself.

`zoo run` starts it with `python -m zoo.cli.warm SOCKET PARENT`, and it ends with it. It computes
nothing, so that a fork is safe. It refuses a call for which its imports may not hold: made with
another environment, or after the code of stages has changed.

A call is a line of JSON with the caller's standard streams; then come numbers of signals to pass
on, one byte each. The answer is a line with the exit code. If the caller ends before its call, the
call is killed.
"""

import gc
import hashlib
import importlib
import json
import os
import selectors
import signal
import socket
import sys
import traceback
from contextlib import suppress
from dataclasses import dataclass
from typing import NoReturn

from zoo.cli import app
from zoo.cli.call import COLD, WARM
from zoo.cli.stage import prepare_environment
from zoo.paths import Project, find_project
from zoo.pipeline.kinds import STAGE_KINDS
from zoo.processes import die_with_parent

READ_ON_USE = (
    "dvc.repo.reproduce",
    "dvc.stage.loader",
    "dvc.stage.run",
    "zoo.cli.reproduce",
)
"""Modules that calls import on use, besides the runners of stages."""
_VARYING = frozenset(
    (WARM, "PATH", "PWD", "OLDPWD", "SHLVL", "_", "LINES", "COLUMNS", "DVC_ROOT", "DVC_STAGE")
)
"""Environment variables that no library reads on import; shells, terminals and DVC set them."""


@dataclass(frozen=True)
class Imports:
    """What the imports of this process were made with."""

    project: Project
    code: str
    environment: dict[str, str]

    def fits(self, environment: dict[str, str]) -> bool:
        """Whether a call would import the same."""
        same = _lasting(environment) == _lasting(self.environment)
        return same and code_sha256(self.project) == self.code


def serve_calls() -> None:
    """Serve until the parent ends; in a fork, run its call."""
    address, parent = sys.argv[1:]
    die_with_parent(int(parent))
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(address)
    listener.listen(128)
    _run(_serve(listener, _load()))


def code_sha256(project: Project) -> str:
    """One hash of all code fingerprints."""
    whole = hashlib.sha256()
    for path in sorted((project.pipelines / "code").rglob("*.txt")):
        whole.update(f"{project.relative(path)}\n".encode() + path.read_bytes())
    return whole.hexdigest()


def _lasting(environment: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name not in _VARYING}


def _load() -> Imports:
    """Import what calls need; the fingerprints are read before: they change first."""
    project = find_project()
    loaded = Imports(project, code_sha256(project), dict(os.environ))
    prepare_environment()
    for module in (*(kind.module for kind in STAGE_KINDS.values()), *READ_ON_USE):
        importlib.import_module(module)
    gc.collect()
    gc.freeze()  # a collection in a fork would copy the memory of all these modules
    return loaded


def _serve(listener: socket.socket, loaded: Imports) -> list[str]:
    """Answer calls; returns in a fork only, with the arguments it is to run."""
    own = os.getpid()
    with selectors.DefaultSelector() as selector:
        selector.register(listener, selectors.EVENT_READ)
        selector.register(sys.stdin, selectors.EVENT_READ)
        while True:
            ready = [key.fileobj for key, _ in selector.select()]
            if sys.stdin in ready:
                listener.close()
                _finish()
            connection, _ = listener.accept()
            if os.fork() == 0:
                break
            connection.close()
            _reap()
    listener.close()
    die_with_parent(own)
    return _answer(connection, loaded)


def _reap() -> None:
    """Wait for those who have answered, so that their time counts as the build's."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _finish() -> NoReturn:
    """`zoo run` makes no more calls: end with the last of those at work."""
    with suppress(ChildProcessError):
        while True:
            os.wait()
    sys.exit(0)


def _answer(connection: socket.socket, loaded: Imports) -> list[str]:
    line, streams = _received(connection)
    if not line:
        os._exit(0)  # the caller is gone
    call = json.loads(line)
    if not loaded.fits(call["environment"]):
        connection.sendall(f"{COLD}\n".encode())
        os._exit(0)
    own = os.getpid()
    child = os.fork()
    if child:
        for stream in streams:
            os.close(stream)
        _attend(connection, child)
    connection.close()
    os.setpgid(0, 0)
    die_with_parent(own)
    _become(call, streams)
    arguments: list[str] = call["arguments"]
    return arguments


def _received(connection: socket.socket) -> tuple[bytes, list[int]]:
    line, streams, _, _ = socket.recv_fds(connection, 1 << 16, 3)
    while line and not line.endswith(b"\n"):
        more = connection.recv(1 << 16)
        line = line + more if more else b""
    return line, streams


def _attend(connection: socket.socket, child: int) -> NoReturn:
    """Pass signals on to the process group of `child`, and its exit code back to the caller."""
    with suppress(OSError):  # whichever of the two is first
        os.setpgid(child, child)
    ended = os.pidfd_open(child)
    with selectors.DefaultSelector() as selector:
        selector.register(connection, selectors.EVENT_READ)
        selector.register(ended, selectors.EVENT_READ)
        while ended not in [key.fd for key, _ in selector.select()]:
            numbers = _signals(connection)
            if not numbers:
                selector.unregister(connection)
            for number in numbers or bytes([signal.SIGKILL]):
                with suppress(ProcessLookupError):
                    os.killpg(child, number)
    _, status = os.waitpid(child, 0)
    with suppress(OSError):
        connection.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())
    os._exit(0)


def _signals(connection: socket.socket) -> bytes:
    """The signals that the caller passes on; none once it is gone."""
    try:
        return connection.recv(64)
    except OSError:
        return b""


def _become(call: dict[str, object], streams: list[int]) -> None:
    """Stand where the caller stands."""
    for target, stream in enumerate(streams):
        os.dup2(stream, target)
        os.close(stream)
    os.chdir(str(call["folder"]))
    environment = call["environment"]
    assert isinstance(environment, dict)
    os.environ.clear()
    os.environ.update(environment)


def _run(arguments: list[str]) -> NoReturn:
    """Run a command of `zoo`, and end without tearing down what only the parent set up.

    ONNX Runtime aborts when it is torn down in a fork: its thread is not there.
    """
    sys.argv = ["zoo", *arguments]
    code = 1
    try:
        app.main()
        code = 0
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else int(bool(stop.code))
    except KeyboardInterrupt:
        code = 128 + signal.SIGINT
    except BaseException:  # noqa: BLE001  (this process has nobody above it who could tell)
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):
                stream.flush()
        os._exit(code)


if __name__ == "__main__":
    serve_calls()
