"""Special pieces are asked for by their roles."""

import copy

import pytest

from tests import tiny
from zoo.data.pieces import special_id
from zoo.errors import DataError


def test_a_missing_role_is_told() -> None:
    """A stage on text hides words behind a piece that not every tokenizer has."""
    tokenizer = copy.deepcopy(tiny.tokenizer())
    assert special_id(tokenizer, "mask_token") == 4
    tokenizer.mask_token = None
    with pytest.raises(DataError) as raised:
        special_id(tokenizer, "mask_token")
    assert str(raised.value) == (
        f"tokenizer without a name of {len(tokenizer)} tokens: has no mask_token\n"
        "  allowed: the special tokens that a stage on text needs\n"
        '  fix: set "mask_token" in its tokenizer_config.json'
    )
