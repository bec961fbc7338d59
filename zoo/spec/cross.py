"""What must fit between specs: teachers, shapes, tasks, budgets, all before a weight is loaded."""

from collections.abc import Iterator, Mapping
from typing import Protocol

from pydantic import ValidationError

from zoo.errors import suggestion
from zoo.spec.bench import sizes
from zoo.spec.bounds import MOST_BENCH_TOKENS, MOST_PARAMETERS, MOST_TRAINING_GIB
from zoo.spec.cross_stages import stage_findings, use_findings
from zoo.spec.cross_tasks import Tasks, optional_findings, suite_task_findings
from zoo.spec.entry import Entry, MethodSpec
from zoo.spec.finding import Finding
from zoo.spec.levels import uses_of
from zoo.spec.optimise import Budgets
from zoo.spec.outline import Outline
from zoo.spec.shape import Shape
from zoo.spec.student import Student, copied_layers
from zoo.spec.suite import Suite
from zoo.spec.task import Task, TaskKind
from zoo.spec.teacher import PretrainedSource, Source, Teacher
from zoo.spec.words import WordHead


class Catalogue(Protocol):
    """The available methods and their checks on shapes, as `zoo/methods/` provides them."""

    @property
    def classes(self) -> Mapping[str, type[MethodSpec]]:
        """Method classes by name."""
        ...

    def misfits(
        self,
        method: MethodSpec,
        student: Shape,
        teacher: Shape,
        tasks: list[Task],
        budgets: Budgets,
    ) -> list[Finding]:
        """Why it cannot be used between these shapes or in these budgets; paths below `method`."""
        ...

    def reads_corpus(self, method: MethodSpec) -> bool:
        """Whether the method has a corpus stage."""
        ...

    def stages(
        self, method: MethodSpec, student: Shape, teacher: Shape, tasks: list[Task]
    ) -> Mapping[str, str]:
        """The names of its stages on any of the tasks, and which data each reads."""
        ...

    def idle(
        self, method: MethodSpec, student: Shape, teacher: Shape, tasks: list[Task]
    ) -> list[Finding]:
        """Settings of the method without effect on these tasks; paths are below `method`."""
        ...

    def outlines(
        self, method: MethodSpec, student: Shape, teacher: Shape, task: Task
    ) -> tuple[Outline, ...]:
        """What its stages on a task are, without those it leaves out; none where it misfits."""
        ...


def suite_findings(
    suite: Suite,
    tasks: Tasks,
    entries: set[str],
    teacher_names: set[str],
    teachers: Mapping[str, Teacher],
) -> Iterator[Finding]:
    """What in suite.yaml does not fit the other files; `teachers` are those without errors."""
    if suite.twin is not None and suite.twin not in entries:
        yield _no_entry(suite.twin, entries)
    for name in sorted(entries & teacher_names):
        yield Finding((), f"{name!r} names both an entry and a teacher", remedy="rename one")
    if suite.corpus_optimise is not None:
        path, most = ("corpus_optimise", "max_length"), suite.corpus_optimise.max_length
        yield from _too_long(path, most, teachers)
    for place, shape in enumerate(suite.bench.shapes):
        batch, length = sizes(shape)
        yield from _too_long(("bench", "shapes", place), length, teachers)
        if batch * length > MOST_BENCH_TOKENS:
            given, allowed = f"{batch * length:,} tokens at once", f"up to {MOST_BENCH_TOKENS:,}"
            yield Finding(("bench", "shapes", place), given, allowed, "time a smaller batch")
    for place, task in enumerate(suite.bench.tasks or ()):
        yield from _unknown_task(("bench", "tasks", place), task, suite)
    yield from suite_task_findings(suite, tasks)
    for task, settings in suite.tasks.items():
        yield from _too_long(("tasks", task, "max_length"), settings.max_length, teachers)
        is_span = task in tasks and tasks[task].kind is TaskKind.SPAN
        if is_span and settings.max_query + 3 >= settings.max_length:
            yield Finding(
                ("tasks", task, "max_query"),
                f"a question of {settings.max_query} tokens leaves no room for the context",
                f"less than max_length - 3 = {settings.max_length - 3}",
            )


def _too_long(
    path: tuple[str | int, ...], max_length: int, teachers: Mapping[str, Teacher]
) -> Iterator[Finding]:
    shortest = min(teachers, key=lambda name: teachers[name].shape.positions, default=None)
    if shortest is not None and max_length > (most := teachers[shortest].shape.positions):
        given = f"{max_length} tokens exceed the {most} positions of teacher {shortest!r}"
        yield Finding(path, given, f"up to {most}")


