"""Every field that decides a checkpoint is in its digest."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from zoo.distil.method import Method
from zoo.methods import METHODS
from zoo.spec.base import Spec, digest
from zoo.spec.corpus import PocketCorpus
from zoo.spec.data import SuiteData, TaskSettings
from zoo.spec.load import LoadedSuite
from zoo.spec.optimise import Optimise, TaskChange
from zoo.spec.recipe import Recipe, StudentRecipe, TeacherRecipe
from zoo.spec.shape import Shape
from zoo.spec.student import Student
from zoo.spec.teacher import HubSource, PretrainedSource
from zoo.spec.words import WordHead, WordTraining

Digests = dict[tuple[str, str], str]
Edit = Callable[[str, str, str], LoadedSuite]
Load = Callable[[dict[str, str]], LoadedSuite]
Look = Callable[[LoadedSuite], Digests]

EVERYONE = ("t", "finetune", "kd", "distil")

OPTIMISE = {
    "epochs": "4",
    "steps": "7",
    "learning_rate": "1e-3",
    "batch_size": "16",
    "accumulate": "2",
    "warmup": "0.2",
    "decay": "constant",
    "weight_decay": "0.02",
    "beta1": "0.8",
    "beta2": "0.99",
    "epsilon": "1e-6",
    "clip": "null",
    "precision": "bf16",
    "teacher_precision": "bf16",
    "dropout": "0.0",
    "max_length": "32",
}
ON_A_TASK = {key: value for key, value in OPTIMISE.items() if key != "max_length"}
"""What decides on a task, whose settings state the length."""
ALONE = {key: value for key, value in ON_A_TASK.items() if key != "teacher_precision"}
"""What decides without a teacher beside it."""
STUDENT = {
    "family": "distilbert",
    "layers": "3",
    "hidden": "24",
    "heads": "2",
    "intermediate": "64",
    "start": "last",
}
KD = {
    "temperature": "5",
    "soft_weight": "0.5",
    "soft_over": "elements",
    "leave_out": "[labels]",
}
DISTIL = {
    "temperature": "3",
    "soft_weight": "4",
    "mlm_weight": "1",
    "cosine_weight": "2",
    "mask_fraction": "0.2",
    "mask_smoothing": "0.5",
    "freeze_positions": "false",
    "second_distillation": "true",
    "second_weight": "0.4",
    "leave_out": "[mlm]",
}
TASK = {
    "train": "10",
    "dev": "10",
    "max_length": "40",
    "stride": "9",
    "max_query": "9",
    "max_answer": "9",
}
CHANGE = {
    "epochs": "9",
    "learning_rate": "9e-4",
    "batch_size": "8",
    "stages": "{soft labels: {warmup: 0.3}}",
}
SOURCE = {
    "shape.layers": "5",
    "shape.hidden": "96",
    "shape.heads": "2",
    "shape.intermediate": "128",
    "shape.vocabulary": "600",
    "shape.positions": "96",
    "shape.token_types": "4",
    "vocabulary.kind": "wordpiece",
    "corpus.packing": "blocks",
    "corpus.documents": "77",
    "corpus.seed": "7",
    "optimise.steps": "50",
    "mask_fraction": "0.2",
    "start": "neighbours",
    "initializer_range": "0.05",
    "seed": "3",
}


def _below(part: str) -> dict[str, str]:
    """The fields of one part of the source."""
    return {key.removeprefix(f"{part}."): SOURCE[key] for key in SOURCE if key.startswith(part)}


WORDS = {
    "corpus": "{kind: pocket, documents: 77}",
    "held_out_every": "20",
    "optimise": "{steps: 5, max_length: 48}",
    "encoder": "0.1",
    "mask_fraction": "0.2",
    "seed": "3",
}
REVISION = "0123456789abcdef0123456789abcdef01234567"
DATA = {
    "pocket_seed": "5",
    "glue": REVISION,
    "squad": REVISION,
    "squad_v2": REVISION,
    "revisions": "{aps/super_glue: 0123456789abcdef0123456789abcdef01234567}",
    "folders": "{rte: some/rte}",
}


@pytest.mark.parametrize(
    ("model", "table"),
    [
        (Optimise, OPTIMISE),
        (Student, STUDENT),
        (TaskSettings, TASK),
        (TaskChange, CHANGE),
        (SuiteData, DATA),
        (METHODS.classes["kd"], {"name": "", **KD}),
        (METHODS.classes["distilbert"], {"name": "", **DISTIL}),
        (PocketCorpus, {"kind": "", **_below("corpus")}),
        (Shape, {"family": "", **_below("shape")}),
        (WordTraining, WORDS),
        (WordHead, {"gate": "", **WORDS}),
        (PretrainedSource, {"kind": "", **{key.partition(".")[0]: "" for key in SOURCE}}),
    ],
)
def test_the_tables_name_every_field(model: type[BaseModel], table: dict[str, str]) -> None:
    """A new field needs its line here, so that its place in the digest is proved."""
    assert set(table) == set(model.model_fields)


def of(*entries: str, task: str | None = None) -> set[tuple[str, str]]:
    """The keys of these entries' runs, on one task or on all."""
    tasks = (task,) if task else ("sentiment", "span")
    return {(entry, f"{each}-{seed}") for entry in entries for each in tasks for seed in (1, 2)}


