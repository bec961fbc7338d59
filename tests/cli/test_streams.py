"""Output that goes anywhere: other encodings, closed and full streams, readers that leave."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
FULL = (
    "standard output: cannot be written: No space left on device\n"
    "  fix: free some space or fix the permissions; existing files are unchanged\n"
)
ZOO = f"{sys.executable} -c 'from zoo.cli import main; main()'"
needs_full = pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")


def shell(command: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    """A line of bash in the checkout; its status is that of the zoo, wherever it pipes to."""
    return subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command.replace('zoo', ZOO, 1)}"],
        cwd=CHECKOUT,
        env={**os.environ, **environment},
        capture_output=True,
        check=False,
    )


@pytest.mark.parametrize("encoding", ["ascii", "utf-16"])
@pytest.mark.parametrize("verb", ["board --suite mini", "show mini/kd-3l", "--help"])
def test_every_encoding_carries_every_output(verb: str, encoding: str) -> None:
    """What an encoding lacks is escaped."""
    done = shell(f"zoo {verb}", PYTHONIOENCODING=encoding)
    assert (done.returncode, done.stderr) == (0, b"")
    text = done.stdout.decode(encoding)
    if verb.startswith("board"):
        assert ("\\xb1" if encoding == "ascii" else "\u00b1") in text


def test_errors_and_other_locales(tmp_path: Path) -> None:
    """Names that no encoding knows, in messages."""
    done = shell("zoo show mini/\u00e9", PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr.split(b"\n")[0]) == (
        2,
        b"mini/\\xe9: mini has no entry '\\xe9'",
    )
    done = shell("zoo show $'mini/\\xff'", LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0")
    assert done.returncode == 2
    assert b"Traceback" not in done.stderr
    data, answers = tmp_path / "d.json", tmp_path / "a.json"
    question = {"id": "\u00e9", "question": "q", "answers": [{"text": "\u2028", "answer_start": 0}]}
    data.write_text(json.dumps({"data": [{"paragraphs": [{"context": "a", "qas": [question]}]}]}))
    answers.write_text("{}")
    done = shell(f"zoo score squad-v1.1 --data {data} --predictions {answers}", LC_ALL="C")
    assert done.returncode == 1
    assert b"does not occur in the context" in done.stderr
    assert b"Traceback" not in done.stderr


@needs_full
@pytest.mark.parametrize("verb", ["board --suite mini", "list"])
def test_a_full_output_is_told_and_fails(verb: str) -> None:
    """Small outputs, which Python keeps back until the end, and large ones."""
    done = shell(f"zoo {verb} > /dev/full")
    assert (done.returncode, done.stderr.decode()) == (1, FULL)


@needs_full
def test_help_to_a_full_output_is_told() -> None:
    done = shell("zoo --help > /dev/full")
    assert done.returncode == 1
    assert b"cannot be written: No space left on device" in done.stderr
    assert b"Traceback" not in done.stderr


def test_a_reader_that_has_read_enough_is_no_failure_to_speak_of() -> None:
    """Nothing is said, and the status is the one that SIGPIPE gives."""
    done = shell("zoo board --suite mini --format csv | true")
    assert done.stderr == b""
    assert done.returncode in {0, 141}
    done = shell("zoo check --schema suite | (sleep 1; true)")
    assert done.stderr == b""


@pytest.mark.parametrize("closed", [">&-", "<&- >&- 2>&-"])
def test_closed_streams_go_nowhere(closed: str) -> None:
    """No traceback, and no file takes their place."""
    done = shell(f"zoo list {closed}")
    assert (done.returncode, done.stderr) == (0, b"")
    done = shell(f"zoo show nonsense/x {closed}")
    assert done.returncode == 2


@needs_full
def test_a_full_error_stream_ends_nothing() -> None:
    """Progress goes there."""
    assert shell("zoo list 2> /dev/full").returncode == 0
    assert shell("zoo show nonsense/x 2> /dev/full").returncode == 2
