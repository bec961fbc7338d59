"""Runs `zoo` in forks of a process that has torch loaded: what a stage does, without its start-up.

`python preloaded.py SOCKET LOG` serves; each request holds arguments, folder, environment and the
interpreter that the call takes itself to run in, and comes with the caller's stdout and stderr.
Calls are answered beside each other, and LOG notes where each begins and ends. A call whose
environment has ZOO_TEST_KILL kills itself (SIGKILL) at the second step of training.
"""

import json
import os
import signal
import socket
import sys
import traceback
from pathlib import Path
from typing import NoReturn

from zoo.cli import main
from zoo.training.journal import Journal


def serve(address: str, log: Path) -> NoReturn:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(address)
    listener.listen()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        connection, _ = listener.accept()
        if not os.fork():
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            _answer(connection, log)
        connection.close()


def _answer(connection: socket.socket, log: Path) -> NoReturn:
    payload, streams, *_ = socket.recv_fds(connection, 1 << 20, 2)
    call = json.loads(payload)
    _note(log, "begin", call)
    child = os.fork()
    if not child:
        _run(call, streams)
    _, status = os.waitpid(child, 0)
    _note(log, "end", call)
    connection.sendall(b"0" if status == 0 else b"1")
    os._exit(0)


def _note(log: Path, event: str, call: dict) -> None:
    with log.open("a", encoding="utf-8") as file:
        file.write(" ".join((event, *call["arguments"])) + "\n")


def _run(call: dict, streams: list[int]) -> NoReturn:
    for target, stream in enumerate(streams, start=1):
        os.dup2(stream, target)
    os.chdir(call["folder"])
    os.environ.clear()
    os.environ.update(call["environment"])
    if "ZOO_TEST_KILL" in os.environ:
        Journal.progress = _killed
    sys.argv = ["zoo", *call["arguments"]]
    sys.executable = call["python"]
    code = 1
    try:
        main()
        code = 0
    except SystemExit as stop:
        code = int(stop.code or 0)
    except BaseException:  # noqa: BLE001  (nobody is above it who could tell)
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(code)


def _killed(_journal: Journal, _label: str, step: int, *_: object) -> None:
    if step == 2:
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    serve(sys.argv[1], Path(sys.argv[2]))
