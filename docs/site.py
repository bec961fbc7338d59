"""What MkDocs cannot know of this project: where its documents lie, and which rooms it has.

Pages keep the paths that they have in the repository, so that a link between documents leads to the
same page on the site and in a checkout.
"""

from collections.abc import Iterator
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parent.parent
FOLDERS = "*/README.md"
BOARDS = "results/*/*.md"
PUBLISHED = ("docs/**/*.md", "*.md", FOLDERS, "benchmarks/*.md", BOARDS, "results/reported.json")
"""All of docs/, the documents at the root, what each top folder says of itself, linked results."""


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Complete the navigation by what the folders hold."""
    methods = ["docs/methods.md", *_below("docs/methods")]
    api = [{room: f"api/{room}.md"} for room in rooms()]
    folders = [_name(path) for path in sorted(ROOT.glob(FOLDERS))]
    boards = [_name(path) for path in sorted(ROOT.glob(BOARDS))]
    sections = {
        "Boards": boards,
        "Methods": methods,
        "Decisions": _below("docs/decisions"),
        "Folders": [*folders, "benchmarks/gpu.md"],
        "API": api,
    }
    config.nav = [*(config.nav or []), *({name: pages} for name, pages in sections.items())]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """The theme's files, the documents and a page for each room, in place of what docs/ holds."""
    theme = (file for file in files if file.src_dir != config.docs_dir)
    return Files([*theme, *_documents(config), *_api(config)])


def rooms() -> dict[str, list[str]]:
    """The modules of every room of `zoo/`, dotted; a module beside the rooms is a room itself."""
    found: dict[str, list[str]] = {}
    for path in sorted((ROOT / "zoo").rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        if parts != ("zoo", "__init__"):
            found.setdefault(parts[1], []).append(".".join(parts).removesuffix(".__init__"))
    return found


def _documents(config: MkDocsConfig) -> Iterator[File]:
    for path in sorted({path for pattern in PUBLISHED for path in ROOT.glob(pattern)}):
        yield File.generated(config, _name(path), abs_src_path=str(path))


def _api(config: MkDocsConfig) -> Iterator[File]:
    for room, modules in rooms().items():
        content = "\n\n".join([f"# {room}", *(f"::: {module}" for module in modules)])
        yield File.generated(config, f"api/{room}.md", content=f"{content}\n")


def _below(folder: str) -> list[str]:
    """The pages of a folder; what the folder says of itself comes first."""
    paths = sorted((ROOT / folder).glob("*.md"), key=lambda path: (path.stem != "README", path))
    return [_name(path) for path in paths]


def _name(path: Path) -> str:
    """A page's name on the site: its path in the repository."""
    return path.relative_to(ROOT).as_posix()
