"""Weights that another entry made: what they do to digests, and what must fit between files."""

from collections.abc import Callable
from pathlib import Path

import pytest

from zoo.errors import SpecError
from zoo.paths import Project
from zoo.resolve.entry import read_suite, resolve_suite
from zoo.spec.base import canonical, digest
from zoo.spec.lineage import build_order, build_waves
from zoo.spec.load import LoadedSuite
from zoo.spec.recipe import TransferredSource
from zoo.spec.shape import Shape

Digests = dict[tuple[str, str], str]
Files = dict[str, str]
Load = Callable[[Files], LoadedSuite]
Look = Callable[[LoadedSuite], Digests]

REVISION = "0123456789abcdef0123456789abcdef01234567"
SHAPE = Shape(layers=2, hidden=8, heads=2, intermediate=16, vocabulary=50)


def touched(before: Digests, after: Digests) -> set[str]:
    """Entries some of whose runs have another digest."""
    return {entry for entry, run in before if run and before[entry, run] != after[entry, run]}


def test_the_transfer_decides_and_not_the_name(load: Load, lineage: Files) -> None:
    """The recipe holds the digest of the entry's transfer where its file holds the name."""
    entries = resolve_suite(load(lineage)).entries
    job = entries["distil"].transfer
    assert job is not None
    assistant, started = entries["a"].recipe, entries["started"].recipe
    assert isinstance(assistant.teacher.source, TransferredSource)
    assert assistant.teacher.source.transfer == job.declared
    assert started.student is not None
    assert isinstance(started.student.given, TransferredSource)
    assert started.student.given.transfer == job.declared
    assert started.student.given.shape == started.student.shape
    assert "distil'" not in canonical(assistant)


def test_another_name_of_the_entry_changes_no_digest(
    load: Load, digests: Look, files: Files, lineage: Files
) -> None:
    """The same content under two names is one identity, also for those that are made of it."""
    before = digests(load(lineage))
    renamed = {
        name: text.replace("entry: distil", "entry: twin-of-it") for name, text in lineage.items()
    }
    after = digests(load(renamed | {"twin-of-it.yaml": files["distil.yaml"]}))
    assert {key: after[key] for key in before} == before


BELOW = {"distil", "a", "helped", "started"}
CHANGES = [
    (("distil.yaml", "  steps: 20\n", "  steps: 21\n"), BELOW),
    (("distil.yaml", "start: spaced", "start: last"), BELOW),
    (("distil.yaml", "name: distilbert\n", "name: distilbert\n  temperature: 3\n"), BELOW),
    (("distil.yaml", "teacher: t\n", "teacher: t\noptimise: {epochs: 9}\n"), {"distil"}),
    (("helped.yaml", "  layers: 1\n", "  layers: 1\n  start: last\n"), {"helped"}),
    (("teachers/a.yaml", "  epochs: 2\n", "  epochs: 3\n"), {"a"}),
    (("suite.yaml", "  documents: 50\n", "  documents: 51\n"), BELOW),
    (
        ("teachers/t.yaml", "  kind: pretrained\n", "  kind: pretrained\n  seed: 3\n"),
        {"t", "finetune", "kd", *BELOW},
    ),
]


@pytest.mark.parametrize(("change", "entries"), CHANGES)
def test_a_change_reaches_all_that_is_made_of_it(
    load: Load,
    digests: Look,
    files: Files,
    lineage: Files,
    change: tuple[str, str, str],
    entries: set[str],
) -> None:
    """What decides the transferred weights changes everything below; a task stage does not."""
    whole, (file, old, new) = files | lineage, change
    assert whole[file].count(old) == 1
    before = digests(load(whole))
    after = digests(load(whole | {file: whole[file].replace(old, new)}))
    assert touched(before, after) == entries


GIVEN = [
    f"{{kind: hub, id: someone/general, revision: {REVISION}}}",
    f"{{kind: hub, id: someone/else, revision: {REVISION}}}",
    f"{{kind: hub, id: someone/general, revision: {REVISION[::-1]}}}",
    f"{{kind: folder, path: general, sha256: {'a' * 64}}}",
    f"{{kind: folder, path: general, sha256: {'b' * 64}}}",
    f"{{kind: folder, path: others/general, sha256: {'b' * 64}}}",
    "{kind: distilled, entry: distil}",
    "fresh",
]


def test_a_start_decides(load: Load, digests: Look, files: Files) -> None:
    """Every field of the weights that a student is given; and nobody else is touched."""
    distilled = files["kd.yaml"].replace("  layers: 2\n", "  layers: 2\n  family: distilbert\n")
    found = [
        digests(load({"kd.yaml": distilled.replace("layers: 2", f"layers: 2\n  start: {start}")}))
        for start in GIVEN
    ]
    assert len({each["kd", "span-1"] for each in found}) == len(GIVEN)
    assert len({each["finetune", "span-1"] for each in found}) == 1


