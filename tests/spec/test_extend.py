"""A suite that extends another: what it takes over, what it replaces, and where slips are told."""

from collections.abc import Callable
from pathlib import Path

import pytest

from zoo.cli.target import Target, entry_names, entry_target, suite_or_entry
from zoo.errors import SpecError, UsageError
from zoo.methods import METHODS
from zoo.paths import Project
from zoo.pipeline.sync import pipeline_files
from zoo.resolve.entry import read_suites, resolve_suite
from zoo.spec.load import LoadedSuite, load_suite, load_suites
from zoo.spec.task import TASKS

Write = Callable[..., None]
Extend = Callable[..., LoadedSuite]
DEEP = "extends: small\nseeds: [1, 2, 3]\n"
LONG = "sentiment: {max_length: 40}, span: {max_length: 40, max_query: 16}"
BY = "(inherited by specs/deep/suite.yaml:1)"
TONE = """\
files: {train: mine/train.tsv, dev: mine/dev.tsv}
texts: [sentence]
labels: [angry, calm]
metrics: [accuracy]
"""


@pytest.fixture
def extend(tmp_path: Path, files: dict[str, str], write: Write) -> Extend:
    """Loads a suite `deep` of these files, which extends the good suite."""

    def loaded(
        suite: str = DEEP, /, small: dict[str, str] | None = None, **own: str
    ) -> LoadedSuite:
        write(tmp_path, files | (small or {}))
        named = {f"{name.replace('__', '/')}.yaml": text for name, text in own.items()}
        write(tmp_path, {"suite.yaml": suite} | named, "deep")
        return load_suite(Project(tmp_path), "deep", METHODS)

    return loaded


def refused(extend: Extend, *suite: str, small: dict[str, str] | None = None, **own: str) -> str:
    with pytest.raises(SpecError) as caught:
        extend(*suite, small=small, **own)
    return str(caught.value)


def test_it_has_the_teachers_entries_and_keys_of_the_other(extend: Extend, tmp_path: Path) -> None:
    """What it states itself replaces theirs, key by key; only the seeds differ here."""
    deep = extend()
    small = load_suite(Project(tmp_path), "small", METHODS)
    assert (deep.teachers, deep.entries, deep.name) == (small.teachers, small.entries, "deep")
    assert deep.suite == small.suite.model_copy(update={"extends": "small", "seeds": (1, 2, 3)})
    assert {deep.home(name) for name in (*deep.teachers, *deep.entries)} == {"small"}


def test_the_same_runs_have_the_same_digests(extend: Extend, tmp_path: Path) -> None:
    """A run is what its recipe, task and seed say, in whichever suite; it belongs to its own."""
    deep = resolve_suite(extend())
    small = resolve_suite(load_suite(Project(tmp_path), "small", METHODS))
    assert small.declared_runs < deep.declared_runs
    assert {entry.suite_name for entry in deep.entries.values()} == {"deep"}
    transfer = deep.entries["distil"].transfer
    assert transfer is not None
    assert transfer.suite == "deep"


def test_tasks_are_replaced_as_a_whole(extend: Extend) -> None:
    tasks = "extends: small\ntasks:\n  span: {max_length: 48, max_query: 16}\n"
    said = refused(extend, tasks)
    assert "teachers/t.yaml:23: gates.sentiment: the suite has no such task" in said
    more = "span: {max_length: 48, max_query: 16}, sentiment: {max_length: 32}"
    deep = extend(f"extends: small\ntasks: {{{more}, inference: {{max_length: 32}}}}\n")
    assert list(deep.suite.tasks) == ["span", "sentiment", "inference"]
    assert deep.suite.tasks["sentiment"].train is None


