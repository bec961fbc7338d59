"""How much is pruned when: the published table, and every other size."""

import pytest

from tests.reference.compact import published_numbers
from zoo.compact.schedule import GroupName, Schedule, Strategy
from zoo.spec.shape import Shape

BASE = Shape(layers=12, hidden=768, heads=12, intermediate=3072, vocabulary=30522)
SIZES: dict[GroupName, str] = {
    "hidden": "hidden",
    "attention": "hidden",
    "inner": "intermediate",
    "head": "hidden",
}


def scheduled(teacher: Shape, hidden: int, strategy: Strategy = "dim") -> Schedule:
    heads = teacher.heads if strategy == "dim" else hidden * teacher.heads // teacher.hidden
    inner = teacher.intermediate * hidden // teacher.hidden
    change = {"hidden": hidden, "intermediate": inner, "heads": heads}
    return Schedule(teacher, Shape(**{**teacher.model_dump(), **change}), strategy)


def pruned(schedule: Schedule, update: int) -> dict[GroupName, int]:
    return {
        name: schedule.cut(name, update).dimensions(getattr(schedule.teacher, size))
        for name, size in SIZES.items()
    }


@pytest.mark.parametrize(
    ("hidden", "strategy", "first", "last", "reached"),
    [
        (192, "dim", (72, 144, 36), (576, 2304, 576), 8),
        (192, "head", (0, 144, 36), (576, 2304, 576), 18),
        (516, "dim", (24, 63, 15), (252, 1008, 252), 11),
        (384, "dim", (48, 96, 24), (384, 1536, 384), 8),
    ],
)
def test_the_published_table(
    hidden: int,
    strategy: Strategy,
    first: tuple[int, int, int],
    last: tuple[int, int, int],
    reached: int,
) -> None:
    """Invariant 4: methods.md 2.3, its table row by row, and its formulas at every update."""
    schedule = scheduled(BASE, hidden, strategy)
    for update in range(1, 40):
        ours = pruned(schedule, update)
        expected = published_numbers(hidden, strategy, update)
        assert (ours["hidden"], ours["inner"], ours["head"]) == expected
        assert ours["attention"] == ours["hidden"]
        assert (ours["hidden"] == last[0]) == (update >= reached)
        assert (ours["inner"] == last[1]) == (ours["head"] == last[2]) == (update >= 16)
    one, end = pruned(schedule, 1), pruned(schedule, 39)
    assert (one["hidden"], one["inner"], one["head"]) == first
    assert (end["hidden"], end["inner"], end["head"]) == last
    assert schedule.full_step == 500 * max(16, reached)


@pytest.mark.parametrize("strategy", ["dim", "head"])
@pytest.mark.parametrize("hidden", [8, 16, 24, 32])
@pytest.mark.parametrize("dim_updates", [1, 3, 8])
def test_every_size_is_reached_and_never_passed(
    hidden: int, strategy: Strategy, dim_updates: int
) -> None:
    """Invariant 4: it never falls, never exceeds what is too much, and ends exactly there."""
    teacher = Shape(layers=1, hidden=32, heads=4, intermediate=64, vocabulary=100)
    base = scheduled(teacher, hidden, strategy)
    schedule = Schedule(teacher, base.student, strategy, 10, dim_updates)
    surplus = {
        name: getattr(teacher, size) - getattr(schedule.student, size)
        for name, size in SIZES.items()
    }
    before = dict.fromkeys(SIZES, 0)
    for update in range(1, schedule.full_step // 10 + 3):
        now = pruned(schedule, update)
        assert all(before[name] <= now[name] <= surplus[name] for name in SIZES)
        if strategy == "dim":
            assert schedule.cut("hidden", update).chunks == schedule.student.heads
        before = now
        assert (now == surplus) == (update * 10 >= schedule.full_step)
    assert all(
        schedule.final(name).dimensions(getattr(teacher, size)) == surplus[name]
        for name, size in SIZES.items()
    )


def test_small_cuts_lose_one_of_each_head_at_an_update() -> None:
    """A choice where int(cut / 8) is 0 and the reference fails."""
    teacher = Shape(layers=1, hidden=32, heads=4, intermediate=64, vocabulary=100)
    schedule = scheduled(teacher, 16)
    assert [schedule.cut("hidden", update).pruned for update in range(7)] == [0, 1, 2, 3, 4, 4, 4]
