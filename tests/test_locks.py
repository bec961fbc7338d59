"""A lock belongs to one open file at a time, and ends with it."""

from pathlib import Path

from zoo.locks import taken


def test_a_lock_is_anothers_until_its_file_is_closed(tmp_path: Path) -> None:
    """Who comes second is told at once."""
    path = tmp_path / "lock"
    with path.open("a+b") as second:
        with path.open("a+b") as first:
            assert taken(first)
            assert not taken(second)
        assert taken(second)