def touched(before: Digests, after: Digests) -> set[tuple[str, str]]:
    return {key for key in before if key[1] and before[key] != after[key]}


def flow(values: dict[str, str]) -> str:
    return "{" + ", ".join(f"{key}: {value}" for key, value in values.items()) + "}"


@pytest.mark.parametrize("field", ON_A_TASK)
def test_optimise_decides(load: Load, edit: Edit, digests: Look, field: str) -> None:
    """A student's own optimisation changes its runs and nobody else's; span has its own rate."""
    stated = {} if field == "steps" else {"epochs": "3"}
    new = f"optimise: {flow(stated | {field: OPTIMISE[field]})}\n"
    after = edit("kd.yaml", "optimise:\n  epochs: 3\n", new)
    where = "sentiment" if field == "learning_rate" else None
    assert touched(digests(load({})), digests(after)) == of("kd", task=where)


@pytest.mark.parametrize("field", OPTIMISE)
def test_the_corpus_budget_decides(load: Load, edit: Edit, digests: Look, field: str) -> None:
    """It changes the runs that start from the transferred weights."""
    stated = {"max_length": "48"} | ({} if field == "epochs" else {"steps": "20"})
    new = f"corpus_optimise: {flow(stated | {field: OPTIMISE[field]})}\n"
    after = edit("distil.yaml", "corpus_optimise:\n  steps: 20\n  max_length: 48\n", new)
    assert touched(digests(load({})), digests(after)) == of("distil")


@pytest.mark.parametrize("field", ALONE)
def test_the_teachers_fine_tuning_decides(
    load: Load, edit: Edit, digests: Look, field: str
) -> None:
    """Its own runs, and those of everyone who may distil from it."""
    stated = {} if field == "steps" else {"epochs": "2"}
    new = f"\noptimise: {flow(stated | {field: OPTIMISE[field]})}\n"
    after = edit("teachers/t.yaml", "\noptimise:\n  epochs: 2\n", new)
    found = touched(digests(load({})), digests(after))
    where = "sentiment" if field in ("epochs", "steps") else None  # span has its own epochs
    assert found >= of("t", "kd", task=where)


@pytest.mark.parametrize("field", STUDENT)
def test_the_student_decides(edit: Edit, digests: Look, field: str) -> None:
    start = "fresh" if field in ("hidden", "intermediate") else "first"
    base = {"layers": "2", "start": start}
    before, after = (
        digests(edit("kd.yaml", "student:\n  layers: 2\n", f"student: {flow(stated)}\n"))
        for stated in (base, base | {field: STUDENT[field]})
    )
    assert touched(before, after) == of("kd")


@pytest.mark.parametrize("field", KD)
def test_kd_decides(load: Load, edit: Edit, digests: Look, field: str) -> None:
    stated = {"name": "kd", "temperature": "4", "soft_weight": "0.7"} | {field: KD[field]}
    old = "method:\n  name: kd\n  temperature: 4\n  soft_weight: 0.7\n"
    after = edit("kd.yaml", old, f"method: {flow(stated)}\n")
    assert touched(digests(load({})), digests(after)) == of("kd")


@pytest.mark.parametrize("field", DISTIL)
def test_distilbert_decides(load: Load, edit: Edit, digests: Look, field: str) -> None:
    switch = "  second_distillation: true\n" if field == "second_weight" else ""
    new = f"  name: distilbert\n{switch}  {field}: {DISTIL[field]}\n"
    after = edit("distil.yaml", "  name: distilbert\n", new)
    assert touched(digests(load({})), digests(after)) == of("distil")


@pytest.mark.parametrize("name", METHODS.classes)
def test_every_field_of_every_method_decides(name: str) -> None:
    """Whatever methods there are: another valid value of any field is another recipe."""
    kind = METHODS.classes[name]
    before = digest(_recipe(kind()))
    for field in set(kind.model_fields) - {"name"}:
        assert digest(_recipe(_other(kind, field))) != before, field


def _other(kind: type[Method], field: str) -> Method:
    """The method with some other valid value of one field."""
    default = getattr(kind(), field)
    schema = kind.model_json_schema()["properties"][field]
    words = [word for each in (schema, *schema.get("anyOf", ())) for word in each.get("enum", ())]
    tried: list[Any] = [*words, False, True, 1, 2, 3, 0.25, 0.75, 1.5, "x", None, ("x",)]
    for value in tried:
        try:
            made = kind.model_validate({field: value}, strict=True)
        except ValidationError:
            continue
        if getattr(made, field) != default:
            return made
    pytest.fail(f"{kind.__name__}.{field}: no other value was found; add one to the candidates")


