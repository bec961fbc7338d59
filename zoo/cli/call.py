"""Call the warm process (`zoo/cli/warm.py`), which runs a command in a fork of itself.

No library is imported for it: whoever calls waits for none.
"""

import json
import os
import socket
from collections.abc import Sequence
from contextlib import suppress
from types import FrameType

from zoo.signals import answered_by

WARM = "ZOO_WARM"
"""The environment variable that names the socket of the warm process."""
COLD = "cold"
"""The answer to a call that the warm process does not fit: run it here."""


class WarmCall:
    """A command at work in a fork of the warm process, as `subprocess.Popen` has one."""

    def __init__(self, address: str, arguments: Sequence[str]) -> None:
        """Send the call, with the working folder, the environment and the standard streams.

        Raises:
            OSError: no process listens there.
        """
        self._socket = socket.socket(socket.AF_UNIX)
        self._told = b""
        try:
            self._socket.connect(address)
            call = {
                "arguments": list(arguments),
                "folder": os.getcwd(),  # noqa: PTH109  (pathlib is not worth its import here)
                "environment": dict(os.environ),
            }
            line = json.dumps(call).encode() + b"\n"
            sent = socket.send_fds(self._socket, [line], [0, 1, 2])
            self._socket.sendall(line[sent:])
        except OSError:
            self._socket.close()
            raise

    def answer(self, *, wait: bool) -> str | None:
        """The exit code (negative for a signal) or `cold`; empty if the warm process is gone.

        Without `wait` it is None while the command runs.
        """
        self._socket.setblocking(wait)
        with suppress(BlockingIOError):
            while not self._ended():
                pass
            return self._told.decode().strip()
        return None

    def fileno(self) -> int:
        """What becomes readable when the command ends."""
        return self._socket.fileno()

    def send_signal(self, number: int) -> None:
        """Have a signal sent to the process and those it started."""
        with suppress(OSError):
            self._socket.send(bytes([number]))

    def _ended(self) -> bool:
        """Read on; whether the answer is complete."""
        more = self._socket.recv(64)
        self._told += more
        return not more or self._told.endswith(b"\n")


def call_warm(arguments: Sequence[str]) -> int | None:
    """Run a command of `zoo` in the warm process, if there is one and it fits; its exit code.

    Signals are passed on, and the command ends with this process.
    """
    address = os.environ.pop(WARM, None)  # whoever works for this call calls nobody in turn
    if not address:
        return None
    try:
        call = WarmCall(address, arguments)
    except OSError:
        return None  # its build has ended

    def pass_on(number: int, _frame: FrameType | None) -> None:
        call.send_signal(number)

    with answered_by(pass_on):
        answer = call.answer(wait=True)
    return None if answer == COLD else exit_code(answer or "")


def exit_code(answer: str) -> int:
    """The exit code of a call, as a shell has it; 1 if the warm process is gone."""
    code = int(answer or 1)
    return code if code >= 0 else 128 - code