def test_names_come_after_what_they_are_made_of(load: Load, lineage: Files) -> None:
    """Teachers, then entries, where nobody is made of an entry; else as many waves as needed."""
    plain = load({})
    teachers, entries = plain.teachers, plain.entries
    assert build_waves(teachers, entries) == [["t"], ["distil", "finetune", "kd"]]
    loaded = load(lineage)
    assert build_waves(loaded.teachers, loaded.entries) == [
        ["t"],
        ["distil", "finetune", "kd"],
        ["a", "started"],
        ["helped"],
    ]
    assert build_order(loaded.teachers, loaded.entries)[-2:] == ("started", "helped")


def refused(load: Load, changes: Files) -> str:
    with pytest.raises(SpecError) as caught:
        load(changes)
    return str(caught.value)


def test_tokenizers_that_differ_by_their_size(load: Load, files: Files, lineage: Files) -> None:
    """Known from the specs: the entry's teacher reads other pieces than the student's."""
    other = files["teachers/t.yaml"].replace("vocabulary: 512", "vocabulary: 600")
    started = lineage["started.yaml"].replace("teacher: t", "teacher: u")
    assert refused(load, lineage | {"teachers/u.yaml": other, "started.yaml": started}) == (
        "specs/small/started.yaml:7: student.start.entry: the tokenizers differ: entry 'distil'"
        " reads 512 tokens and teacher 'u' 600\n"
        "  allowed: an entry with the same tokenizer"
    )


def test_positions_that_differ(load: Load, files: Files, lineage: Files) -> None:
    """No key of the student states them: they are its teacher's."""
    other = files["teachers/t.yaml"].replace("positions: 64", "positions: 96")
    started = lineage["started.yaml"].replace("teacher: t", "teacher: u")
    assert refused(load, lineage | {"teachers/u.yaml": other, "started.yaml": started}) == (
        "specs/small/started.yaml:7: student.start.entry: entry 'distil' has positions 64, and"
        " teacher 'u' 96\n"
        "  allowed: an entry with positions 96"
    )


def test_heads_may_be_cut_otherwise(load: Load, lineage: Files) -> None:
    """A student may have other heads than the weights that it starts from."""
    started = lineage["started.yaml"].replace("  layers: 2\n", "  layers: 2\n  heads: 2\n")
    resolved = resolve_suite(load(lineage | {"started.yaml": started}))
    student = resolved.entries["started"].recipe.student
    assert student is not None
    assert student.given is not None
    assert student.given.shape.heads == student.shape.heads == 2


def test_a_broken_entry_is_told_once(load: Load, lineage: Files) -> None:
    """Who is made of an entry with errors of its own is not said to lack it."""
    said = refused(load, lineage | {"distil.yaml": "teacher: t\n"})
    assert [line.split(":")[0] for line in said.split("\n") if not line.startswith(" ")] == [
        "specs/small/distil.yaml",
        "specs/small/distil.yaml",
    ]


def test_where_no_entry_has_a_corpus_stage(load: Load, lineage: Files, files: Files) -> None:
    """There is nothing to be named, and that is said."""
    changes = dict.fromkeys(("distil.yaml", "helped.yaml"), files["kd.yaml"])
    said = refused(load, changes | {"started.yaml": lineage["started.yaml"]})
    assert "  allowed: an entry whose method has a corpus stage; there is none\n" in f"{said}\n"


def test_a_teacher_of_an_entry_whose_student_cannot_be(
    load: Load, files: Files, lineage: Files
) -> None:
    """The entry's own file tells of its heads; its shape is compared with nothing."""
    distil = files["distil.yaml"].replace("  layers: 2\n", "  layers: 2\n  heads: 5\n")
    said = refused(load, lineage | {"distil.yaml": distil})
    assert said.startswith("specs/small/distil.yaml:5: student.heads: 5 heads do not divide")
    assert said.count("specs/") == 1


def test_a_long_line_of_assistants(
    tmp_path: Path, files: Files, lineage: Files, write: Callable[..., None]
) -> None:
    """Twenty generations resolve, and the first one's spec reaches the last."""
    chain = dict(files)
    for number in range(20):
        origin = "distil" if number == 0 else f"e{number - 1}"
        teacher = lineage["teachers/a.yaml"].replace("entry: distil", f"entry: {origin}")
        chain[f"teachers/a{number}.yaml"] = teacher
        chain[f"e{number}.yaml"] = (
            f"teacher: a{number}\nstudent: {{layers: 2}}\nmethod: {{name: distilbert}}\n"
        )
    found = []
    for temperature in (2, 3):
        method = f"name: distilbert\n  temperature: {temperature}\n"
        chain["distil.yaml"] = files["distil.yaml"].replace("name: distilbert\n", method)
        write(tmp_path, chain)
        suite = read_suite(Project(tmp_path), "small")
        found.append(digest(suite.entries["e19"].recipe))
    assert found[0] != found[1]