def teacher_findings(teacher: Teacher, suite: Suite) -> Iterator[Finding]:
    """What in a teacher's file does not fit its suite."""
    for key, named in (("tasks", teacher.tasks), ("gates", teacher.gates)):
        for task in named:
            yield from _unknown_task((key, task), task, suite)
    source = teacher.source
    if teacher.words is not None:
        yield from _words_findings(teacher.words, source)
    yield from _too_large(("source", "shape"), source.shape)
    if isinstance(source, PretrainedSource):
        positions = source.shape.positions
        if source.optimise.max_length > positions:
            yield Finding(
                ("source", "optimise", "max_length"),
                f"{source.optimise.max_length} tokens exceed the shape's {positions} positions",
                f"up to {positions}",
            )
        if source.shape.family != "bert":
            yield Finding(
                ("source", "shape", "family"),
                f"{source.shape.family} cannot be pretrained here",
                "bert",
            )
        if (source.vocabulary.kind == "file") != (source.vocabulary.path is not None):
            yield _vocabulary_path(source.vocabulary.path)


def _words_findings(words: WordHead, source: Source) -> Iterator[Finding]:
    if isinstance(source, PretrainedSource):
        yield Finding(
            ("words",),
            "this source is pretrained together with its masked-language-model head",
            "a source of given weights: hub, folder or distilled",
            "remove `words`, or pretrain the source longer",
        )
    positions = source.shape.positions
    if words.optimise.max_length > positions:
        yield Finding(
            ("words", "optimise", "max_length"),
            f"{words.optimise.max_length} tokens exceed the shape's {positions} positions",
            f"up to {positions}",
        )


def _too_large(path: tuple[str, ...], shape: Shape) -> Iterator[Finding]:
    """A shape that no machine of the field could train."""
    number = shape.parameters().total
    if number > MOST_PARAMETERS:
        yield Finding(
            path,
            f"{number:,} parameters need more than {MOST_TRAINING_GIB} GiB for weights, gradients"
            " and AdamW's moments",
            f"up to {MOST_PARAMETERS:,} parameters",
            "lower layers, hidden, intermediate or vocabulary",
        )


def _vocabulary_path(stated: str | None) -> Finding:
    path = ("source", "vocabulary", "path")
    if stated is None:
        return Finding(path, "kind: file needs a path", "a vocab.txt below $ZOO_DATA")
    return Finding(path, "only kind: file has a path", remedy="remove it, or set kind: file")


def entry_findings(
    entry: Entry,
    suite: Suite,
    teachers: Mapping[str, Teacher],
    catalogue: Catalogue,
    entries: set[str],
    tasks: Tasks,
) -> Iterator[Finding]:
    """What in an entry's file does not fit its suite, its teacher and its method."""
    for task in entry.tasks:
        yield from _unknown_task(("tasks", task), task, suite)
    for place, task in enumerate(entry.only or ()):
        yield from _unknown_task(("only", place), task, suite)
    yield from optional_findings(("only",), "tasks of this entry", entry.only or (), suite)
    timed = set(entry.only or ()) & set(suite.bench.tasks or ())
    yield from optional_findings(("only",), "timed tasks of this entry", timed, suite)
    yield from _corpus_findings(entry, suite, catalogue)
    if entry.twin is not None and entry.twin not in entries:
        yield _no_entry(entry.twin, entries)
    teacher = teachers.get(entry.teacher)
    if teacher is None:
        yield Finding(
            ("teacher",),
            f"there is no teacher {entry.teacher!r} in this suite",
            ", ".join(sorted(teachers)),
            suggestion(entry.teacher, teachers) or f"add teachers/{entry.teacher}.yaml",
        )
        return
    if entry.corpus_optimise is not None and catalogue.reads_corpus(entry.method):
        path, most = ("corpus_optimise", "max_length"), entry.corpus_optimise.max_length
        yield from _too_long(path, most, {entry.teacher: teacher})
    try:
        shape = entry.student.shape(teacher.shape)
    except ValidationError as error:
        yield _heads_finding(entry.student, teacher.shape, error.errors()[0]["ctx"])
        return
    if not any(_too_large((), teacher.shape)):  # which is told in its own file
        yield from _too_large(("student",), shape)
    trained = [tasks[name] for name in entry.only or suite.tasks if name in tasks]
    outlines = {
        task.name: catalogue.outlines(entry.method, shape, teacher.shape, task) for task in trained
    }
    made_of_teacher = any(table and not table[0].reads_student for table in outlines.values())
    if entry.student.given is None and not made_of_teacher:
        yield from _copy_findings(entry, shape, teacher.shape)
    yield from _tokenizer_findings(shape, teacher.shape)
    on_corpus = entry.corpus_optimise or suite.corpus_optimise
    budgets = Budgets(entry.optimise or suite.optimise, on_corpus, entry.stages)
    for finding in catalogue.misfits(entry.method, shape, teacher.shape, trained, budgets):
        yield finding._replace(path=("method", *finding.path))
    stages = catalogue.stages(entry.method, shape, teacher.shape, trained)
    yield from stage_findings(entry, suite, stages)
    yield from use_findings(entry, uses_of(entry, suite, outlines))


