"""What a command works on: one way to say it, and what is told when it cannot be found."""

from pathlib import Path

import pytest

from zoo.cli.target import Target, entry_target, pipeline_target, suite_or_entry
from zoo.errors import UsageError
from zoo.paths import Project

FILES = (
    "big/suite.yaml",
    "big/teachers/base.yaml",
    "big/kd.yaml",
    "big/studies/heads.yaml",
    "small/suite.yaml",
    "small/teachers/base.yaml",
    "small/pkd.yaml",
)

SUITES = "  allowed: big, small\n  fix: did you mean 'big'?"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Two suites; nothing is read of their files but the names."""
    for file in FILES:
        path = tmp_path / "specs" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return Project(tmp_path)


@pytest.mark.parametrize("given", ["big/kd", "big/base", "big/heads", "small/base"])
def test_a_suite_and_its_entry(project: Project, given: str) -> None:
    """Teachers, entries and studies alike."""
    suite, _, entry = given.partition("/")
    assert entry_target(project, given) == Target(suite, entry)
    assert suite_or_entry(project, given) == (suite, entry)
    assert str(entry_target(project, given)) == given


@pytest.mark.parametrize(("given", "suite"), [("kd", "big"), ("heads", "big"), ("pkd", "small")])
def test_the_suite_may_be_left_out_where_only_one_has_the_entry(
    project: Project, given: str, suite: str
) -> None:
    assert entry_target(project, given) == Target(suite, given)
    assert suite_or_entry(project, given) == (suite, given)


def test_a_suite_alone(project: Project) -> None:
    assert suite_or_entry(project, "big") == ("big", None)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            "base",
            "base: several suites have an entry of this name\n  allowed: big/base, small/base",
        ),
        (
            "kdd",
            "kdd: no suite has this entry\n  allowed: <suite>/<entry>\n  fix: did you mean 'kd'?",
        ),
        ("x", "x: no suite has this entry\n  allowed: <suite>/<entry>\n  fix: see `zoo list`"),
        (
            "bik/kd",
            "bik/kd: there is no suite 'bik'\n  allowed: big, small\n  fix: did you mean 'big'?",
        ),
        (
            "big/kdd",
            (
                "big/kdd: big has no entry 'kdd'\n"
                "  allowed: base, heads, kd\n  fix: did you mean 'kd'?"
            ),
        ),
        ("../big/kd", f"../big/kd: there is no suite '../big'\n{SUITES}"),
        ("big/../kd", f"big/../kd: there is no suite 'big/..'\n{SUITES}"),
        ("big/", "big/: big has no entry ''\n  allowed: base, heads, kd"),
    ],
)
def test_what_cannot_be_found(project: Project, given: str, message: str) -> None:
    """With what there is, and the nearest name."""
    with pytest.raises(UsageError) as caught:
        entry_target(project, given)
    assert str(caught.value) == message


def test_neither_a_suite_nor_an_entry(project: Project) -> None:
    """Both are offered where both may stand."""
    with pytest.raises(UsageError) as caught:
        suite_or_entry(project, "bigg")
    assert str(caught.value) == (
        "bigg: not a suite or an entry\n"
        "  allowed: <suite> or <suite>/<entry>\n"
        "  fix: did you mean 'big'?"
    )


@pytest.mark.parametrize("given", ["pocket", "pocket/", "/board"])
def test_a_pipeline_without_its_suite(given: str) -> None:
    with pytest.raises(UsageError) as caught:
        pipeline_target(given)
    assert str(caught.value) == f"{given}: the suite is missing\n  allowed: <suite>/<entry>"


def test_pipelines_that_are_no_entries() -> None:
    """Boards and inputs have pipelines, too."""
    assert pipeline_target("pocket/board") == Target("pocket", "board")
