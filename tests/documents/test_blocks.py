"""Boards, tables of terms and numbers between the marks of documents."""

import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace

import pytest

from zoo.board.publish import Board
from zoo.cli.show import show
from zoo.cli.sync import published_boards
from zoo.documents.blocks import document_drift, write_documents
from zoo.errors import ZooError
from zoo.paths import Project
from zoo.resolve.entry import ResolvedSuite, read_suites

CHECKOUT = Path(__file__).parents[2]
House = tuple[Project, Mapping[str, ResolvedSuite], Mapping[str, Board]]
DRIFT = "generated blocks are out of date with specs and records"


@pytest.fixture(scope="session")
def memory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a machine remembers of the published records, so that they are checked once."""
    return tmp_path_factory.mktemp("memory")


@pytest.fixture
def house(tmp_path: Path, memory: Path) -> House:
    """A project with the checkout's pocket suite and its published records."""
    shutil.copytree(CHECKOUT / "specs/pocket", tmp_path / "specs/pocket")
    (tmp_path / "results").mkdir()
    (tmp_path / "results/pocket").symlink_to(CHECKOUT / "results/pocket")
    (tmp_path / ".zoo").symlink_to(memory)
    shutil.copy(CHECKOUT / "results/reported.json", tmp_path / "results/reported.json")
    project = Project(tmp_path)
    suites = read_suites(project)
    return project, suites, published_boards(project, suites)


Write = Callable[[str], SimpleNamespace]


@pytest.fixture
def write(house: House) -> Write:
    """Writes docs/a/page.md; gives it with the functions under test."""
    page = house[0].root / "docs/a/page.md"
    page.parent.mkdir(parents=True)

    def with_text(text: str) -> SimpleNamespace:
        page.write_text(text)
        return SimpleNamespace(
            page=page,
            sync=lambda: write_documents(*house),
            drift=lambda: [str(problem) for problem in document_drift(*house)],
        )

    return with_text


@pytest.mark.parametrize(
    ("mark", "shown"),
    [
        ("board: pocket", "| kd-2l | kd |"),
        ("show: pocket/kd-2l", "soft_labels(temperature=2.0, scaled=True, over=rows)"),
        ("show: pocket/teacher-4l", "teacher: bert 4 x 64"),
        ("numbers: kd", "| pocket | kd-2l | sentiment | accuracy |"),
        ("table: runtimes", "| `onnx-int8` | ONNX Runtime | int8 ONNX file | cpu |  |"),
        ("columns: latency.csv", "| `overhead_ms` | ms |  | median overhead of the harness"),
    ],
)
def test_a_block_is_written_and_kept(write: Write, mark: str, shown: str) -> None:
    """Between its marks and nowhere else; drift is told and mended, also after the next change."""
    document = write(f"# A\n<!-- {mark} -->\nold\n<!-- end -->\nafter\n")
    assert document.drift() == [
        f"docs/a/page.md: {DRIFT}\n  fix: run `zoo sync` and commit the result"
    ]
    assert document.page.read_text().count("old") == 1
    assert document.sync() == ["docs/a/page.md"]
    text = document.page.read_text()
    assert shown in text
    assert text.startswith(f"# A\n<!-- {mark} -->\n\n")
    assert text.endswith("\n\n<!-- end -->\nafter\n")
    assert (document.sync(), document.drift()) == ([], [])
    document.page.write_text(text.replace(shown, "another"))
    assert document.drift()


