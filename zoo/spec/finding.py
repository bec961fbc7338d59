"""Something in one spec that does not fit the rest."""

from typing import NamedTuple

KeyPath = tuple[str | int, ...]
"""Where something stands in a file: keys, and places in lists."""


class Finding(NamedTuple):
    """Something in one file that does not fit the rest."""

    path: KeyPath
    given: str
    allowed: str = ""
    remedy: str = ""
