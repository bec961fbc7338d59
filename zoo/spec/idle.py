"""Keys without effect: whoever wrote one expects an effect, so each is reported."""

from collections.abc import Iterable, Iterator, Mapping

from pydantic import ValidationError

from zoo.spec.augment import Augment
from zoo.spec.bench import Export
from zoo.spec.cross import Catalogue
from zoo.spec.cross_tasks import Tasks
from zoo.spec.entry import Entry
from zoo.spec.finding import Finding, KeyPath
from zoo.spec.levels import BUDGET, Level, Use, level, uses_of
from zoo.spec.optimise import Budgets
from zoo.spec.outline import Outline
from zoo.spec.suite import Suite
from zoo.spec.task import TaskKind
from zoo.spec.teacher import PretrainedSource, Teacher

_OF_SPANS = ("stride", "max_query", "max_answer")


def idle_of_entry(
    entry: Entry,
    suite: Suite,
    teachers: Mapping[str, Teacher],
    catalogue: Catalogue,
    known: Tasks,
) -> Iterator[Finding]:
    """The keys of an entry's file without effect; none where its shapes do not fit."""
    teacher = teachers.get(entry.teacher)
    trained = [name for name in suite.tasks if name in (entry.only or suite.tasks)]
    tasks = [known[name] for name in trained if name in known]
    try:
        shape = entry.student.shape(teacher.shape) if teacher else None
    except ValidationError:
        return
    if teacher is None or shape is None or not tasks:
        return
    on_corpus = entry.corpus_optimise or suite.corpus_optimise
    budgets = Budgets(entry.optimise or suite.optimise, on_corpus, entry.stages)
    if catalogue.misfits(entry.method, shape, teacher.shape, tasks, budgets):
        return
    for finding in catalogue.idle(entry.method, shape, teacher.shape, tasks):
        yield finding._replace(path=("method", *finding.path))
    outlines = {
        task.name: catalogue.outlines(entry.method, shape, teacher.shape, task) for task in tasks
    }
    stages = [stage for table in outlines.values() for stage in table]
    if "start" in entry.student.model_fields_set and not any(
        table[0].reads_student for table in outlines.values()
    ):
        given = "the method derives its student from the teacher: initial weights are not used"
        yield Finding(("student", "start"), given, remedy="remove it")
    if entry.augment is not None and all(stage.data != "augmented" for stage in stages):
        given = "no stage of this entry reads augmented data"
        yield Finding(("augment",), given, remedy="remove it")
    yield from _idle_draws(entry.augment)
    yield from _idle_tasks(entry, suite, outlines)
    uses = uses_of(entry, suite, outlines)
    yield from _idle_keys(use for table in uses.values() for use in table)
    names = catalogue.stages(entry.method, shape, teacher.shape, tasks)
    yield from _idle_stages(entry, names, outlines)


def idle_of_teacher(teacher: Teacher, suite: Suite) -> Iterator[Finding]:
    """The keys of a teacher's file without effect."""
    stage = Outline("fine-tuning", "task", 1.0, False, (), None, (), True)
    own = Level(("optimise",), teacher.optimise)
    uses = [
        Use(stage, (*level(("tasks", task), teacher.tasks.get(task)), own)) for task in suite.tasks
    ]
    yield from _idle_keys(uses)
    for task, change in teacher.tasks.items():
        if change.stages:
            given = "the fine-tuning of a teacher has no stages"
            yield Finding(("tasks", task, "stages"), given, remedy="remove it")
    alone = stage._replace(data="corpus")
    if teacher.words is not None:
        yield from _idle_keys([Use(alone, level(("words", "optimise"), teacher.words.optimise))])
    if isinstance(teacher.source, PretrainedSource):
        yield from _idle_keys([Use(alone, level(("source", "optimise"), teacher.source.optimise))])


