"""Every method has its page, and what the index says of it is so."""

import re
import shutil
from pathlib import Path

import pytest

from zoo.distil.method import MisfitError, Setting
from zoo.methods import METHODS, method_class, names, stages_of
from zoo.paths import Project
from zoo.spec.load import load_suite
from zoo.spec.shape import Shape

ROOT = Path(__file__).parent.parent
TEACHER = Shape(layers=4, hidden=48, heads=4, intermediate=96, vocabulary=600, positions=64)
SECTIONS = ["Terms", "YAML", "Cost", "Choices", "Published against measured"]
LINES = {
    cells[0].split("]")[0].strip("[ "): [cell.strip() for cell in cells]
    for line in (ROOT / "docs/methods.md").read_text().splitlines()
    if line.startswith("| [")
    for cells in [line.strip("|").split("|")]
}


def page(method: str) -> str:
    return (ROOT / f"docs/methods/{method}.md").read_text()


def fits(method: str, **change: int) -> bool:
    """Whether the method, as it is by default, takes a student changed like that."""
    made = method_class(method)
    student = made.example(TEACHER).model_copy(update=change)
    try:
        stages_of(made(), Setting(student, TEACHER, "classification"))
    except MisfitError:
        return False
    return True


def test_index_and_folder_are_the_methods() -> None:
    """None is missing, none is left over."""
    pages = {path.stem for path in (ROOT / "docs/methods").glob("*.md")}
    assert set(LINES) == pages == set(names())


@pytest.mark.parametrize("method", names())
def test_the_index_says_what_the_code_does(method: str) -> None:
    """Stages, corpus, taps, and which shapes it takes."""
    made = method_class(method)
    setting = Setting(made.example(TEACHER), TEACHER, "classification")
    table = stages_of(made(), setting)
    _, paper, stages, corpus, taps, width, heads = LINES[method]
    assert paper.startswith("[") == (method != "finetune")
    if method != "internal":
        assert stages.split(", ") == [stage.name for stage in table]
    assert corpus == ("yes" if made.reads_corpus else "no")
    seen = {tap.site.value for s in table for t in s.terms for tap in (t.student, t.teacher) if tap}
    assert set(taps.split(", ")) == seen
    assert width == ("yes" if fits(method, hidden=24, intermediate=48) else "no")
    assert heads == ("yes" if fits(method, heads=2) else "no")


@pytest.mark.parametrize("method", names())
def test_a_page_has_its_sections_and_blocks(method: str) -> None:
    """In one order; its terms are of an entry of the method, its numbers the method's."""
    text = page(method)
    assert text.startswith(f"# {method}\n")
    assert re.findall(r"^## (.*)$", text, flags=re.MULTILINE) == SECTIONS
    assert "**Choose it**" in text
    assert "**Not**" in text
    (shown,) = re.findall(r"^<!-- show: glue/(\S+).* -->$", text, flags=re.MULTILINE)
    suite = load_suite(Project(ROOT), "glue", METHODS)
    assert suite.entries[shown].method.name == method
    assert f"<!-- numbers: {method} -->" in text


@pytest.mark.parametrize("method", names())
def test_the_yaml_of_a_page_is_an_entry(method: str, tmp_path: Path) -> None:
    """It checks in the suite it is written for, and is of this method."""
    (block,) = re.findall(r"```yaml\n(.*?)```", page(method), flags=re.DOTALL)
    shutil.copytree(ROOT / "specs/glue", tmp_path / "specs/glue")
    (tmp_path / "specs/glue/of-the-page.yaml").write_text(block)
    loaded = load_suite(Project(tmp_path), "glue", METHODS)
    assert loaded.entries["of-the-page"].method.name == method
