"""Studies: which entries they make, how these are called, and how every slip is told."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from zoo.errors import SpecError
from zoo.methods import METHODS
from zoo.spec.entry import entry_model
from zoo.spec.load import LoadedSuite
from zoo.spec.vary import Base, axis_path, identity, point_name, points, values_of, varied

STUDY = """\
entry: kd
tasks: [sentiment]
seeds: [1, 2]
axes:
  method.temperature: [1, 2, 4]
  student.heads: [4, 2]
# `latency` stands last, so that the tables of slips may replace lines above.
latency: true
"""

Load = Callable[[dict[str, str]], LoadedSuite]


class Case(NamedTuple):
    title: str
    file: str
    old: str
    new: str
    message: str


def cases() -> Iterator[Case]:
    text = Path(__file__).with_name("mutations-study.txt").read_text(encoding="utf-8")
    for block in text.split("# ")[1:]:
        title, place, *rest = block.rstrip("\n").split("\n")
        old = "".join(f"{line[1:]}\n" for line in rest if line.startswith("-"))
        new = "".join(f"{line[1:]}\n" for line in rest if line.startswith("+"))
        message = "\n".join(line for line in rest if line[:1] not in ("-", "+"))
        yield Case(title, place.removeprefix("in "), old, new, message)


CASES = list(cases())


@pytest.mark.parametrize("case", CASES, ids=[case.title for case in CASES])
def test_every_slip_has_its_message(case: Case, load: Load, files: dict[str, str]) -> None:
    """One change to a good study gives exactly the message of the table, at file and line."""
    good = files | {"studies/temps.yaml": STUDY}
    assert good[case.file].count(case.old) == 1
    with pytest.raises(SpecError) as caught:
        load({**good, case.file: good[case.file].replace(case.old, case.new)})
    assert str(caught.value) == case.message


def test_the_table_is_read_whole() -> None:
    """No case is lost."""
    assert len(CASES) == 28


def base_of(loaded: LoadedSuite, name: str = "temps") -> Base:
    entry = loaded.entries[loaded.studies[name].entry]
    return Base(entry, loaded.suite, loaded.teachers, entry_model(METHODS.classes))


def named(loaded: LoadedSuite) -> dict[str, Any]:
    """The entry at every point of the study, by the point's name."""
    study, base = loaded.studies["temps"], base_of(loaded)
    return {point_name(study, p): varied(study, p, base) for p in points(study)}


def test_each_changes_one_value_at_a_time(load: Load) -> None:
    """The base first; then every value of every axis in the file's order, the rest as it is."""
    found = named(load({"studies/temps.yaml": STUDY}))
    stated = {name: (e.method.temperature, e.student.heads) for name, e in found.items()}
    assert list(stated.items()) == [
        ("base", (4.0, None)),
        ("temperature-1", (1.0, None)),
        ("temperature-2", (2.0, None)),
        ("temperature-4", (4.0, None)),
        ("heads-4", (4.0, 4)),
        ("heads-2", (4.0, 2)),
    ]
    assert {entry.only for entry in found.values()} == {("sentiment",)}


def test_a_product_has_all_combinations(load: Load) -> None:
    """And the base before them, whether or not it is one of them."""
    found = named(load({"studies/temps.yaml": STUDY + "combine: product\n"}))
    assert list(found) == [
        "base",
        *(f"temperature-{t}.heads-{h}" for t in (1, 2, 4) for h in (4, 2)),
    ]
    assert found["temperature-2.heads-2"].method.temperature == 2.0
    assert found["temperature-2.heads-2"].student.heads == 2


def test_pairs_change_all_axes_together(load: Load) -> None:
    """The base first; then the first values of all axes, and the second ones."""
    pairs = STUDY.replace("[1, 2, 4]", "[1, 2]") + "combine: paired\n"
    found = named(load({"studies/temps.yaml": pairs}))
    stated = {name: (e.method.temperature, e.student.heads) for name, e in found.items()}
    assert list(stated.items()) == [
        ("base", (4.0, None)),
        ("temperature-1.heads-4", (1.0, 4)),
        ("temperature-2.heads-2", (2.0, 2)),
    ]