def test_show_is_what_zoo_show_prints(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of it, or the plan of one task."""
    document = write("<!-- show: pocket/mlkd-2l -->\n\n<!-- end -->\n")
    document.sync()
    monkeypatch.chdir(document.page.parent)
    printed = show("pocket/mlkd-2l", as_json=False)
    whole = document.page.read_text()
    assert f"```text\n{printed}\n```" in whole
    document = write("<!-- show: pocket/mlkd-2l on similarity -->\n\n<!-- end -->\n")
    document.sync()
    one = document.page.read_text()
    assert whole.count("stage 'samples'") > one.count("stage 'samples'") == 1
    assert "a regression has no classes" in one


def test_readme_and_docs_are_all_looked_at(write: Write) -> None:
    """Several blocks in several files; a file without marks stays as it is."""
    block = "<!-- board: pocket -->\n<!-- end -->\n<!-- numbers: kd -->\n<!-- end -->\n"
    document = write(block)
    root = document.page.parents[2]
    (root / "README.md").write_text(f"# Zoo\n\n{block}")
    (root / "docs/plain.md").write_text("# Plain <!-- a remark -->\n")
    assert document.sync() == ["README.md", "docs/a/page.md"]
    assert (root / "README.md").read_text().count("| kd-2l | kd |") == 1
    assert (root / "docs/plain.md").read_text() == "# Plain <!-- a remark -->\n"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "# A\n<!-- board: pocket -->\n",
            r"docs/a/page.md:2: no <!-- end --> follows\n  fix: add it where the board block ends",
        ),
        (
            "<!-- show: pocket/kd-2l -->\n<!-- numbers: kd -->\n<!-- end -->\n",
            r"docs/a/page.md:1: no <!-- end --> follows\n  fix: add it where the show block ends",
        ),
        (
            "\n\n<!-- show: pocket/kd-2 -->\n<!-- end -->\n",
            r"page.md:3: there is no entry 'pocket/kd-2'\n  allowed: pocket/.*\n  fix: did you",
        ),
        (
            "<!-- show: packet/kd-2l -->\n<!-- end -->\n",
            r"page.md:1: there is no entry 'packet/kd-2l'(.|\n)*did you mean 'pocket/kd-2l'",
        ),
        (
            "<!-- show: pocket/kd-2l on mnli -->\n<!-- end -->\n",
            r"page.md:1: pocket/kd-2l has no task 'mnli'\n  allowed: sentiment, ",
        ),
        (
            "<!-- numbers: kdd -->\n<!-- end -->\n",
            r"page.md:1: there is no method 'kdd'\n  allowed: .*internal, kd, (.|\n)*mean 'kd'",
        ),
        (
            "<!-- table: runtime -->\n<!-- end -->\n",
            r"page.md:1: there is no table 'runtime'\n  allowed: runtimes\n  fix: did you mean 'r",
        ),
        (
            "<!-- columns: latency -->\n<!-- end -->\n",
            r"page.md:1: there is no table 'latency'\n  allowed: comparison.csv, lat",
        ),
        (
            "<!-- board: packet -->\n<!-- end -->\n",
            r"page.md:1: there is no suite 'packet'\n  allowed: pocket\n  fix: did you mean",
        ),
        (
            "<!-- bord: pocket -->\n<!-- end -->\n",
            r"unknown block 'bord'\n  allowed: board, show, numbers, table, columns\n  fix: .*'b",
        ),
    ],
)
def test_a_wrong_mark_is_told_by_file_and_line(write: Write, text: str, told: str) -> None:
    """When writing and when checking."""
    document = write(text)
    for verb in (document.sync, document.drift):
        with pytest.raises(ZooError, match=told):
            verb()
    assert document.page.read_text() == text


def test_wrong_marks_are_told_together_and_nothing_is_written(write: Write) -> None:
    """Also what is right in other files stays until all marks are."""
    document = write("<!-- numbers: kdd -->\n<!-- end -->\n<!-- board: pocket -->\n")
    readme = document.page.parents[2] / "README.md"
    readme.write_text("<!-- board: pocket -->\n<!-- end -->\n")
    with pytest.raises(ZooError) as caught:
        document.sync()
    assert [problem.where for problem in caught.value.problems] == [
        "docs/a/page.md:1",
        "docs/a/page.md:3",
    ]
    assert "kd-2l" not in readme.read_text()


def test_a_project_without_documents_has_none_to_write(
    house: House,
) -> None:
    """Nothing is made up."""
    assert write_documents(*house) == []
    assert list(document_drift(*house)) == []


def test_what_was_computed_before_is_checked_without_a_numerical_library(house: House) -> None:
    """`zoo sync --check` reads what this machine remembers; tables and blocks need no arrays."""
    root = house[0].root
    (root / "README.md").write_text("<!-- board: pocket -->\n<!-- end -->\n")
    heavy = {"numpy", "pandas", "pyarrow", "scipy", "sklearn", "torch"}
    code = f"""
import sys
from zoo.cli.sync import check_synced
try:
    check_synced()
finally:
    print(*sorted({heavy} & sys.modules.keys()))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=False
    )
    assert "pipelines/pocket/kd-2l/dvc.yaml: missing" in done.stderr
    assert f"README.md: {DRIFT}" in done.stderr
    assert done.stdout == "\n"
