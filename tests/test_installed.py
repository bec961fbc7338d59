"""The tests run what was installed: a wheel is never hidden by the checkout beside it."""

import subprocess
import sys
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest

import zoo
from tests.conftest import CHECKOUT
from zoo.pipeline import fingerprint


def wheel() -> Path | None:
    """The `zoo` that a wheel installed; None where an editable install leads to the checkout."""
    try:
        files = distribution("distilzoo").files or []
    except PackageNotFoundError:
        return None
    found = [file for file in files if file.as_posix() == "zoo/__init__.py"]
    return Path(str(found[0].locate())).resolve() if found else None


def is_hidden(imported: str | None) -> bool:
    """Whether `zoo` came from elsewhere although a wheel is installed."""
    installed = wheel()
    return installed is not None and Path(imported or "").resolve() != installed


def test_an_installed_wheel_is_what_is_tested() -> None:
    """Here, where fingerprints read the same code."""
    assert not is_hidden(zoo.__file__), "set PYTHONSAFEPATH=1, as tox does"
    assert Path(zoo.__file__ or "").parent == fingerprint.PACKAGE


def test_processes_that_tests_start_run_the_wheel_too() -> None:
    """Where the checkout is the working folder."""
    command = [sys.executable, "-c", "import zoo; print(zoo.__file__)"]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=True)
    assert not is_hidden(done.stdout.strip())
    assert done.stdout.strip() == zoo.__file__


@pytest.mark.parametrize("lists_code", [True, False], ids=["wheel", "editable"])
def test_only_a_wheel_can_be_hidden(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lists_code: bool
) -> None:
    """An editable install lists no code of its own: what it leads to is the checkout."""
    about, code = tmp_path / "distilzoo-9.dist-info", tmp_path / "zoo/__init__.py"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: distilzoo\nVersion: 9\n")
    listed = "zoo/__init__.py,,\n" if lists_code else "_distilzoo.pth,,\n"
    (about / "RECORD").write_text(f"{listed}distilzoo-9.dist-info/METADATA,,\n")
    code.parent.mkdir()
    code.touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    assert is_hidden(str(Path(CHECKOUT, "zoo/__init__.py"))) is lists_code
    assert not is_hidden(str(code))