def test_a_value_that_is_the_bases_is_the_base(load: Load) -> None:
    """Also where the entry takes it from its teacher, its suite or a default."""
    axes = "axes:\n  student.heads: [4]\n  optimise.epochs: [3]\n  train: [64]\n"
    kd = "teacher: t\nstudent: {layers: 2}\nmethod: {name: kd}\n"
    study = f"entry: kd\ntasks: [sentiment]\n{axes}  method.soft_weight: [0.9]\n"
    loaded = load({"kd.yaml": kd, "studies/temps.yaml": study})
    default = METHODS.classes["kd"].model_fields["soft_weight"].default
    of_study, base = loaded.studies["temps"], base_of(loaded)
    same = {
        point_name(of_study, p): identity(of_study, p, base) == identity(of_study, {}, base)
        for p in points(of_study)
    }
    assert same == {
        "base": True,
        "heads-4": True,
        "epochs-3": True,
        "train-64": True,
        "soft-weight-0.9": default == 0.9,
    }
    assert values_of(of_study, {}, base) == {
        "student.heads": 4,
        "optimise.epochs": 3,
        "train": 64,
        "method.soft_weight": default,
    }


def test_one_key_of_what_the_suite_states_can_be_varied(load: Load) -> None:
    """The rest of the mapping stays the suite's."""
    study = "entry: finetune\naxes:\n  optimise.learning_rate: [1e-4]\n"
    entry = named(load({"studies/temps.yaml": study}))["learning-rate-0.0001"]
    assert entry.optimise is not None
    assert (entry.optimise.learning_rate, entry.optimise.epochs) == (1e-4, 3)


def test_tasks_whose_sizes_differ_state_none(load: Load) -> None:
    """`train` of the base is null: each task has its own."""
    study = "entry: finetune\naxes:\n  train: [10, null]\n"
    loaded = load({"studies/temps.yaml": study})
    of_study, base = loaded.studies["temps"], base_of(loaded)
    assert [point_name(of_study, p) for p in points(of_study)] == ["base", "train-10", "train-none"]
    assert values_of(of_study, {}, base) == {"train": None}
    assert len({identity(of_study, p, base) for p in points(of_study)}) == 3


@pytest.mark.parametrize(
    ("axis", "path"),
    [
        ("method.leave_out", ("method", "leave_out")),
        ("train", ("train",)),
        ("tasks.squad-v1.1.batch_size", ("tasks", "squad-v1.1", "batch_size")),
        ("tasks.squad-v2.0", ("tasks", "squad-v2.0")),
        ("tasks.sst2.stages.x.epochs", ("tasks", "sst2", "stages", "x", "epochs")),
        ("tasks.nothing.x", ("tasks", "nothing", "x")),
    ],
)
def test_a_dotted_path_leaves_tasks_their_dots(axis: str, path: tuple[str, ...]) -> None:
    assert axis_path(axis) == path


def test_axes_of_the_same_last_key_are_told_apart(load: Load) -> None:
    """Names take as many keys as they need."""
    axes = "axes:\n  optimise.batch_size: [8]\n  tasks.span.batch_size: [16]\n"
    loaded = load({"studies/temps.yaml": f"entry: kd\n{axes}"})
    assert list(named(loaded)) == ["base", "optimise-batch-size-8", "span-batch-size-16"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"studies/kd.yaml": STUDY},
            (
                "specs/small/studies/kd.yaml:1: 'kd' is already the name of an entry, "
                "a teacher or a variant"
            ),
        ),
        (
            {"studies/t.yaml": STUDY},
            (
                "specs/small/studies/t.yaml:1: 't' is already the name of an entry, "
                "a teacher or a variant"
            ),
        ),
        (
            {"studies/board.yaml": STUDY},
            "specs/small/studies/board.yaml: 'board' is reserved for the suite's tables",
        ),
        (
            {"studies/a.yaml": STUDY, "studies/a.heads-2.yaml": STUDY},
            (
                "specs/small/studies/a.yaml:6: axes.student.heads.1: this variant would be named"
                " 'a.heads-2', which is already taken"
            ),
        ),
        (
            {"studies/a.yml": STUDY},
            "specs/small/studies/a.yml: this file would be ignored",
        ),
    ],
)
def test_names_of_studies(load: Load, changes: dict[str, str], said: str) -> None:
    """A study and its variants are folders beside entries."""
    with pytest.raises(SpecError) as caught:
        load(changes)
    assert said in [line for line in str(caught.value).split("\n") if line[:1] != " "]


def test_a_broken_entry_is_told_once(load: Load, files: dict[str, str]) -> None:
    """Not again by every study of it."""
    kd = files["kd.yaml"].replace("layers: 2", "layers: 9")
    with pytest.raises(SpecError) as caught:
        load({"kd.yaml": kd, "studies/temps.yaml": STUDY})
    assert "studies" not in str(caught.value)
