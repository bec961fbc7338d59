"""Shapes count parameters exactly, and starts name the layers the papers name."""

import pytest
import torch
from pydantic import ValidationError

from zoo.models.build import MASKED_LM, Head, configuration, shape_of
from zoo.spec.shape import Family, Shape, divisors
from zoo.spec.student import Start, Student, copied_layers
from zoo.spec.task import TASKS

FAMILIES: tuple[Family, ...] = ("bert", "distilbert", "roberta", "electra")


@pytest.mark.parametrize(
    ("family", "layers", "hidden", "intermediate", "heads", "total"),
    [
        ("bert", 12, 768, 3072, 12, 108_891_648),
        ("bert", 6, 768, 3072, 12, 66_364_416),
        ("distilbert", 6, 768, 3072, 12, 66_362_880),
        ("bert", 4, 768, 3072, 12, 52_188_672),
        ("bert", 3, 768, 3072, 12, 45_100_800),
        ("bert", 4, 312, 1200, 12, 14_252_592),
        ("bert", 12, 516, 2064, 12, 54_436_968),
        ("bert", 12, 192, 768, 12, 11_297_664),
        ("bert", 12, 384, 1536, 12, 33_212_160),
        ("bert", 6, 384, 1536, 12, 22_565_376),
    ],
)
def test_parameters_of_the_papers(
    family: Family, layers: int, hidden: int, intermediate: int, heads: int, total: int
) -> None:
    """Every count of the published models, without the pooler."""
    shape = Shape(
        family=family,
        layers=layers,
        hidden=hidden,
        heads=heads,
        intermediate=intermediate,
        vocabulary=30522,
    )
    count = shape.parameters()
    assert count.total == total
    assert count.total == count.embedding + count.encoder


@pytest.mark.parametrize(("layers", "with_pooler"), [(12, 124_645_632), (6, 82_118_400)])
def test_parameters_of_roberta(layers: int, with_pooler: int) -> None:
    """RoBERTa-base and DistilRoBERTa: two rows more for positions, one token type."""
    size = {"layers": layers, "hidden": 768, "heads": 12, "intermediate": 3072}
    shape = Shape(family="roberta", vocabulary=50265, **size)
    assert shape.parameters().total + 768 * 768 + 768 == with_pooler


@pytest.mark.parametrize(("layers", "total"), [(12, 85_645_056), (6, 43_117_824)])
def test_parameters_of_the_encoder_alone(layers: int, total: int) -> None:
    """The counts that leave the embeddings out and the pooler in."""
    shape = Shape(layers=layers, hidden=768, heads=12, intermediate=3072, vocabulary=30522)
    assert shape.parameters().encoder + 768 * 768 + 768 == total


SIZES = [
    {"layers": 3, "hidden": 35, "heads": 5, "intermediate": 53, "vocabulary": 101, "positions": 17},
    {"layers": 1, "hidden": 6, "heads": 3, "intermediate": 7, "vocabulary": 11, "positions": 8},
    {"layers": 2, "hidden": 64, "heads": 1, "intermediate": 31, "vocabulary": 97},
]


@pytest.mark.parametrize("head", [MASKED_LM, Head(TASKS["sst2"]), Head(TASKS["squad-v1.1"])])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("family", FAMILIES)
def test_parameters_of_real_models(family: Family, size: dict[str, int], head: Head) -> None:
    """The formula against the modules that transformers builds, whatever their head."""
    shape = Shape(family=family, **size)
    with torch.device("meta"):
        model = head.auto_class.from_config(configuration(shape, head))
    encoder = model.base_model
    count = shape.parameters()
    layers = encoder.transformer if family == "distilbert" else encoder.encoder
    assert _parameters(encoder.embeddings) == count.embedding
    assert _parameters(layers) == count.encoder
    pooler = _parameters(getattr(encoder, "pooler", None) or torch.nn.Identity())
    assert _parameters(encoder) - pooler == count.total


@pytest.mark.parametrize("types", [1, 2, 4])
@pytest.mark.parametrize("family", ["bert", "roberta", "electra"])
def test_token_types_count(family: Family, types: int) -> None:
    """A row more or less; the family's own number is the same shape, stated or not."""
    usual = Shape(family=family, **SIZES[0])
    shape = Shape(family=family, token_types=types, **SIZES[0])
    with torch.device("meta"):
        model = MASKED_LM.auto_class.from_config(configuration(shape, MASKED_LM))
    assert _parameters(model.base_model.embeddings) == shape.parameters().embedding
    assert shape_of(model.config) == shape
    assert (shape == usual) == (types == (1 if family == "roberta" else 2))
    assert Student(layers=2).shape(shape).token_types == shape.token_types
    other: Family = "distilbert" if family == "bert" else "bert"
    assert Student(layers=2, family=other).shape(shape).token_types is None


