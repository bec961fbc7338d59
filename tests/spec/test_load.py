"""Loading is total: whatever stands in the files, a suite or one error with every problem."""

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from zoo.errors import SpecError, UsageError
from zoo.methods import METHODS
from zoo.paths import Project
from zoo.spec.load import LoadedSuite, load_suite, load_suites

Load = Callable[[dict[str, str]], LoadedSuite]
Write = Callable[..., None]

NAME = "at most 64 lower-case letters, digits, dots and dashes"
PLACES = (
    "<entry>.yaml next to suite.yaml, teachers/<teacher>.yaml, studies/<study>.yaml,"
    " tasks/<task>.yaml"
)


def refused(load: Load, changes: dict[str, str]) -> str:
    with pytest.raises(SpecError) as caught:
        load(changes)
    return str(caught.value)


def test_the_good_suite_loads(load: Load) -> None:
    """What every other test breaks or edits is good."""
    loaded = load({})
    assert sorted(loaded.entries) == ["distil", "finetune", "kd"]
    assert sorted(loaded.teachers) == ["t"]
    assert loaded.suite.optimise.learning_rate == 5e-5
    assert loaded.entries["kd"].tasks["span"].learning_rate == 1e-4
    assert loaded.suite.seeds == (1, 2)


def test_all_problems_of_all_files_come_at_once(load: Load, files: dict[str, str]) -> None:
    """Files in the order suite, teachers, entries; within a file by line."""
    said = refused(
        load,
        {
            "suite.yaml": "seed: [1]\ntasks: {}\nseeds: []\ntwin: Twin\n",
            "teachers/t.yaml": files["teachers/t.yaml"].replace("heads: 4", "heads: 0"),
            "kd.yaml": files["kd.yaml"].replace("layers: 2", "layers: -1").replace("0.7", "7"),
            "finetune.yaml": "teacher: t\nteacher: t\n",
        },
    )
    assert [line for line in said.split("\n") if not line.startswith(" ")] == [
        "specs/small/suite.yaml:1: seed: there is no such key",
        "specs/small/suite.yaml:2: tasks: given a mapping",
        "specs/small/suite.yaml:3: seeds: given []",
        "specs/small/suite.yaml:4: twin: given 'Twin'",
        "specs/small/teachers/t.yaml:6: source.shape.heads: given 0",
        "specs/small/finetune.yaml:2: teacher: duplicate of the key at line 1",
        "specs/small/kd.yaml:3: student.layers: given -1",
        "specs/small/kd.yaml:7: method.soft_weight: given 7",
    ]


def test_problems_between_files_come_at_once(load: Load, files: dict[str, str]) -> None:
    """What does not fit is told file by file and by line, also when a neighbour is broken."""
    said = refused(
        load,
        {
            "suite.yaml": files["suite.yaml"]
            .replace("shapes: [1x64]\nt", "shapes: [1x99]\nt")
            .replace("max_query: 16", "max_query: 64")
            .replace("max_length: 32", "max_length: 99"),
            "kd.yaml": files["kd.yaml"].replace("  span:", "  cola:") + "twin: nobody\n",
            "finetune.yaml": "teacher: t\n",
        },
    )
    assert [line for line in said.split("\n") if not line.startswith(" ")] == [
        (
            "specs/small/suite.yaml:5: tasks.sentiment.max_length: 99 tokens exceed the 64"
            " positions of teacher 't'"
        ),
        (
            "specs/small/suite.yaml:8: tasks.span.max_query: a question of 64 tokens leaves no room"
            " for the context"
        ),
        (
            "specs/small/suite.yaml:21: bench.shapes.0: 99 tokens exceed the 64 positions of"
            " teacher 't'"
        ),
        "specs/small/finetune.yaml:1: method: this key is missing",
        "specs/small/finetune.yaml:1: student: this key is missing",
        "specs/small/kd.yaml:11: tasks.cola: the suite has no such task",
        "specs/small/kd.yaml:13: twin: there is no entry 'nobody'",
    ]


def test_limits_themselves_are_allowed(load: Load, files: dict[str, str]) -> None:
    """Sequences as long as the positions, and a question that leaves one piece of context."""
    suite = files["suite.yaml"].replace("max_length: 32", "max_length: 64")
    changed = suite.replace("max_query: 16", "max_query: 60")
    assert load({"suite.yaml": changed}).suite.tasks["span"].max_query == 60


def test_a_broken_teacher_is_told_once(load: Load) -> None:
    """Entries of a teacher that has errors of its own are not said to lack one."""
    said = refused(load, {"teachers/t.yaml": "note: 5\n"})
    assert "there is no teacher" not in said
    assert said.count("\nspecs/") + 1 == 3


