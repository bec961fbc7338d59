"""The board's top rows in the README, between two marks; generated like every other table."""

from collections.abc import Iterator

from zoo.board.publish import published_rows
from zoo.board.render import as_markdown
from zoo.errors import Problem
from zoo.paths import Project, write_file

START, END = "<!-- board: {suite} -->", "<!-- end of board -->"
SUITES = ("mini", "pocket")


def write_readme(project: Project) -> list[str]:
    """Bring the README's boards up to date; returns it if it changed."""
    path = project.root / "README.md"
    if not path.is_file():
        return []
    text = path.read_text(encoding="utf-8")
    fresh = _fresh(project, text)
    if fresh == text:
        return []
    write_file(path, fresh)
    return ["README.md"]


def readme_drift(project: Project) -> Iterator[Problem]:
    """Whether the README shows another board than the records make."""
    path = project.root / "README.md"
    if path.is_file():
        text = path.read_text(encoding="utf-8")
        if _fresh(project, text) != text:
            yield Problem(
                "README.md",
                "shows another board than the records make",
                remedy="run `zoo sync` and commit what it writes",
            )


def _fresh(project: Project, text: str) -> str:
    for suite in SUITES:
        start = START.format(suite=suite)
        if start not in text or not (project.results / suite / "records").is_dir():
            continue
        before, rest = text.split(start, 1)
        _, after = rest.split(END, 1)
        board = as_markdown(published_rows(project, suite), suite)
        _, _, table = board.partition("\n\n")
        text = f"{before}{start}\n\n{table.strip()}\n\n{END}{after}"
    return text
