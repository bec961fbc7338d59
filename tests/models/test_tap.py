"""A tap says where a loss looks: at one layer, or at several side by side."""

import pytest

from zoo.models.tap import EMBEDDINGS, LOGITS, Site, Tap


@pytest.mark.parametrize(
    ("tap", "text"),
    [
        (LOGITS, "logits"),
        (EMBEDDINGS, "embeddings"),
        (Tap(Site.HIDDEN, 3), "hidden[3]"),
        (Tap(Site.HIDDEN, (3,)), "hidden[3]"),
        (Tap(Site.KEY, (0, 1)), "key[0, 1]"),
        (Tap(Site.HIDDEN, (0, 1, 2, 3)), "hidden[0..3]"),
        (Tap(Site.HIDDEN, (1, 3, 5)), "hidden[1, 3, 5]"),
        (Tap(Site.HIDDEN, (2, 1, 0)), "hidden[2, 1, 0]"),
    ],
)
def test_a_tap_reads_as_its_place(tap: Tap, text: str) -> None:
    """As it stands in the table of terms; a run of layers is told by its ends."""
    assert str(tap) == text


def test_several_layers_are_one_tap_for_each() -> None:
    """In the order named; one layer alone is the place itself."""
    assert Tap(Site.VALUE, (2, 0)).each == (Tap(Site.VALUE, 2), Tap(Site.VALUE, 0))
    assert Tap(Site.VALUE, 2).each == (Tap(Site.VALUE, 2),)
    assert LOGITS.each == (LOGITS,)


def test_only_a_tuple_of_layers_is_stacked() -> None:
    """A tuple of one keeps its axis, as an index does."""
    assert [Tap(Site.HIDDEN, layer).stacked for layer in (1, (1,), (0, 1))] == [False, True, True]


@pytest.mark.parametrize("site", [Site.LOGITS, Site.EMBEDDINGS])
@pytest.mark.parametrize("layer", [1, (0,), (0, 1)])
def test_what_a_model_has_once_has_no_layers(site: Site, layer: int | tuple[int, ...]) -> None:
    """Neither a layer nor several of them."""
    with pytest.raises(ValueError, match=rf"^a model has {site} once, not in layers$"):
        Tap(site, layer)


def test_no_layers_are_no_place() -> None:
    """An empty tuple would make a loss of nothing."""
    with pytest.raises(ValueError, match=r"^a tap of hidden names no layer$"):
        Tap(Site.HIDDEN, ())