def test_a_broken_entry_is_still_a_twin(load: Load) -> None:
    """The suite's twin has errors of its own; that it exists is not doubted."""
    assert "there is no entry" not in refused(load, {"finetune.yaml": "teacher: t\n"})


def test_a_corpus_method_without_a_budget(load: Load, files: dict[str, str]) -> None:
    """Neither the entry nor the suite says how long the corpus is read."""
    suite = files["suite.yaml"].replace("corpus_optimise:\n  steps: 10\n  max_length: 64\n", "")
    distil = files["distil.yaml"].partition("corpus_optimise")[0]
    assert refused(load, {"suite.yaml": suite, "distil.yaml": distil}) == (
        "specs/small/distil.yaml:6: method: this method's corpus stage has no budget\n"
        "  fix: declare `corpus_optimise` here or in suite.yaml"
    )


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        (
            "suite.yaml",
            "",
            (
                "specs/small/suite.yaml:1: the file is empty\n  allowed: the keys note, extends,"
                " tasks, seeds, data, corpus, optimise, corpus_optimise, augment, bench,"
                " robustness, train_stage_per, twin"
            ),
        ),
        (
            "kd.yaml",
            "# later\n",
            (
                "specs/small/kd.yaml:1: the file is empty\n  allowed: the keys note, teacher,"
                " student, method, optimise, corpus_optimise, stages, tasks, only, augment, twin"
            ),
        ),
        (
            "teachers/t.yaml",
            "- source\n",
            (
                "specs/small/teachers/t.yaml:1: this is not a mapping\n"
                "  allowed: the keys note, source, words, optimise, tasks, gates"
            ),
        ),
        (
            "other.yml",
            "teacher: t\n",
            (
                f"specs/small/other.yml: this file would be ignored\n  allowed: {PLACES}\n"
                "  fix: rename it to other.yaml"
            ),
        ),
        (
            "OTHER.YAML",
            "teacher: t\n",
            (
                f"specs/small/OTHER.YAML: this file would be ignored\n  allowed: {PLACES}\n"
                "  fix: rename it to OTHER.yaml"
            ),
        ),
        (
            "teacher/u.yaml",
            "note: x\n",
            (
                f"specs/small/teacher/u.yaml: this file would be ignored\n  allowed: {PLACES}\n"
                "  fix: move it"
            ),
        ),
    ],
)
def test_files_that_are_no_specs(load: Load, file: str, content: str, said: str) -> None:
    assert refused(load, {file: content}) == said


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("My Entry", "cannot name a spec"),
        ("entry_1", "cannot name a spec"),
        ("-entry", "cannot name a spec"),
        ("e" * 65, "cannot name a spec"),
        ("entry\n", "cannot name a spec"),
        ("board", "is reserved for the suite's tables"),
    ],
)
def test_names_of_files(load: Load, files: dict[str, str], name: str, why: str) -> None:
    """A file's name is a folder and part of stage names."""
    said = refused(load, {f"{name}.yaml": files["kd.yaml"]})
    assert said == (f"specs/small/{name}.yaml: {name!r} {why}\n  allowed: {NAME}\n  fix: rename it")


def test_a_teacher_and_an_entry_of_one_name(load: Load, files: dict[str, str]) -> None:
    """Both would leave their checkpoints in the same folder."""
    assert refused(load, {"t.yaml": files["kd.yaml"]}) == (
        "specs/small/suite.yaml:1: 't' names both an entry and a teacher\n  fix: rename one"
    )


def test_hidden_files_are_not_read(load: Load) -> None:
    """What editors and atomic writes leave is no spec."""
    assert sorted(load({".kd.yaml": "???"}).entries) == ["distil", "finetune", "kd"]


def test_several_suites(tmp_path: Path, files: dict[str, str], write: Write) -> None:
    """All suites load, and all problems of all suites are told at once."""
    project = Project(tmp_path)
    write(tmp_path, files, "one")
    write(tmp_path, files, "two")
    assert list(load_suites(project, METHODS)) == ["one", "two"]
    write(tmp_path, {"kd.yaml": "teacher: t\n"}, "one")
    write(tmp_path, {"suite.yml": ""}, "three")
    write(tmp_path, files, "Two")
    with pytest.raises(SpecError) as caught:
        load_suites(project, METHODS)
    assert [str(problem).split("\n")[0] for problem in caught.value.problems] == [
        "specs/three: there is no suite.yaml here",
        "specs/Two: 'Two' cannot name a spec",
        "specs/one/kd.yaml:1: method: this key is missing",
        "specs/one/kd.yaml:1: student: this key is missing",
    ]


