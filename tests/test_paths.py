"""Files are written wholly or not at all, and nothing leaves the project."""

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from zoo.errors import UsageError, ZooError
from zoo.paths import (
    Project,
    data_folder,
    find_project,
    fix_data_folder,
    new_folder,
    replace_folder,
    write_file,
)

FULL = "cannot be written: No space left on device\n  fix: free some space or fix the permissions"


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing that is written reaches the disk."""

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)


def test_a_file_is_written_with_its_folders(tmp_path: Path) -> None:
    """Text or bytes, over what was there, readable to all, and nothing beside it."""
    path = tmp_path / "a/b.txt"
    write_file(path, "ä")
    assert path.read_bytes() == "ä".encode()
    write_file(path, b"new")
    assert path.read_bytes() == b"new"
    assert path.stat().st_mode & 0o777 == 0o644
    assert os.listdir(path.parent) == ["b.txt"]  # noqa: PTH208


@pytest.mark.usefixtures("full_disk")
def test_a_full_disk_leaves_the_old_file(tmp_path: Path) -> None:
    """The message names the file; neither half a file nor a temporary one stays."""
    path = tmp_path / "kept.txt"
    path.write_text("old")
    with pytest.raises(ZooError, match=FULL) as caught:
        write_file(path, "new")
    assert caught.value.problems[0].where == str(path)
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [("kept.txt", "old")]


def test_a_place_that_cannot_hold_a_file_is_told(tmp_path: Path) -> None:
    """A file stands where a folder is wanted."""
    (tmp_path / "file").write_text("")
    with pytest.raises(ZooError, match=r"file/x\.txt: cannot be written: "):
        write_file(tmp_path / "file/x.txt", "")


def test_a_new_folder_takes_the_old_ones_place(tmp_path: Path) -> None:
    """Wholly: what only the old one held is gone."""
    target = tmp_path / "target"
    for name in ("one", "two"):
        with new_folder(target) as folder:
            (folder / name).write_text("")
            assert folder != target
    assert [path.name for path in target.iterdir()] == ["two"]
    assert [path.name for path in tmp_path.iterdir()] == ["target"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, FileNotFoundError])
def test_a_folder_that_was_not_finished_leaves_the_old_one(tmp_path: Path, error: Any) -> None:
    """The error goes on as it is: that a file to read is missing does not become a full disk."""
    target = old_folder(tmp_path)
    with pytest.raises(error), new_folder(target) as folder:
        fail_half_way(folder, error)
    assert [path.name for path in tmp_path.iterdir()] == ["target"]
    assert [path.name for path in target.iterdir()] == ["old"]


def test_a_disk_that_fills_up_inside_a_folder_is_told(tmp_path: Path) -> None:
    """Whatever library was writing."""
    target = old_folder(tmp_path)
    with pytest.raises(ZooError, match=f"target: {FULL}"), new_folder(target):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert [path.name for path in target.iterdir()] == ["old"]


def test_a_folder_that_cannot_be_moved_gives_its_place_back(tmp_path: Path) -> None:
    """The old folder returns if the new one cannot take its place."""
    target = old_folder(tmp_path)
    with pytest.raises(FileNotFoundError):
        replace_folder(tmp_path / "not there", target)
    assert [path.name for path in tmp_path.iterdir()] == ["target"]
    assert [path.name for path in target.iterdir()] == ["old"]


def fail_half_way(folder: Path, error: type[BaseException]) -> None:
    (folder / "half").write_text("")
    raise error


def old_folder(root: Path) -> Path:
    target = root / "target"
    target.mkdir()
    (target / "old").write_text("")
    return target


@pytest.mark.parametrize("path", ["..", "../x", "a/../../x", "/etc/passwd"])
def test_paths_cannot_leave_the_project(tmp_path: Path, path: str) -> None:
    """By dots, or by beginning at the root."""
    with pytest.raises(UsageError) as caught:
        Project(tmp_path).inside(path)
    told = f"{path}: this path is outside the project\n  allowed: a path below {tmp_path}"
    assert str(caught.value) == told


def test_links_cannot_leave_the_project(tmp_path: Path) -> None:
    """What a link points to counts, not where it lies."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in/link").symlink_to(tmp_path)
    with pytest.raises(UsageError, match="outside the project"):
        Project(tmp_path / "in").inside("link/x")
    assert Project(tmp_path / "in").inside("a/../b") == tmp_path / "in/b"


def test_paths_are_told_from_the_root(tmp_path: Path) -> None:
    """And whole where they lie elsewhere."""
    project = Project(tmp_path / "in")
    assert project.relative(tmp_path / "in/specs/x.yaml") == "specs/x.yaml"
    assert project.relative(tmp_path / "out") == str(tmp_path / "out")


def test_a_project_is_found_from_below(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever in it one stands."""
    (tmp_path / "specs").mkdir()
    (tmp_path / "a/b").mkdir(parents=True)
    assert find_project(tmp_path / "a/b") == Project(tmp_path)
    monkeypatch.chdir(tmp_path / "a")
    assert find_project() == Project(tmp_path)


def test_a_folder_outside_any_project_is_told(tmp_path: Path) -> None:
    """With what is looked for."""
    with pytest.raises(UsageError) as caught:
        find_project(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path}: this folder is not part of a zoo\n"
        "  allowed: a folder that contains specs/, or one below it\n"
        "  fix: cd into a checkout of the zoo"
    )


def test_the_data_folder_is_the_named_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Relative paths count from the working folder, `~` is the home; none where none is named."""
    (tmp_path / "home/data").mkdir(parents=True)
    (tmp_path / "here/below").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path / "here")
    for named, expected in (
        (str(tmp_path), tmp_path),
        ("below", tmp_path / "here/below"),
        ("./below/", tmp_path / "here/below"),
        ("../home/data", tmp_path / "home/data"),
        ("~/data", tmp_path / "home/data"),
        ("", None),
    ):
        monkeypatch.setenv("ZOO_DATA", named)
        assert data_folder() == expected
    monkeypatch.delenv("ZOO_DATA")
    assert data_folder() is None


def test_a_relative_data_folder_is_fixed_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stages run in the project's root, wherever somebody typed the command."""
    (tmp_path / "here/data").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("ZOO_DATA", "data")
    fix_data_folder()
    monkeypatch.chdir(tmp_path)
    assert data_folder() == tmp_path / "here/data"
    monkeypatch.delenv("ZOO_DATA")
    fix_data_folder()
    assert data_folder() is None


@pytest.mark.parametrize(
    ("named", "given"),
    [
        ("absent", "HERE/absent: there is no such folder"),
        ("~nobody-of-this-name/x", "HERE/~nobody-of-this-name/x: there is no such folder"),
        ("file", "HERE/file: this is a file"),
    ],
)
def test_a_data_folder_that_is_none_is_told_resolved(
    named: str, given: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it was named, and where that leads."""
    (tmp_path / "file").write_text("")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ZOO_DATA", named)
    with pytest.raises(UsageError) as caught:
        data_folder()
    assert str(caught.value).replace(str(tmp_path), "HERE") == (
        f"ZOO_DATA={named}: {given}\n"
        "  allowed: a folder laid out as GLUE and SQuAD: glue/<TASK>/, squad/, models/,"
        " corpus/\n"
        "  fix: name an existing folder (relative to the working folder), or unset "
        "ZOO_DATA"
    )
