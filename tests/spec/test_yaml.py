"""YAML is read by the 1.2 core schema, with the line of every key."""

import math
from pathlib import Path

import pytest

from zoo.errors import SpecError
from zoo.files import REGULAR
from zoo.spec.yaml import Document, read_yaml


def read(tmp_path: Path, text: str | bytes) -> Document:
    path = tmp_path / "a.yaml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return read_yaml(path, "a.yaml")


def message(tmp_path: Path, text: str | bytes) -> str:
    with pytest.raises(SpecError) as caught:
        read(tmp_path, text)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),
        ("yes", "yes"),
        ("on", "on"),
        ("y", "y"),
        ("true", True),
        ("False", False),
        ("tRUE", "tRUE"),
        ("~", None),
        ("null", None),
        ("", None),
        ("nULL", "nULL"),
        ("5e-5", 5e-5),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("5.", 5.0),
        ("+1.5", 1.5),
        ("-0", 0),
        ("0o17", 15),
        ("017", 17),
        ("0x1F", 31),
        ("0b11", "0b11"),
        ("1_000", "1_000"),
        ("1:30", "1:30"),
        ("2026-01-31", "2026-01-31"),
        ("1e", "1e"),
        (".", "."),
        ("-", (None,)),
        (".inf", math.inf),
        ("-.INF", -math.inf),
        ("'5'", "5"),
        ('"true"', "true"),
        ('""', ""),
        ("|\n  5\n", "5\n"),
        (">\n  no\n", "no\n"),
        ("[1, 2.0, x]", (1, 2.0, "x")),
        ("{}", {}),
        ("٣", "٣"),
    ],
)
def test_scalars_follow_the_core_schema(tmp_path: Path, text: str, value: object) -> None:
    """What stands in the file is read as YAML 1.2 reads it, not as 1.1 does."""
    found = read(tmp_path, f"a: {text}" if text != "-" else "a:\n  -").content["a"]
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize("text", [".nan", ".NaN", ".NAN"])
def test_not_a_number_is_read(tmp_path: Path, text: str) -> None:
    """The core schema's three spellings."""
    assert math.isnan(read(tmp_path, f"a: {text}").content["a"])


def test_lines_of_keys_and_items(tmp_path: Path) -> None:
    """Every key and every item has its line; what is absent has its parent's."""
    document = read(tmp_path, "# note\na:\n  b: 1\n  c:\n    - x\n\n    - {d: 2,\n       e: 3}\n")
    assert {path: document.line(path) for path in document.lines} == {
        (): 2,
        ("a",): 2,
        ("a", "b"): 3,
        ("a", "c"): 4,
        ("a", "c", 0): 5,
        ("a", "c", 1): 7,
        ("a", "c", 1, "d"): 7,
        ("a", "c", 1, "e"): 8,
    }
    assert document.line(("a", "z", "y")) == 2
    assert document.line(("z",)) == 2


def test_line_ends_of_other_systems_count_once(tmp_path: Path) -> None:
    """CR LF ends one line, and a byte order mark is no character."""
    document = read(tmp_path, b"\xef\xbb\xbfa: 1\r\nb: 2\r\n")
    assert document.content == {"a": 1, "b": 2}
    assert document.line(("b",)) == 2


@pytest.mark.parametrize("text", ["", "# only a comment\n", "---\n"])
def test_an_empty_file_has_no_content(tmp_path: Path, text: str) -> None:
    assert read(tmp_path, text).content is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            b"a: 1\nb: \xff\n",
            "a.yaml:2: this is not UTF-8 text\n  fix: save the file as UTF-8",
        ),
        (
            "é: ééé\nb: \x01\n",
            ("a.yaml:2: unprintable character U+0001\n  allowed: printable text\n  fix: remove it"),
        ),
        (
            "a: &x 1\nb: *x\nc: !!str 1\n? [d]\n: 1\nb: 2\n",
            (
                "a.yaml:1: a: a YAML anchor\n  fix: write the values out in each place\n"
                "a.yaml:2: b: a YAML alias\n  fix: write the values out in each place\n"
                "a.yaml:3: c: the YAML tag !!str\n  fix: remove it\n"
                "a.yaml:4: a key that is not plain text\n  fix: write a word\n"
                "a.yaml:6: b: duplicate of the key at line 2\n  fix: keep one"
            ),
        ),
        (
            "a: 1\na: 2\nb: [",
            (
                "a.yaml:2: a: duplicate of the key at line 1\n  fix: keep one\n"
                "a.yaml:3: this is not YAML: did not find expected node content, while parsing a"
                " flow node\n"
                "  fix: correct the indentation, quotes or brackets at or above this line"
            ),
        ),
        (
            "a: 1\n\tb: 2\n",
            "a.yaml:2: this line is indented by a tab\n  allowed: spaces\n  fix: replace the tab",
        ),
        ("a: " + "9" * 5000, "a.yaml:1: a: a number of 5000 digits\n  fix: write a shorter one"),
        ("[" * 100_000, "a.yaml:1: nested too deeply\n  allowed: 20 levels at most"),
        (
            "%YAML 9.9\n---\na: 1\n",
            (
                "a.yaml:1: this is not YAML: found incompatible YAML document\n"
                "  fix: correct the indentation, quotes or brackets at or above this line"
            ),
        ),
    ],
    ids=["utf-8", "control", "all at once", "before the break", "tab", "digits", "deep", "yaml 9"],
)
def test_what_cannot_be_read_says_where(tmp_path: Path, text: str | bytes, said: str) -> None:
    assert message(tmp_path, text) == said


def test_a_folder_is_not_a_file(tmp_path: Path) -> None:
    with pytest.raises(SpecError) as caught:
        read_yaml(tmp_path, "a.yaml")
    assert str(caught.value) == "a.yaml: this is a folder\n  allowed: " + REGULAR