def _recipe(method: Spec) -> Recipe:
    shape = Shape(layers=2, hidden=8, heads=2, intermediate=16, vocabulary=50)
    source = HubSource(id="someone/model", revision=REVISION, shape=shape)
    teacher = TeacherRecipe(source=source, optimise=Optimise(epochs=1))
    student = StudentRecipe(shape=shape, start="first")
    return Recipe(teacher=teacher, student=student, method=method, optimise=Optimise(epochs=1))


@pytest.mark.parametrize("field", TASK)
def test_a_tasks_settings_decide(edit: Edit, digests: Look, field: str) -> None:
    """They change the runs on that task, of everyone."""
    old, base = "    max_length: 64\n    max_query: 16\n", {"max_length": "64", "max_query": "16"}
    before, after = (
        digests(edit("suite.yaml", f"  span:\n{old}", f"  span: {flow(stated)}\n"))
        for stated in (base, base | {field: TASK[field]})
    )
    assert touched(before, after) == of(*EVERYONE, task="span")


@pytest.mark.parametrize("field", CHANGE)
def test_one_tasks_change_decides(load: Load, edit: Edit, digests: Look, field: str) -> None:
    stated = {"learning_rate": "1e-4"} | {field: CHANGE[field]}
    after = edit("kd.yaml", "  span:\n    learning_rate: 1e-4\n", f"  span: {flow(stated)}\n")
    assert touched(digests(load({})), digests(after)) == of("kd", task="span")


@pytest.mark.parametrize("field", SOURCE)
def test_the_teachers_source_decides(
    load: Load, digests: Look, files: dict[str, str], field: str
) -> None:
    """It changes every run that starts from the teacher, hence all."""
    *above, key = field.split(".")
    place = f"  {above[0]}:\n" if above else "source:\n"
    indent = "    " if above else "  "
    head, tail = files["teachers/t.yaml"].split(place, 1)
    kept = re.sub(rf"^{indent}{key}: .*\n", "", tail, count=1, flags=re.MULTILINE)
    changes = {"teachers/t.yaml": f"{head}{place}{indent}{key}: {SOURCE[field]}\n{kept}"}
    assert touched(digests(load({})), digests(load(changes))) == of(*EVERYONE)


@pytest.mark.parametrize("field", [*WORDS, "gate"])
def test_the_training_of_a_word_head_decides(
    load: Load, digests: Look, lineage: dict[str, str], field: str
) -> None:
    """It changes the teacher that it adapts and all below; its gate changes nothing."""

    def adapted(stated: dict[str, str]) -> Digests:
        words = f"words: {flow(stated)}\n"
        return digests(load(lineage | {"teachers/a.yaml": lineage["teachers/a.yaml"] + words}))

    base = {"corpus": "{kind: pocket}", "optimise": "{steps: 4, max_length: 48}"}
    before, after = adapted(base), adapted(base | {field: (WORDS | {"gate": "4.5"})[field]})
    assert touched(before, after) == (set() if field == "gate" else of("a", "helped"))
    assert touched(digests(load(lineage)), before) == of("a", "helped")


def test_the_generated_datas_seed_decides(load: Load, edit: Edit, digests: Look) -> None:
    """The tasks of this suite are generated: another seed gives other examples."""
    after = edit("suite.yaml", "seeds: [1, 2]\n", "seeds: [1, 2]\ndata: {pocket_seed: 5}\n")
    assert touched(digests(load({})), digests(after)) == of(*EVERYONE)


@pytest.mark.parametrize(
    ("task", "field"), [("sst2", "glue"), ("squad-v1.1", "squad"), ("squad-v2.0", "squad_v2")]
)
def test_the_datas_revision_decides(
    load: Load, digests: Look, files: dict[str, str], task: str, field: str
) -> None:
    """Another commit of a task's data set is another run on it."""
    suite = (
        files["suite.yaml"]
        .replace("  sentiment:\n", f"  {task}:\n")
        .replace("    max_length: 32\n", "    max_length: 64\n    max_query: 16\n")
        .replace("    max_query: 16\n", "" if task == "sst2" else "    max_query: 16\n", 1)
    )
    teacher = files["teachers/t.yaml"].partition("gates:")[0]
    changes = {"suite.yaml": suite, "teachers/t.yaml": teacher}
    before = digests(load(changes))
    changes["suite.yaml"] += f"data: {flow({field: DATA[field]})}\n"
    assert touched(before, digests(load(changes))) >= of(*EVERYONE, task=task)


def test_the_suites_corpus_decides_for_those_who_read_it(
    load: Load, edit: Edit, digests: Look
) -> None:
    after = edit("suite.yaml", "  documents: 50\n", "  documents: 51\n")
    assert touched(digests(load({})), digests(after)) == of("distil")