def test_own_files_replace_and_add(extend: Extend, files: dict[str, str], tmp_path: Path) -> None:
    """An entry, a teacher and a study of its own; the other suite stays as it is."""
    hot = files["kd.yaml"].replace("temperature: 4", "temperature: 8")
    teacher = files["teachers/t.yaml"].replace("epochs: 2", "epochs: 9")
    study = "entry: kd\naxes:\n  method.temperature: [1, 2]\n"
    added = {"kd": hot, "kd-too": hot, "teachers__t": teacher, "studies__heat": study}
    deep = extend(DEEP, **added)
    assert list(deep.entries) == ["distil", "finetune", "kd-too", "kd"]
    assert deep.entries["kd"] == deep.entries["kd-too"]
    assert deep.teachers["t"].optimise.epochs == 9
    assert [deep.home(name) for name in ("t", "kd", "kd-too", "distil")] == [
        "deep",
        "deep",
        "deep",
        "small",
    ]
    small = load_suite(Project(tmp_path), "small", METHODS)
    assert small.teachers["t"].optimise.epochs == 2
    assert list(small.entries) == ["distil", "finetune", "kd"]


def test_studies_are_not_inherited(extend: Extend) -> None:
    study = "entry: kd\naxes:\n  method.temperature: [1, 2]\n"
    assert extend(DEEP, small={"studies/heat.yaml": study}).studies == {}


def test_own_tasks_of_the_other_are_known_where_listed(
    extend: Extend, files: dict[str, str]
) -> None:
    """A declared task follows into a suite that lists it, and nobody misses it elsewhere."""
    listed = files["suite.yaml"].replace("  span:\n", "  tone:\n    max_length: 32\n  span:\n")
    small = {"suite.yaml": listed, "tasks/tone.yaml": TONE}
    assert extend(DEEP, small=small).definition("tone").labels == ("angry", "calm")
    tasks = "span: {max_length: 64, max_query: 8}, sentiment: {max_length: 9}"
    assert extend(f"extends: small\ntasks: {{{tasks}}}\n", small=small).own == {}
    calm = TONE.replace("angry", "shy")
    replaced = extend(DEEP, small=small, tasks__tone=calm)
    assert replaced.definition("tone").labels == ("shy", "calm")


def test_a_suite_that_extends_can_be_extended(
    extend: Extend, tmp_path: Path, write: Write, files: dict[str, str]
) -> None:
    """The nearest file and key win."""
    hot = files["kd.yaml"].replace("temperature: 4", "temperature: 8")
    extend(DEEP, kd=hot)
    write(tmp_path, {"suite.yaml": "extends: deep\ntwin: kd\n"}, "deeper")
    deeper = load_suite(Project(tmp_path), "deeper", METHODS)
    assert (deeper.suite.seeds, deeper.suite.twin) == ((1, 2, 3), "kd")
    assert deeper.entries["kd"].method.model_dump()["temperature"] == 8
    assert (deeper.home("kd"), deeper.home("distil")) == ("deep", "small")
    write(tmp_path, {"suite.yaml": "extends: deep\ntwin: no\nbench: {shapes: [1x99]}\n"}, "deeper")
    with pytest.raises(SpecError) as caught:
        load_suite(Project(tmp_path), "deeper", METHODS)
    assert str(caught.value).startswith("specs/deeper/suite.yaml:2: twin: there is no entry 'no'")
    write(tmp_path, {"suite.yaml": "extends: deep\ncorpus: null\n"}, "deeper")
    with pytest.raises(SpecError) as caught:
        load_suite(Project(tmp_path), "deeper", METHODS)
    by = "(inherited by specs/deeper/suite.yaml:1)"
    assert f"specs/small/distil.yaml:6: method: this method reads a corpus {by}\n" in str(
        caught.value
    )
    write(tmp_path, {"suite.yaml": f"extends: deep\ntasks: {{{LONG}}}\n"}, "deeper")
    teacher = files["teachers/t.yaml"].replace("positions: 64", "positions: 40")
    write(
        tmp_path, {"teachers/t.yaml": teacher.replace("max_length: 64", "max_length: 40")}, "deeper"
    )
    with pytest.raises(SpecError) as caught:
        load_suite(Project(tmp_path), "deeper", METHODS)
    shape = "specs/small/suite.yaml:21: bench.shapes.0: 64 tokens exceed the 40 positions of"
    assert f"{shape} teacher 't' {by}" in str(caught.value)


