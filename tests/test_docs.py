"""What the documents tell people to type works, and what they name exists."""

import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FOLDERS = ("benchmarks", "docs", "pipelines", "results", "specs", "tests", "zoo")
DOCUMENTS = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md")),
    *(ROOT / folder / "README.md" for folder in FOLDERS),
    *(path for path in sorted((ROOT / "docs").rglob("*.md")) if path != ROOT / "docs/README.md"),
]
COMMANDS = [
    (document.relative_to(ROOT).as_posix(), line.removeprefix("$ "))
    for document in DOCUMENTS
    for block in re.findall(r"```console\n(.*?)```", document.read_text(), flags=re.DOTALL)
    for line in block.splitlines()
    if line.startswith("$ ")
]


def test_there_are_commands() -> None:
    """The tests below test something."""
    assert len(COMMANDS) >= 6


@pytest.mark.parametrize(("document", "command"), COMMANDS)
def test_commands_of_the_documents_work(document: str, command: str) -> None:
    """Every command in a console block ends well in this checkout."""
    words = shlex.split(command)
    assert words[0] == "zoo", document
    call = [sys.executable, "-c", "from zoo.cli import main; main()", *words[1:]]
    done = subprocess.run(call, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_folder_says_what_lies_in_it(folder: str) -> None:
    """And who writes it; as short as that takes."""
    text = (ROOT / folder / "README.md").read_text()
    assert text.startswith(f"# {folder}\n")
    assert re.search("[Ww]ritten by", text)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_between_documents_hold(document: Path) -> None:
    """Relative links lead to files of the project."""
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", document.read_text()):
        assert (document.parent / target).exists(), target


def test_the_readme_names_the_environments_of_tox() -> None:
    """Its two commands run environments that tox.ini has."""
    readme, tox = (ROOT / "README.md").read_text(), (ROOT / "tox.ini").read_text()
    for name in set(re.findall(r"tox -e (\w+)", readme)):
        assert f"[testenv:{name}]" in tox
    assert "-m tox\n" in readme


def test_ci_runs_the_readmes_test_command() -> None:
    """CI and people run the same."""
    commands = (ROOT / ".ci/run").read_text()
    readme = (ROOT / "README.md").read_text()
    for command in (".venv/bin/python -m tox", "python3 -m venv .venv"):
        assert command in commands
        assert command in readme


def test_the_changelog_begins_with_this_version_or_the_next() -> None:
    """Its first section is what is not released yet, or the version that pyproject.toml states."""
    changelog = (ROOT / "CHANGELOG.md").read_text()
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    sections = re.findall(r"^## (.*)$", changelog, flags=re.MULTILINE)
    released = sections[1:] if sections[0] == "Unreleased" else sections
    assert all(re.fullmatch(r"\d+\.\d+\.\d+ - \d{4}-\d{2}-\d{2}", name) for name in released)
    assert sections[0] == "Unreleased" or sections[0].startswith(f"{version} - ")
    kinds = set(re.findall(r"^### (.*)$", changelog, flags=re.MULTILINE))
    assert kinds <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