def test_no_suite_at_all(tmp_path: Path) -> None:
    (tmp_path / "specs").mkdir()
    with pytest.raises(SpecError) as caught:
        load_suites(Project(tmp_path), METHODS)
    assert str(caught.value) == (
        f"{tmp_path / 'specs'}: there is no suite here\n  allowed: a folder that holds suite.yaml"
    )


def test_an_unknown_suite(tmp_path: Path, files: dict[str, str], write: Write) -> None:
    """A command names a suite that is not there."""
    write(tmp_path, files, "pocket")
    with pytest.raises(UsageError) as caught:
        load_suite(Project(tmp_path), "poket", METHODS)
    assert str(caught.value) == (
        "poket: there is no such suite\n  allowed: pocket\n  fix: did you mean 'pocket'?"
    )
    with pytest.raises(UsageError):
        load_suite(Project(tmp_path), "../pocket", METHODS)


FRAGMENTS = (
    *("\n", "  ", "\t", ":", ": ", "- ", "-", "[", "]", "{", "}", ",", "#", "'", '"', "|", ">"),
    *("&a ", "*a", "!!int ", "!x ", "%", "@", "`", "? ", "---\n", "...\n", "<<: ", "~", "null"),
    *("true", "no", "0", "-1", "1e999", ".nan", "9" * 40, "0x1f", "5e-5", "é", "\u2028", "\x07"),
    *("kind: hub", "name: kd", "name: [", "teacher: ", "layers: 1", "start: []", "tasks: {}"),
    *("\ufeff", "\x85", "\r", "\x00", "heads: 7", "epochs: 1", "steps: 0", "kind: 5", "name: {}"),
)


def damaged(text: str, chance: random.Random) -> bytes:
    """`text` after a few random edits of digits, characters, lines and bytes."""
    for _ in range(chance.choice((1, 1, 1, 2, 4))):
        kind = chance.choice(("digit", "fragment", "fragment", "lines"))
        if kind == "digit":
            at = chance.choice([at for at, letter in enumerate(text) if letter.isdigit()] or [0])
            text = text[:at] + chance.choice("0123456789") + text[at + 1 :]
        elif kind == "fragment":
            at = chance.randrange(len(text) + 1)
            end = min(len(text), at + chance.choice((0, 0, 1, 2, 5, 40)))
            text = text[:at] + chance.choice(FRAGMENTS) + text[end:]
        else:
            lines = text.splitlines(keepends=True)
            lines.insert(chance.randrange(len(lines) + 1), lines.pop(chance.randrange(len(lines))))
            text = "".join(lines)
    raw = text.encode()
    if chance.random() < 0.1:
        at = chance.randrange(len(raw) + 1)
        raw = raw[:at] + chance.randbytes(2) + raw[at:]
    return raw


@pytest.mark.parametrize("seed", range(4))
def test_damaged_files_never_raise_anything_else(
    tmp_path: Path, files: dict[str, str], write: Write, seed: int
) -> None:
    """A random edit leaves a suite that loads, or a SpecError whose every line is readable."""
    chance = random.Random(seed)
    project = Project(tmp_path)
    write(tmp_path, files)
    refusals: list[SpecError] = []
    for _ in range(150):
        file = chance.choice(sorted(files))
        path = tmp_path / "specs/small" / file
        path.write_bytes(damaged(files[file], chance))
        try:
            load_suite(project, "small", METHODS)
        except SpecError as error:
            refusals.append(error)
        path.write_text(files[file], encoding="utf-8")
    assert 50 < len(refusals) < 150
    assert all(error.problems for error in refusals)
    problems = [problem for error in refusals for problem in error.problems]
    assert all(problem.where.startswith("specs/small/") and problem.given for problem in problems)


@pytest.mark.parametrize("family", ["bert", "roberta", "distilbert", "electra"])
def test_every_family_gives_its_layers_to_itself(load: Load, family: str) -> None:
    """A student of the teacher's own family may copy its layers."""
    shape = f"{{family: {family}, layers: 4, hidden: 48, heads: 4, intermediate: 96,"
    teacher = (
        "source:\n"
        "  kind: folder\n"
        "  path: model\n"
        f"  sha256: {'a' * 64}\n"
        f"  shape: {shape} vocabulary: 512, positions: 64}}\n"
        "optimise: {epochs: 2}\n"
    )
    kd = "teacher: t\nstudent: {layers: 2, start: first}\nmethod: {name: kd}\n"
    others = {"finetune.yaml": kd.replace("kd", "finetune"), "distil.yaml": kd}
    loaded = load({"teachers/t.yaml": teacher, "kd.yaml": kd, **others})
    assert loaded.entries["kd"].student.shape(loaded.teachers["t"].shape).family == family