SLIPS = [
    (
        "extends: smal\n",
        (
            "specs/deep/suite.yaml:1: extends: there is no suite 'smal'\n"
            "  allowed: deep, small\n  fix: did you mean 'small'?"
        ),
    ),
    (
        "seeds: [1]\nextends: deep\n",
        (
            "specs/deep/suite.yaml:2: extends: 'deep' extends itself: deep <- deep\n"
            "  fix: let one of them stand alone"
        ),
    ),
    (
        "extends: ../small\n",
        (
            "specs/deep/suite.yaml:1: extends: there is no suite '../small'\n"
            "  allowed: deep, small\n  fix: did you mean 'small'?"
        ),
    ),
    (
        "extends: [small]\ntasks: {sentiment: {max_length: 32}}\nseeds: [1]\n",
        (
            'specs/deep/suite.yaml:1: extends: given ["small"]\n'
            "  allowed: at most 64 lower-case letters, digits, dots and dashes, or null"
        ),
    ),
    (
        "extends: small\nseeds: [1, 1]\n",
        "specs/deep/suite.yaml:2: seeds: a seed appears twice in [1, 1]\n  allowed: distinct seeds",
    ),
    (
        "extends: small\ntasks: {span: {max_length: 64, max_query: 8}, inference: {max_length: 9}}",
        "specs/small/teachers/t.yaml:23: gates.sentiment: the suite has no such task " + BY + "\n"
        "  allowed: inference, span\n  fix: replace the file by specs/deep/teachers/t.yaml",
    ),
    (
        "extends: small\ntasks:\n  sentiments: {max_length: 32}\n",
        (
            "specs/deep/suite.yaml:3: tasks.sentiments: there is no task 'sentiments'\n"
            "  allowed: <tasks>\n  fix: did you mean 'sentiment'?"
        ),
    ),
    (
        "extends: small\nnote: 5\n",
        "specs/deep/suite.yaml:2: note: given 5\n  allowed: text\n  fix: write it in quotes",
    ),
]


@pytest.mark.parametrize(("suite", "message"), SLIPS, ids=[message for _, message in SLIPS])
def test_slips_are_told_where_they_stand(suite: str, message: str, extend: Extend) -> None:
    """In the file that states the key, with the place that takes it over."""
    assert refused(extend, suite) == message.replace("<tasks>", ", ".join(sorted(TASKS)))


def test_a_key_taken_over_is_told_with_both_files(extend: Extend, files: dict[str, str]) -> None:
    """A shorter teacher does not fit what the other suite's files say; own slips come first."""
    teacher = files["teachers/t.yaml"].replace("positions: 64", "positions: 40")
    teacher = teacher.replace("max_length: 64", "max_length: 40")
    tasks = "sentiment: {max_length: 41}, span: {max_length: 40, max_query: 16}"
    blank = "\n" * 40
    suite = f"extends: small\ntwin: kd\n{blank}tasks: {{{tasks}}}\n"
    said = refused(extend, suite, teachers__t=teacher)
    lines = said.split("\n")
    assert [line for line in lines if line.startswith("specs")] == [
        (
            "specs/deep/suite.yaml:43: tasks.sentiment.max_length: 41 tokens exceed the 40"
            " positions of teacher 't'"
        ),
        (
            "specs/small/suite.yaml:19: corpus_optimise.max_length: 64 tokens exceed the 40"
            f" positions of teacher 't' {BY}"
        ),
        (
            "specs/small/suite.yaml:21: bench.shapes.0: 64 tokens exceed the 40 positions of"
            f" teacher 't' {BY}"
        ),
        (
            "specs/small/distil.yaml:10: corpus_optimise.max_length: 48 tokens exceed the 40"
            f" positions of teacher 't' {BY}"
        ),
    ]
    assert lines[4] == "  fix: set it in specs/deep/suite.yaml"
    assert lines[-1] == "  fix: replace the file by specs/deep/distil.yaml"


