"""Something in one spec that does not fit the rest."""

from typing import NamedTuple


class Finding(NamedTuple):
    """Something in one file that does not fit the rest."""

    path: tuple[str | int, ...]
    given: str
    allowed: str = ""
    remedy: str = ""
