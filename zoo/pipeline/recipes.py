"""From a suite's files to resolved recipes: what an entry is, and each of its runs."""

from zoo.methods import METHODS
from zoo.spec.jobs import TransferJob
from zoo.spec.load import LoadedSuite
from zoo.spec.optimise import Stages
from zoo.spec.recipe import Recipe, RunRecipe, StudentRecipe, TeacherRecipe, TransferredSource
from zoo.spec.shape import Shape
from zoo.spec.task import TASKS, Task
from zoo.spec.teacher import DistilledSource, FolderSource, HubSource
from zoo.spec.weights import DistilledWeights, FolderWeights, HubWeights
from zoo.training.plan import student_stages


def entry_recipe(loaded: LoadedSuite, name: str) -> Recipe:
    """The resolved spec of a student's or a teacher's entry."""
    suite = loaded.suite
    if name in loaded.teachers:
        return Recipe(teacher=_teacher_recipe(loaded, name))
    entry = loaded.entries[name]
    teacher = loaded.teachers[entry.teacher]
    reads_corpus = METHODS.reads_corpus(entry.method)
    recipe = Recipe(
        teacher=_teacher_recipe(loaded, entry.teacher),
        student=_student_recipe(loaded, name, teacher.shape),
        method=entry.method,
        optimise=entry.optimise or suite.optimise,
        tasks=entry.tasks,
        corpus=suite.corpus if reads_corpus else None,
        corpus_optimise=(entry.corpus_optimise or suite.corpus_optimise) if reads_corpus else None,
        stages=entry.stages,
        augment=entry.augment or suite.augment,
    )
    augmented = any(
        _augments(recipe, loaded.definition(task)) for task in entry_tasks(loaded, name)
    )
    return recipe if augmented else _unaugmented(recipe)


def entry_tasks(loaded: LoadedSuite, name: str) -> list[str]:
    """The tasks an entry is trained on, in the suite's order."""
    entry = loaded.entries.get(name)
    only = entry.only if entry else None
    return [task for task in loaded.suite.tasks if only is None or task in only]


def run_recipes(loaded: LoadedSuite, name: str) -> list[RunRecipe]:
    """The runs of an entry: every task with every seed."""
    suite, recipe = loaded.suite, entry_recipe(loaded, name)
    return [
        RunRecipe(
            recipe=_on(recipe, loaded.definition(task)),
            task=task,
            settings=suite.tasks[task],
            data=loaded.data_of(task),
            seed=seed,
            teacher_seed=loaded.teacher_seed,
        )
        for task in entry_tasks(loaded, name)
        for seed in suite.seeds
    ]


def teacher_run(loaded: LoadedSuite, teacher: str, task: str) -> RunRecipe:
    """The run of a teacher that students of a suite are distilled from on a task."""
    return RunRecipe(
        recipe=_on(entry_recipe(loaded, teacher), loaded.definition(task)),
        task=task,
        settings=loaded.teacher_settings(task),
        data=loaded.data_of(task),
        seed=loaded.teacher_seed,
        teacher_seed=loaded.teacher_seed,
    )


def is_taught(recipe: Recipe, task: Task) -> bool:
    """Whether a stage of the recipe on a task looks at the teacher that learnt the task."""
    if recipe.student is None:
        return False
    stages = student_stages(recipe, task)
    return any(stage.data != "corpus" and stage.needs_teacher for stage in stages)


def declared_runs(loaded: LoadedSuite) -> set[tuple[str, str]]:
    """Every entry of a suite with what is declared of one of its runs."""
    names = (*loaded.teachers, *loaded.entries)
    return {(name, run.declared) for name in names for run in run_recipes(loaded, name)}


def transfer_job(loaded: LoadedSuite, name: str) -> TransferJob | None:
    """How an entry's student is trained on the corpus, if it is."""
    recipe = entry_recipe(loaded, name)
    if recipe.corpus is None or recipe.corpus_optimise is None:
        return None
    assert recipe.student is not None
    assert recipe.method is not None
    return TransferJob(
        suite=loaded.name,
        entry=name,
        teacher=loaded.entries[name].teacher,
        source=recipe.teacher.source,
        student=recipe.student,
        method=recipe.method,
        corpus=recipe.corpus,
        optimise=recipe.corpus_optimise,
        stages=_corpus_changes(recipe),
        seed=loaded.teacher_seed,
    )


def _corpus_changes(recipe: Recipe) -> Stages:
    """What an entry changes in its stages on the corpus."""
    stages = student_stages(recipe, next(iter(TASKS.values())))
    known = {stage.name for stage in stages if stage.data == "corpus"}
    return {name: change for name, change in recipe.stages.items() if name in known}


def _on(recipe: Recipe, task: Task) -> Recipe:
    """The recipe as far as it decides a run on this task."""
    only = recipe.only(task.name, taught=recipe.student is None or is_taught(recipe, task))
    return only if _augments(recipe, task) else _unaugmented(only)


def _augments(recipe: Recipe, task: Task) -> bool:
    if recipe.student is None:
        return False
    return any(stage.data == "augmented" for stage in student_stages(recipe, task))


def _unaugmented(recipe: Recipe) -> Recipe:
    return recipe.model_copy(update={"augment": None})


def _teacher_recipe(loaded: LoadedSuite, name: str) -> TeacherRecipe:
    teacher = loaded.teachers[name]
    source = teacher.source
    return TeacherRecipe(
        source=_transferred(loaded, source.entry, source.shape)
        if isinstance(source, DistilledSource)
        else source,
        optimise=teacher.optimise,
        tasks=teacher.tasks,
    )


def _student_recipe(loaded: LoadedSuite, name: str, teacher: Shape) -> StudentRecipe:
    entry = loaded.entries[name]
    student = entry.student
    shape, start = student.shape(teacher), student.start
    task = loaded.definition(entry_tasks(loaded, name)[0])
    outlines = METHODS.outlines(entry.method, shape, teacher, task)
    if not outlines[0].reads_student:
        # Nothing is copied into it: its first stage makes it of the teacher.
        return StudentRecipe(shape=shape, start="fresh")
    if isinstance(start, HubWeights):
        return StudentRecipe(shape=shape, start=HubSource(**start.model_dump(), shape=shape))
    if isinstance(start, FolderWeights):
        return StudentRecipe(shape=shape, start=FolderSource(**start.model_dump(), shape=shape))
    if isinstance(start, DistilledWeights):
        return StudentRecipe(shape=shape, start=_transferred(loaded, start.entry, shape))
    return StudentRecipe(shape=shape, start=start)


def _transferred(loaded: LoadedSuite, entry: str, shape: Shape) -> TransferredSource:
    """What an entry's corpus stages leave, known by all that is declared of it, at any depth."""
    job = transfer_job(loaded, entry)
    assert job is not None  # lineage.py refuses an entry without a corpus stage
    return TransferredSource(transfer=job.declared, shape=shape)
