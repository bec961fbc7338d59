"""The board's top rows in the README, between two marks; generated like every other table."""

from collections.abc import Iterator

from zoo.board.publish import published_rows
from zoo.board.render import as_markdown
from zoo.errors import Problem, ZooError, at
from zoo.paths import Project, write_file

START, END = "<!-- board: {suite} -->", "<!-- end of board -->"


def write_readme(project: Project) -> list[str]:
    """Bring the README's boards up to date; returns it if it changed.

    Raises:
        ZooError: a board's first mark has no second.
    """
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
    for records in sorted(project.results.glob("[!.]*/records")):
        suite = records.parent.name
        start = START.format(suite=suite)
        if start not in text:
            continue
        before, rest = text.split(start, 1)
        _, end, after = rest.partition(END)
        if not end:
            line = before.count("\n") + 1
            remedy = f"add it where the board of {suite} ends"
            raise ZooError(Problem(at("README.md", line), f"no {END} follows", remedy=remedy))
        board = as_markdown(published_rows(project, suite), suite)
        _, _, table = board.partition("\n\n")
        text = f"{before}{start}\n\n{table.strip()}\n\n{END}{after}"
    return text
