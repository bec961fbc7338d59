"""How errors read and end."""

from typing import Any

import pytest

from zoo import errors
from zoo.errors import Problem, SpecError, UsageError, ZooError, at, suggestion


def test_a_problem_says_where_what_allowed_and_what_to_do() -> None:
    """A line each; what is not known is left out."""
    assert str(Problem("a.yaml:3: key", "wrong", "right", "mend it")) == (
        "a.yaml:3: key: wrong\n  allowed: right\n  fix: mend it"
    )
    assert str(Problem("a.yaml", "wrong")) == "a.yaml: wrong"


def test_an_error_carries_all_its_problems() -> None:
    """One below the other."""
    error = SpecError(Problem("a", "x"), Problem("b", "y"))
    assert (str(error), len(error.problems)) == ("a: x\nb: y", 2)


def test_exit_codes_are_stable() -> None:
    """2 for wrong specs and wrong usage, 1 for all else."""
    kinds = [
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, ZooError)
    ]
    assert {kind for kind in kinds if kind.exit_code == 2} == {SpecError, UsageError}
    assert {kind.exit_code for kind in kinds} == {1, 2}


@pytest.mark.parametrize(
    ("arguments", "place"),
    [(("f",), "f"), (("f", 3), "f:3"), (("f", 3, "k"), "f:3: k"), (("f", None, "k"), "f: k")],
)
def test_a_place_has_the_parts_that_are_known(arguments: Any, place: str) -> None:
    """File, line, key."""
    assert at(*arguments) == place


def test_a_near_name_is_suggested() -> None:
    """And nothing where none is near."""
    assert suggestion("mprc", ["mrpc", "rte"]) == "did you mean 'mrpc'?"
    assert suggestion("zebra", ["mrpc", "rte"]) == ""


def test_messages_have_an_end() -> None:
    """What they quote of a file may have millions of characters."""
    text = str(Problem("f", "x" * 1_000_000, "y" * 2_000))
    assert text == f"f: {'x' * 2_000}... (998,000 more characters)\n  allowed: {'y' * 2_000}"