def test_a_remedy_stays_beside_the_other_way(extend: Extend, files: dict[str, str]) -> None:
    """What helps in the file itself is told first."""
    tasks = "tasks:\n  sentiment: {max_length: 32}\n  similarity: {max_length: 32}\n"
    teacher = files["teachers/t.yaml"].replace("  span:", "  sentiment:")
    said = refused(extend, "extends: small\n" + tasks, teachers__t=teacher)
    assert said == (
        f"specs/small/kd.yaml:11: tasks.span: the suite has no such task {BY}\n"
        "  allowed: sentiment, similarity\n  fix: replace the file by specs/deep/kd.yaml"
    )
    assert refused(extend, DEEP + "corpus: null\n") == (
        f"specs/small/distil.yaml:6: method: this method reads a corpus {BY}\n"
        "  fix: declare `corpus` in suite.yaml, or replace the file by specs/deep/distil.yaml"
    )


def test_an_error_of_the_other_suite_is_told_once(extend: Extend, tmp_path: Path) -> None:
    """Beside those of own files, each for itself; what depends on the other waits."""
    with pytest.raises(SpecError):
        extend("extends: small\ntwin: 5\n", small={"kd.yaml": "teacher: t\n"}, more="teacher: t\n")
    with pytest.raises(SpecError) as caught:
        load_suites(Project(tmp_path), METHODS)
    assert [problem.where for problem in caught.value.problems] == [
        "specs/small/kd.yaml:1: method",
        "specs/small/kd.yaml:1: student",
        "specs/deep/more.yaml:1: method",
        "specs/deep/more.yaml:1: student",
    ]


def test_a_circle_is_told_in_each_of_its_files(extend: Extend, tmp_path: Path) -> None:
    with pytest.raises(SpecError):
        extend(DEEP, small={"suite.yaml": "extends: deep\n"})
    with pytest.raises(SpecError) as caught:
        load_suites(Project(tmp_path), METHODS)
    assert sorted(str(problem).split("\n")[0] for problem in caught.value.problems) == [
        "specs/deep/suite.yaml:1: extends: 'small' extends itself: small <- deep <- small",
        "specs/small/suite.yaml:1: extends: 'deep' extends itself: deep <- small <- deep",
    ]
    assert entry_names(Project(tmp_path), "deep") == ["distil", "finetune", "kd", "t"]


def test_commands_know_its_entries(extend: Extend, tmp_path: Path) -> None:
    """By the suite's name; a name alone means the suite where the file is."""
    extend(DEEP, studies__heat="entry: kd\naxes:\n  method.temperature: [1, 2]\n")
    project = Project(tmp_path)
    assert entry_names(project, "deep") == ["distil", "finetune", "heat", "kd", "t"]
    assert entry_target(project, "deep/kd") == Target("deep", "kd")
    assert suite_or_entry(project, "kd") == ("small", "kd")
    assert suite_or_entry(project, "deep") == ("deep", None)
    with pytest.raises(UsageError, match="did you mean 'kd'"):
        entry_target(project, "deep/kdd")


def test_its_pipelines_are_its_own(extend: Extend, tmp_path: Path) -> None:
    """Each says which file it comes from, and builds in the folders of the extending suite."""
    extend()
    files = pipeline_files(read_suites(Project(tmp_path)))
    text = files["pipelines/deep/kd/dvc.yaml"]
    assert text.startswith("# Written by `zoo sync` from specs/small/kd; edit that, not this.")
    assert files["pipelines/deep/dvc.yaml"].startswith("# Written by `zoo sync` from specs/deep;")
    assert "cmd: zoo stage deep/kd" in text
    assert "build/deep/kd/" in text
    assert "small" not in text.split("\n", 1)[1]
    assert '"small"' not in files["pipelines/deep/kd/params.json"]
