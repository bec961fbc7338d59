"""What every test needs: `tests` itself, found after whatever `zoo` is installed, and no clock."""

import signal
import sys
from pathlib import Path

from hypothesis import settings

CHECKOUT = str(Path(__file__).parents[1])

# `python -m pytest` has put it first already; under PYTHONSAFEPATH nobody has. Last, it can give
# `tests` to whoever imports it without hiding an installed `zoo`.
if CHECKOUT not in map(str, map(Path, sys.path)):
    sys.path.append(CHECKOUT)

# A busy machine is no counter-example.
settings.register_profile("zoo", deadline=None)
settings.load_profile("zoo")


def pytest_configure() -> None:
    """Signals that ask for an end do so: a shell's background jobs start with SIGINT ignored."""
    answers = {
        signal.SIGINT: signal.default_int_handler,
        signal.SIGTERM: signal.SIG_DFL,
        signal.SIGHUP: signal.SIG_DFL,
    }
    for number, answer in answers.items():
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, answer)
