"""The one reader of JSON: what it takes, and the whole message of everything it does not."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict

from zoo.errors import DataError, ZooError
from zoo.json_files import fitting, read_json, shortened

HALF, WHOLE = "an unpaired surrogate in", "  allowed: complete characters"
FILE = "a regular file, or a link to one"
DEEP = "nested too deeply\n  allowed: at most 64 levels"


@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_what_json_holds_comes_back(mark: str, tmp_path: Path) -> None:
    """Any value, pairs of surrogates joined, also behind a byte order mark."""
    value = {"a": [1, -2.5, None, True, "\u00e9\u2028\U0001f600"], "b": {"a": {}}}
    path = tmp_path / "x.json"
    path.write_text(mark + json.dumps(value), encoding="utf-8")
    assert read_json(path) == value
    path.write_text("[" * 64 + "]" * 64)
    assert read_json(path, list)
    path.write_text('{"a": Infinity, "b": -Infinity}')
    assert read_json(path, endless=True) == {"a": float("inf"), "b": -float("inf")}


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", ": the file is empty\n  allowed: JSON"),
        (b" \n", ": the file is empty\n  allowed: JSON"),
        (b'{"a": 1,\n "b"', ":2: column 5: not JSON: Expecting ':' delimiter"),
        (b"{}\n{}", ":2: column 1: not JSON: Extra data"),
        (b"{\n<<<<<<< HEAD\n", ":2: unresolved merge conflict: <<<<<<<\n  allowed: JSON"),
        (b'{\n"a": 1,\n=======\n}', ":3: unresolved merge conflict: =======\n  allowed: JSON"),
        (b"{\n}\n>>>>>>> x\n", ":3: unresolved merge conflict: >>>>>>>\n  allowed: JSON"),
        (b"{\n\xff}", ":2: byte 0xff is not UTF-8\n  allowed: UTF-8"),
        ("{}".encode("utf-16"), ":1: byte 0xff is not UTF-8\n  allowed: UTF-8"),
        (b"[]", ": the file holds a list\n  allowed: an object"),
        (b"null", ": the file holds null\n  allowed: an object"),
        (b"true", ": the file holds true or false\n  allowed: an object"),
        (b'"a"', ": the file holds a text\n  allowed: an object"),
        (b'{"a": NaN}', ": the value is NaN\n  allowed: a finite number"),
        (b'{"a": -Infinity}', ": the value is -Infinity\n  allowed: a finite number"),
        (b'{"a": 1e400}', ": the number 1e400\n  allowed: a number within the range of a float"),
        (b'{"a": -' + b"9" * 4301 + b"}", ": a number of 4,301 digits\n  allowed: at most 300"),
        (b'{"a": 1, "b": 2, "a": 3}', ": a: this key appears twice\n  allowed: once"),
        (b'{"a": [["\\ud83d x"]]}', f": a[0][0]: {HALF} '\\ud83d x'\n{WHOLE}"),
        (b'{"\\udc00": 1}', f": {HALF} '\\udc00'\n{WHOLE}"),
        (b'{"a": ' + b"[" * 64 + b"]" * 64 + b"}", f": a[0][0][0]: {DEEP}"),
        (b'{"a": ' + b"[" * 99999 + b"]" * 99999 + b"}", f": {DEEP}"),
    ],
    ids=range(22),
)  # fmt: skip
def test_all_else_is_told(content: bytes, told: str, tmp_path: Path) -> None:
    """Each whole message, which every stream can carry."""
    path = tmp_path / "x.json"
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        read_json(path, remedy="mend it", error=DataError)
    assert str(caught.value) == f"{path}{told}\n  fix: mend it"
    assert str(caught.value).encode()


def test_what_is_no_file_is_told(tmp_path: Path) -> None:
    """Missing, a folder, a pipe that would never end, and files beyond all measure."""
    with pytest.raises(ZooError) as caught:
        read_json(tmp_path / "absent", shown="the file", remedy="make it")
    assert str(caught.value) == "the file: there is no such file\n  fix: make it"
    with pytest.raises(ZooError) as caught:
        read_json(tmp_path)
    assert str(caught.value) == f"{tmp_path}: this is a folder\n  allowed: {FILE}"
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ZooError, match="pipe: this is a pipe\n  allowed: a regular file"):
        read_json(tmp_path / "pipe")
    (tmp_path / "large").write_text("{}" + " " * 100)
    with pytest.raises(ZooError, match="large: 102 bytes\n  allowed: at most 50"):
        read_json(tmp_path / "large", most_bytes=50)


def test_all_problems_come_at_once_up_to_twenty(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text("{" + ", ".join(f'"a{n}": NaN' for n in range(25)) + "}")
    with pytest.raises(ZooError) as caught:
        read_json(path)
    assert len(caught.value.problems) == 21
    assert str(caught.value).endswith(f"{path}: and 5 more problems like these")


class Model(BaseModel):
    model_config = ConfigDict(extra="forbid")

    number: int
    names: tuple[str, ...] = ()


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ({}, "x.json: a.number: the key is missing\n  fix: mend it"),
        ({"number": 1, "new": 2}, "x.json: a.new: unknown key\n  fix: mend it"),
        (
            {"number": "one", "names": [1]},
            (
                "x.json: a.number: Input should be a valid integer, unable to parse string as an"
                " integer, not 'one'\n  fix: mend it\n"
                "x.json: a.names[0]: Input should be a valid string, not 1\n  fix: mend it"
            ),
        ),
        ([], "x.json: a: Input should be an object, not a list of 0\n  fix: mend it"),
    ],
)
def test_values_that_fit_no_model_are_told_by_field(value: Any, told: str) -> None:
    with pytest.raises(ZooError) as caught:
        fitting(Model, value, "x.json: a", remedy="mend it")
    assert str(caught.value) == told
    assert fitting(Model, {"number": 1, "names": ["a"]}, "x").names == ("a",)


def test_values_are_shortened_to_a_line() -> None:
    assert shortened("a\n\ud83d") == r"'a\n\ud83d'"
    assert shortened("x" * 90) == "'" + "x" * 59 + "..."
    assert shortened([1, 2]) == "a list of 2"
    assert shortened(None) == "None"