def _heads_finding(student: Student, teacher: Shape, misfit: Mapping[str, str]) -> Finding:
    given, allowed = misfit["given"], misfit["allowed"]
    if student.heads is not None:
        return Finding(("student", "heads"), given, allowed)
    multiple = f"a multiple of the teacher's {teacher.heads} heads"
    return Finding(
        ("student", "hidden"),
        given,
        multiple,
        f"choose another hidden size, or set heads: {allowed}",
    )


def _no_entry(twin: str, entries: set[str]) -> Finding:
    given = f"there is no entry {twin!r}"
    return Finding(("twin",), given, ", ".join(sorted(entries)), suggestion(twin, entries))


def _unknown_task(path: tuple[str | int, ...], task: str, suite: Suite) -> Iterator[Finding]:
    if task not in suite.tasks:
        yield Finding(
            path,
            "the suite has no such task",
            ", ".join(sorted(suite.tasks)),
            suggestion(task, suite.tasks),
        )


def _corpus_findings(entry: Entry, suite: Suite, catalogue: Catalogue) -> Iterator[Finding]:
    if not catalogue.reads_corpus(entry.method):
        if entry.corpus_optimise is not None:
            yield Finding(
                ("corpus_optimise",), "this method has no corpus stage", remedy="remove it"
            )
        return
    if suite.corpus is None:
        yield Finding(
            ("method",), "this method reads a corpus", remedy="declare `corpus` in suite.yaml"
        )
    if entry.corpus_optimise is None and suite.corpus_optimise is None:
        yield Finding(
            ("method",),
            "this method's corpus stage has no budget",
            remedy="declare `corpus_optimise` here or in suite.yaml",
        )


_PIECES = {"bert": "WordPiece", "distilbert": "WordPiece", "electra": "WordPiece", "roberta": "BPE"}
"""How a family's tokenizer cuts words: a student reads what its teacher's tokenizer made."""


def _tokenizer_findings(student: Shape, teacher: Shape) -> Iterator[Finding]:
    ours, theirs = _PIECES[student.family], _PIECES[teacher.family]
    if ours != theirs:
        kin = sorted(family for family, pieces in _PIECES.items() if pieces == theirs)
        yield Finding(
            ("student", "family"),
            f"the tokenizers differ: {student.family} uses {ours} and {teacher.family} {theirs}, "
            "so their tokens cannot be compared",
            ", ".join(kin),
        )


_COPIES = {
    ("bert", "distilbert"),
    *((family, family) for family in _PIECES),
}


def _copy_findings(entry: Entry, student: Shape, teacher: Shape) -> Iterator[Finding]:
    start = entry.student.start
    assert isinstance(start, str | tuple)
    try:
        copied = copied_layers(start, student.layers, teacher.layers)
    except ValueError as error:
        given, _, allowed = str(error).partition("; allowed: ")
        key = "layers" if student.layers > teacher.layers else "start"
        yield Finding(("student", key), given, allowed)
        return
    if not copied:
        return
    for name in ("hidden", "intermediate"):
        ours, theirs = getattr(student, name), getattr(teacher, name)
        if ours != theirs:
            yield Finding(
                ("student", name),
                f"the copied layers have {name} {theirs}, not {ours}",
                f"{theirs}, or any with start: fresh",
                "set start: fresh, or remove this key",
            )
    kin = [ours for theirs, ours in sorted(_COPIES) if theirs == teacher.family]
    if student.family not in kin and _PIECES[student.family] == _PIECES[teacher.family]:
        yield Finding(
            ("student", "family"),
            f"layers of {teacher.family} cannot be copied into {student.family}",
            f"{', '.join(kin)}, or any with start: fresh" if kin else "any with start: fresh",
            "set start: fresh, or remove this key",
        )