def idle_of_suite(suite: Suite, tasks: Tasks) -> Iterator[Finding]:
    """The keys of suite.yaml without effect, whatever the entries are."""
    for task, settings in suite.tasks.items():
        if task in tasks and tasks[task].kind is not TaskKind.SPAN:
            for key in sorted(settings.model_fields_set & set(_OF_SPANS)):
                given = "only span tasks are split into windows"
                yield Finding(("tasks", task, key), given, remedy="remove it")
    if "max_length" in suite.optimise.model_fields_set:
        yield Finding(("optimise", "max_length"), _REASONS["max_length"], remedy="remove it")
    yield from _idle_draws(suite.augment)
    yield from _idle_choice(suite.bench.export)


_REASONS = {
    "max_length": "tasks set their own max_length, in suite.yaml",
    "teacher_precision": "no teacher runs during this training",
}


def _idle_draws(augment: Augment | None) -> Iterator[Finding]:
    """What words are replaced by, where none is."""
    if augment is not None and augment.probability == 0.0:
        for key in sorted(augment.model_fields_set & {"candidates", "seed", "word_vectors"}):
            given = "with probability 0 no word is replaced"
            yield Finding(("augment", key), given, remedy="remove it")


def _idle_choice(export: Export) -> Iterator[Finding]:
    """How an int8 file is chosen, where there is one alone."""
    if len(export.int8_candidates) == 1:
        for key in sorted(export.model_fields_set & {"choice_examples", "choice_loss"}):
            given = "there is one int8 candidate, so nothing is chosen"
            yield Finding(("bench", "export", key), given, remedy="remove it")


def _decides(key: str, stage: Outline) -> bool:
    """Whether a stage reads this key of its optimisation."""
    return {"max_length": stage.on_corpus, "teacher_precision": stage.asks_teacher}.get(key, True)


def _idle_keys(uses: Iterable[Use]) -> Iterator[Finding]:
    """Keys that no stage reads, or that a level above states for every stage."""
    stated: dict[KeyPath, Level] = {}
    read: set[KeyPath] = set()
    passed: dict[KeyPath, list[str]] = {}
    for use in uses:
        settled: set[str] = set()
        for each in use.levels:
            stated[each.path] = each
            for key in each.keys:
                place = (*each.path, key)
                if _named(key) in settled:
                    passed.setdefault(place, []).append(use.stage.name)
                elif _decides(key, use.stage):
                    read.add(place)
            settled |= set(map(_named, each.keys))
    for path, each in stated.items():
        for key in sorted(each.keys):
            place = (*path, key)
            if place in read or (each.is_whole and key in BUDGET):
                continue  # a budget must be stated, also where every stage has its own
            yield Finding(place, _why_idle(key, passed.get(place, [])), remedy="remove it")


def _why_idle(key: str, passed: Iterable[str]) -> str:
    if passed:
        names = ", ".join(dict.fromkeys(passed))
        return f"a more specific key sets it for every stage: {names}"
    return _REASONS[key]


def _named(key: str) -> str:
    return BUDGET[0] if key in BUDGET else key


def _idle_tasks(
    entry: Entry, suite: Suite, outlines: Mapping[str, Iterable[Outline]]
) -> Iterator[Finding]:
    """Changes of tasks that the entry does not train."""
    for task in entry.tasks:
        if task in suite.tasks and task not in outlines:
            given = "the entry is not trained on this task"
            remedy = "remove it, or add the task to `only`"
            yield Finding(("tasks", task), given, ", ".join(sorted(outlines)), remedy)


def _idle_stages(
    entry: Entry, known: Iterable[str], outlines: Mapping[str, Iterable[Outline]]
) -> Iterator[Finding]:
    """Changes of stages that the method has, but not on these tasks or without its terms."""
    trained = {task: [stage.name for stage in table] for task, table in outlines.items()}
    everywhere = {name for names in trained.values() for name in names}
    for name in entry.stages:
        if name in known and name not in everywhere:
            yield _untrained(("stages", name), everywhere)
    for task, change in entry.tasks.items():
        for name in change.stages if task in trained else ():
            if name in known and name not in trained[task]:
                yield _untrained(("tasks", task, "stages", name), trained[task])


def _untrained(path: KeyPath, trained: Iterable[str]) -> Finding:
    given = "this stage trains nothing here"
    return Finding(path, given, ", ".join(sorted(trained)), "remove it")
