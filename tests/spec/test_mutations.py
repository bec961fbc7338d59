"""Every slip in a spec is answered by one exact message; the tables beside this file hold them.

A case of a table: a title, the file, the lines taken out (`-`), the lines put in (`+`), and the
whole message, in which `<methods>` stands for the names of all methods.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from zoo.errors import SpecError
from zoo.methods import names

LINEAGE = "mutations-lineage.txt"
"""Its cases break the suite whose entries are made of each other's weights."""
TABLES = (
    "mutations.txt",
    "mutations-across.txt",
    "mutations-bounds.txt",
    "mutations-idle.txt",
    "mutations-yaml.txt",
    LINEAGE,
)


class Case(NamedTuple):
    table: str
    title: str
    file: str
    old: str
    new: str
    message: str


def cases(table: str) -> Iterator[Case]:
    text = (Path(__file__).parent / table).read_text(encoding="utf-8")
    for block in text.split("# ")[1:]:
        title, place, *rest = block.rstrip("\n").split("\n")
        old = "".join(f"{line[1:]}\n" for line in rest if line.startswith("-"))
        new = "".join(f"{line[1:]}\n" for line in rest if line.startswith("+"))
        message = "\n".join(line for line in rest if line[:1] not in ("-", "+"))
        message = message.replace("<methods>", ", ".join(names()))
        yield Case(table, title, place.removeprefix("in "), old, new, message)


CASES = [case for table in TABLES for case in cases(table)]


@pytest.mark.parametrize("case", CASES, ids=[case.title for case in CASES])
def test_every_slip_has_its_message(
    case: Case,
    load: Callable[[dict[str, str]], object],
    files: dict[str, str],
    lineage: dict[str, str],
) -> None:
    """One change to a good suite gives exactly the message of the table."""
    whole = files | (lineage if case.table == LINEAGE else {})
    assert whole[case.file].count(case.old) == 1
    with pytest.raises(SpecError) as caught:
        load(whole | {case.file: whole[case.file].replace(case.old, case.new)})
    assert str(caught.value) == case.message


def test_the_tables_are_read_whole() -> None:
    """No case is lost or stands twice."""
    assert len(CASES) > 100
    assert len({case.title for case in CASES}) == len(CASES)