def test_distilbert_has_no_token_types() -> None:
    """To state any is a mistake."""
    with pytest.raises(ValidationError, match="distilbert has no token types"):
        Shape(family="distilbert", token_types=2, **SIZES[0])


def _parameters(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize(
    ("start", "student", "teacher", "layers"),
    [
        ("first", 3, 12, (0, 1, 2)),
        ("last", 3, 12, (9, 10, 11)),
        ("uniform", 6, 12, (1, 3, 5, 7, 9, 11)),
        ("uniform", 4, 12, (2, 5, 8, 11)),
        ("uniform", 3, 12, (3, 7, 11)),
        ("uniform", 12, 12, tuple(range(12))),
        ("spaced", 6, 12, (0, 2, 4, 7, 9, 11)),
        ("spaced", 3, 12, (0, 6, 11)),
        ("spaced", 2, 12, (0, 11)),
        ("spaced", 1, 12, (11,)),
        ("spaced", 4, 4, (0, 1, 2, 3)),
        ("fresh", 24, 12, ()),
        ((0, 5, 11), 3, 12, (0, 5, 11)),
    ],
)
def test_copied_layers(start: Start, student: int, teacher: int, layers: tuple[int, ...]) -> None:
    assert copied_layers(start, student, teacher) == layers


@pytest.mark.parametrize("start", ["first", "last", "spaced"])
def test_copied_layers_ascend_at_every_depth(start: Start) -> None:
    """Each is a teacher's layer, none is taken twice; spacing keeps both ends."""
    for teacher in range(1, 30):
        for student in range(1, teacher + 1):
            found = copied_layers(start, student, teacher)
            assert len(found) == student
            assert list(found) == sorted(set(found))
            assert 0 <= found[0] <= found[-1] < teacher
            if start == "spaced" and student > 1:
                assert (found[0], found[-1]) == (0, teacher - 1)


@pytest.mark.parametrize(
    ("start", "student", "said"),
    [
        (
            "first",
            13,
            "13 layers cannot be copied from a teacher of 12; allowed: up to 12, or start: fresh",
        ),
        (
            "uniform",
            5,
            (
                "12 layers are not a multiple of 5;"
                " allowed: first, last, spaced, fresh, or a list of layers"
            ),
        ),
        ((0, 1), 3, "2 layers are listed for a student of 3; allowed: 3 layers"),
        (
            (0, 12),
            2,
            (
                "the layers 0, 12 are not ascending layers of the teacher;"
                " allowed: 0 to 11, each once, in ascending order"
            ),
        ),
    ],
    ids=["deeper", "uniform", "too few", "beyond"],
)
def test_starts_that_do_not_fit(start: Start, student: int, said: str) -> None:
    with pytest.raises(ValueError, match="allowed: ") as caught:
        copied_layers(start, student, 12)
    assert str(caught.value) == said


def test_a_student_is_as_its_teacher_where_it_says_nothing() -> None:
    teacher = Shape(layers=4, hidden=12, heads=3, intermediate=20, vocabulary=50, positions=16)
    assert Student(layers=2).shape(teacher) == teacher.model_copy(update={"layers": 2})
    changed = Student(family="distilbert", layers=2, hidden=8, heads=2, intermediate=9)
    assert changed.shape(teacher) == Shape(
        family="distilbert",
        layers=2,
        hidden=8,
        heads=2,
        intermediate=9,
        vocabulary=50,
        positions=16,
    )


def test_heads_must_divide() -> None:
    """The message holds in Python as in a file."""
    with pytest.raises(ValidationError, match="5 heads do not divide a hidden size of 12") as bad:
        Shape(layers=1, hidden=12, heads=5, intermediate=1, vocabulary=1)
    assert "allowed: 1, 2, 3, 4, 6, 12" in str(bad.value)


@pytest.mark.parametrize("number", [*range(1, 50), 768, 1024, 9_999_991])
def test_divisors(number: int) -> None:
    """All of them, ascending; at once also for large primes."""
    found = divisors(number)
    if number < 5000:
        assert found == [n for n in range(1, number + 1) if number % n == 0]
    assert found[0] == 1
    assert found[-1] == number
