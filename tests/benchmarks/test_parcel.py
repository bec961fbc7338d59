"""Parcels: packed in parts, checked, and joined to what was packed."""

import json
from pathlib import Path

import pytest

from benchmarks.parcel import MANIFEST, Parcel, pack, unpack
from zoo.errors import ZooError

CONTENT = {"data/text.tsv": b"good film\t1\n" * 50, "project/weights": bytes(range(256)) * 20}


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    found = {}
    for name, content in CONTENT.items():
        found[name] = tmp_path / "here" / name
        found[name].parent.mkdir(parents=True)
        found[name].write_bytes(content)
    return found


@pytest.fixture
def parcel(tmp_path: Path, files: dict[str, Path]) -> Path:
    pack(files, tmp_path / "parcel", 200)
    return tmp_path / "parcel"


def there(tmp_path: Path) -> dict[str, bytes]:
    root = tmp_path / "there"
    files = (path for path in root.rglob("*") if path.is_file())
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in files}


def test_parts_are_bounded_and_join_to_the_same_bytes(tmp_path: Path, parcel: Path) -> None:
    parts = sorted(parcel.glob("part-*"))
    assert len(parts) > 1
    assert {part.stat().st_size for part in parts[:-1]} == {200}
    unpack([parcel], lambda name: tmp_path / "there" / name)
    assert there(tmp_path) == CONTENT


def test_parts_may_come_in_several_folders(tmp_path: Path, parcel: Path) -> None:
    later = tmp_path / "later"
    later.mkdir()
    (parcel / "part-001").rename(later / "part-001")
    unpack([parcel, later], lambda name: tmp_path / "there" / name)
    assert there(tmp_path) == CONTENT


def test_the_same_files_make_the_same_parcel(
    tmp_path: Path, files: dict[str, Path], parcel: Path
) -> None:
    pack(files, tmp_path / "again", 200)
    assert Parcel.read([tmp_path / "again"]) == Parcel.read([parcel])


def test_a_missing_part_and_a_changed_one_are_named_together(tmp_path: Path, parcel: Path) -> None:
    wanted = Parcel.read([parcel]).parts["part-000"]
    (parcel / "part-000").write_bytes(b"")
    (parcel / "part-001").unlink()
    with pytest.raises(ZooError) as raised:
        unpack([parcel], lambda name: tmp_path / "there" / name)
    assert str(raised.value) == (
        f"{parcel}/part-000: its sha256 is "
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\n"
        f"  allowed: {wanted}\n"
        "  fix: carry the part again, as it was packed\n"
        f"{parcel}: part-001 is missing\n"
        "  fix: carry it, too"
    )
    assert there(tmp_path) == {}


@pytest.mark.parametrize("count", [0, 2])
def test_folders_hold_one_parcel(tmp_path: Path, parcel: Path, count: int) -> None:
    (tmp_path / "empty").mkdir()
    folders = [parcel, parcel] if count else [tmp_path / "empty"]
    with pytest.raises(ZooError) as raised:
        Parcel.read(folders)
    assert str(raised.value) == (
        f"{', '.join(map(str, folders))}: {count} files parcel.json\n"
        "  allowed: one\n"
        "  fix: name the folders of one parcel"
    )


def test_a_file_that_is_not_what_was_packed_takes_no_place(tmp_path: Path, parcel: Path) -> None:
    stated = json.loads((parcel / MANIFEST).read_text(encoding="utf-8"))
    found = stated["files"]["data/text.tsv"]
    stated["files"]["data/text.tsv"] = "0" * 64
    (parcel / MANIFEST).write_text(json.dumps(stated), encoding="utf-8")
    with pytest.raises(ZooError) as raised:
        unpack([parcel], lambda name: tmp_path / "there" / name)
    assert str(raised.value) == (
        f"data/text.tsv: its sha256 is {found}\n  allowed: {'0' * 64}\n  fix: pack the parcel again"
    )
    assert there(tmp_path) == {}


@pytest.mark.parametrize("listed", [True, False])
def test_only_listed_files_below_their_place_are_written(
    tmp_path: Path, files: dict[str, Path], listed: bool
) -> None:
    name = "project/../../out" if listed else "project/unlisted"
    parcel = tmp_path / "parcel"
    pack({name: files["data/text.tsv"]}, parcel, 200)
    if not listed:
        stated = json.loads((parcel / MANIFEST).read_text(encoding="utf-8"))
        (parcel / MANIFEST).write_text(json.dumps(stated | {"files": {}}), encoding="utf-8")
    with pytest.raises(ZooError) as raised:
        unpack([parcel], lambda name: tmp_path / "there" / name)
    assert str(raised.value) == (
        f"{name}: is in the archive\n"
        "  allowed: the files that parcel.json lists\n"
        "  fix: carry the part again, as it was packed"
    )
    assert not (tmp_path / "out").exists()
    assert there(tmp_path) == {}
