"""The shapes of the published students: every entry of `glue`, counted to the last parameter."""

from pathlib import Path

import pytest

from zoo.paths import Project
from zoo.resolve.entry import ResolvedSuite, read_suite
from zoo.spec.shape import Shape

WITHOUT_POOLER = {
    "12 x 768": 108_891_648,
    "6 x 768": 66_364_416,
    "3 x 768": 45_100_800,
    "4 x 312": 14_252_592,
    "12 x 516": 54_436_968,
    "12 x 192": 11_297_664,
    "12 x 384": 33_212_160,
    "6 x 384": 22_565_376,
}
"""BERT's vocabulary, 512 positions, two token types: methods.md 0.4, the papers' 109M, 66M, 14.5M,
54.4M, 11.3M, 33M, 22M. Papers print some with and some without the pooler."""
DISTILBERT = 66_362_880
"""6 x 768 without token types."""
POOLER = {"12 x 768": 109_482_240, "6 x 768": 66_955_008, "4 x 312": 14_350_248}
"""The same with the pooler: TinyBERT's 109M, 67.0M and 14.5M."""


@pytest.fixture(scope="module")
def glue() -> ResolvedSuite:
    return read_suite(Project(Path(__file__).parents[2]), "glue")


def shape_name(shape: Shape) -> str:
    return f"{shape.layers} x {shape.hidden}"


def test_every_entry_has_a_published_size(glue: ResolvedSuite) -> None:
    """Of BERT's family; RoBERTa's counts are not in the papers with a stated convention."""
    seen = set()
    for name, entry in glue.entries.items():
        shape = entry.recipe.shape
        if shape.family == "roberta":
            continue
        expected = WITHOUT_POOLER[shape_name(shape)]
        expected = DISTILBERT if shape.family == "distilbert" else expected
        assert shape.parameters().total == expected, name
        seen.add(shape_name(shape))
    assert seen == set(WITHOUT_POOLER)


@pytest.mark.parametrize("name", POOLER)
def test_the_pooler_makes_the_papers_other_number(glue: ResolvedSuite, name: str) -> None:
    """Hidden x hidden weights and hidden biases more."""
    recipes = [entry.recipe for entry in glue.entries.values()]
    shape = next(
        recipe.shape
        for recipe in recipes
        if shape_name(recipe.shape) == name and recipe.shape.family == "bert"
    )
    assert shape.parameters().total + shape.hidden**2 + shape.hidden == POOLER[name]


def test_without_embeddings_the_papers_third_number(glue: ResolvedSuite) -> None:
    """Internal representations count layers and pooler only: 85.6M and 43.1M."""
    counts = []
    for name in ("bert-base", "internal-sid-6l"):
        shape = glue.entries[name].recipe.shape
        counts.append(shape.parameters().encoder + shape.hidden**2 + shape.hidden)
    assert counts == [85_645_056, 43_117_824]


def test_heads_of_the_published_students(glue: ResolvedSuite) -> None:
    """WID keeps 12 heads of 43 or 16, or 3 of 64; MLKD-BERT's study has 12, 6 and 3."""
    heads = {name: entry.recipe.shape.heads for name, entry in glue.entries.items()}
    assert {name: count for name, count in heads.items() if count != 12} == {
        "mlkd-6l-h6": 6,
        "mlkd-6l-h3": 3,
        "wid-12l-w192-h3": 3,
    }
