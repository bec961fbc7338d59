"""An entry is resolved once, to all that follows from its spec."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from zoo.data.pocket_tasks import MAKERS
from zoo.distil.method import Method, Setting
from zoo.methods import METHODS
from zoo.paths import Project
from zoo.pipeline.compile import compile_suite
from zoo.resolve.entry import ResolvedSuite, read_suite, read_suites, resolve_suite
from zoo.resolve.plan import task_plan
from zoo.spec.base import stated
from zoo.spec.load import load_suite, suite_names
from zoo.spec.recipe import Recipe
from zoo.spec.task import TASKS

CHECKOUT = Project(Path(__file__).parents[2])


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Counter[tuple[Method, str]]:
    """How often a method's stages were asked for, by method and kind of task."""
    found: Counter[tuple[Method, str]] = Counter()

    def counted(stages: Any) -> Any:
        def stages_of(self: Method, setting: Setting) -> Any:
            found[self, setting.kind] += 1
            return stages(self, setting)

        return stages_of

    for method in METHODS.classes.values():
        monkeypatch.setattr(method, "stages", counted(method.stages))
    return found


def test_a_methods_stages_are_asked_for_once(calls: Counter[tuple[Method, str]]) -> None:
    """By each entry for each kind of its tasks; not once more to compile or to tell its plans."""
    loaded = load_suite(CHECKOUT, "glue", METHODS)
    assert not [entry for entry in loaded.entries.values() if entry.method.leave_out]
    calls.clear()
    suite = resolve_suite(loaded)
    wanted: Counter[tuple[Any, str]] = Counter()
    for name, entry in loaded.entries.items():
        kinds = {TASKS[task].kind.value for task in suite.entries[name].tasks}
        wanted.update((entry.method, kind) for kind in kinds)
    assert len(wanted) > len(METHODS.classes)
    assert calls == wanted
    calls.clear()
    compile_suite(suite)
    for entry_ in suite.entries.values():
        for task in entry_.tasks:
            assert entry_.teacher is None or entry_.plan(task)
    assert not calls


@pytest.fixture(scope="module")
def pocket() -> ResolvedSuite:
    return read_suite(CHECKOUT, "pocket")


@pytest.fixture(scope="module")
def suites() -> Mapping[str, ResolvedSuite]:
    return read_suites(CHECKOUT)


@pytest.mark.parametrize("name", suite_names(CHECKOUT))
def test_every_entry_comes_after_those_it_is_made_of(
    suites: Mapping[str, ResolvedSuite], name: str
) -> None:
    """And holds them: the very objects, so that nothing is resolved twice."""
    suite, seen = suites[name], set[str]()
    assert set(suite.entries) == {*suite.loaded.teachers, *suite.loaded.entries}
    for entry in suite.entries.values():
        for made_of in (entry.teacher, entry.origin):
            assert made_of is None or suite.entries[made_of.name] is made_of
            assert made_of is None or made_of.name in seen
        seen.add(entry.name)


@pytest.mark.parametrize("name", suite_names(CHECKOUT))
def test_what_follows_from_a_spec(suites: Mapping[str, ResolvedSuite], name: str) -> None:
    """Runs, those of the first seed, the teacher's run that teaches, and the twin."""
    suite = suites[name].loaded.suite
    for entry in suites[name].entries.values():
        keys = [(run.task, run.seed) for run in entry.runs]
        assert keys == [(task, seed) for task in entry.tasks for seed in suite.seeds_of(task)]
        assert [(run.task, run.seed) for run in entry.first_runs] == [
            (task, suite.seeds[0]) for task in entry.tasks
        ]
        if entry.teacher is None:
            assert (entry.method, entry.twin, entry.transfer) == ("teacher", None, None)
            continue
        spec = suites[name].loaded.entries[entry.name]
        assert entry.method == spec.method.name
        assert entry.twin == (spec.twin or suite.twin)
        assert entry.tasks == tuple(t for t in suite.tasks if not spec.only or t in spec.only)
        for run in entry.first_runs:
            teaching = entry.teaching_run(run.task)
            assert teaching in entry.teacher.runs
            assert (teaching.task, teaching.seed) == (run.task, run.teacher_seed)


def test_who_is_taught(pocket: ResolvedSuite) -> None:
    """Fine-tuning looks at no teacher on a task, distillation does; a teacher is nobody's."""
    taught = {name: {*map(entry.is_taught, entry.tasks)} for name, entry in pocket.entries.items()}
    assert taught["kd-2l"] == {True}
    assert taught["finetune-2l"] == taught["distilbert-2l"] == taught["teacher-4l"] == {False}


def test_the_deeper_suite_covers_the_language(suites: Mapping[str, ResolvedSuite]) -> None:
    """All tasks that are generated, every entry of the default suite, and a gate for each task."""
    deep, pocket = suites["pocket-deep"], suites["pocket"]
    assert set(deep.loaded.suite.tasks) == set(MAKERS) > set(pocket.loaded.suite.tasks)
    assert deep.entries.keys() == pocket.entries.keys()
    assert len(deep.loaded.suite.seeds) == 3
    assert [set(teacher.gates) for teacher in deep.loaded.teachers.values()] == [set(MAKERS)]


def test_a_plan_for_people_is_what_runs_do(suites: Mapping[str, ResolvedSuite]) -> None:
    """The phases that a run works out of its recipe are the last of the entry's plan."""
    for suite in suites.values():
        for entry in suite.entries.values():
            for run in entry.first_runs if entry.teacher else ():
                ours = [(p.stage.name, p.optimise) for p in task_plan(run.recipe, run.definition)]
                told = [(p.stage.name, p.optimise) for p in entry.plan(run.task)]
                assert told[len(told) - len(ours) :] == ours
                assert len(told) == len(ours) or entry.transfer is not None


@pytest.mark.parametrize("name", suite_names(CHECKOUT))
def test_every_recipe_comes_back_without_its_defaults(
    suites: Mapping[str, ResolvedSuite], name: str
) -> None:
    """Of entries and of their runs; what tells classes apart stays."""
    context = {"methods": METHODS.classes}
    recipes = {}
    for entry in suites[name].entries.values():
        recipes |= {r.model_dump_json(): r for r in (entry.recipe, *(x.recipe for x in entry.runs))}
    for whole, recipe in recipes.items():
        plain = stated(recipe)
        back = Recipe.model_validate(plain, context=context)
        assert back == recipe
        assert back.model_dump_json() == whole
        assert plain["teacher"]["source"]["kind"] == recipe.teacher.source.kind
