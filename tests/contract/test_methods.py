"""Every method of the folder keeps the same promises; none is named here."""

import importlib
import inspect
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import onnx
import pytest
import torch
from transformers import PreTrainedModel

from tests import tiny
from zoo import methods
from zoo.distil.method import Method, Setting
from zoo.distil.stage import Data, Stage
from zoo.export.onnx import export_onnx
from zoo.losses.batch import Batch
from zoo.methods import method_class, method_name, stages_of
from zoo.models.anatomy import part_parameters
from zoo.models.build import shape_of
from zoo.models.capture import Capture
from zoo.spec.optimise import Optimise
from zoo.spec.shape import Shape
from zoo.training.loop import Outcome, train
from zoo.training.plan import Phase
from zoo.training.resume import Scratch

Kind = Literal["classification", "regression", "span"]
TASK: dict[Kind, str] = {
    "classification": "sentiment",
    "regression": "similarity",
    "span": "span",
}
SHAPES = (
    (tiny.STUDENT, tiny.TEACHER),
    (tiny.STUDENT.model_copy(update={"layers": 1}), tiny.STUDENT),
    (tiny.STUDENT.model_copy(update={"family": "distilbert"}), tiny.TEACHER),
)


def stages(name: str, kind: Kind) -> tuple[Stage, ...]:
    return stages_of(method_class(name)(), Setting(tiny.STUDENT, tiny.TEACHER, kind))


def cases() -> Iterator[tuple[str, Data, Kind]]:
    """A method's corpus stages, which no task decides, once; its task stages for every kind."""
    for name in methods.names():
        if method_class(name).reads_corpus:
            yield name, "corpus", "classification"
        for kind in TASK:
            yield name, "task", kind


every_method = pytest.mark.parametrize("name", methods.names())
every_kind = pytest.mark.parametrize("kind", TASK)
every_case = pytest.mark.parametrize(("name", "data", "kind"), list(cases()))


@pytest.fixture
def setup(name: str, data: Data, kind: Kind, tmp_path: Path) -> tiny.Setup:
    """The stages of a case, as the pipeline trains them together."""
    table = tuple(stage for stage in stages(name, kind) if stage.data == data)
    return tiny.Setup(tmp_path, table, TASK[kind])


@cache
def trained(name: str, data: Data, kind: Kind) -> Outcome:
    """The case trained once, without interruption."""
    table = tuple(stage for stage in stages(name, kind) if stage.data == data)
    with TemporaryDirectory() as folder:
        return train(tiny.Setup(Path(folder), table, TASK[kind]).work())


def test_there_are_methods() -> None:
    """An empty folder would make this file pass by testing nothing."""
    assert len(methods.names()) >= 3


@every_method
def test_a_file_is_one_final_method_of_its_name(name: str) -> None:
    """The folder is the registry: one class, final, named as its file, documented."""
    method = method_class(name)
    assert method.__final__ is True
    assert method.__bases__ == (Method,)
    assert method.model_fields["name"].default == name == method_name(method())
    assert method.__doc__ is not Method.__doc__
    module = importlib.import_module(f"zoo.methods.{name}")
    assert module.__doc__
    others = [other for other in methods.names() if other != name]
    source = inspect.getsource(module)
    assert not [other for other in others if f"zoo.methods.{other}" in source]


@every_method
@every_kind
@pytest.mark.parametrize("shapes", SHAPES)
def test_stages_are_valid(name: str, kind: Kind, shapes: tuple[Shape, Shape]) -> None:
    """Taps lie inside both models, names are told apart, corpus comes before task."""
    setting = Setting(*shapes, kind)
    table = stages_of(method_class(name)(), setting)
    data = [stage.data for stage in table]
    assert data == sorted(data)
    assert table[-1].data == "task"
    assert ("corpus" in data) == method_class(name).reads_corpus
    assert len({stage.name for stage in table}) == len(table)
    for kind_of_data in set(data):
        shares = [stage.share for stage in table if stage.data == kind_of_data]
        assert sum(shares) == pytest.approx(1.0)
    for stage in table:
        names = [term.name for term in stage.terms]
        assert names
        assert len(set(names)) == len(names)
        assert stage.leave is None or stage.leave.term in names
        for term in stage.terms:
            assert term.student.layer < setting.student.layers
            assert term.teacher is None or term.teacher.layer < setting.teacher.layers
            assert term.settings


@every_case
def test_it_learns_and_leaves_the_teacher_alone(setup: tiny.Setup) -> None:
    """The last stage's weighted loss falls on a small set; the teacher's bytes stay."""
    setup.optimise = Optimise(
        steps=30, batch_size=8, learning_rate=4e-3, dropout=0.0, max_length=32
    )
    setup.examples = 16
    before = tiny.weights(setup.teacher)
    start = _loss(setup, tiny.build_student(setup))
    outcome = train(setup.work())
    assert len(outcome.phases) == len(setup.stages)
    assert _loss(setup, outcome.model) < 0.9 * start
    after = setup.teacher.state_dict()
    assert all(torch.equal(tensor, after[key]) for key, tensor in before.items())
    assert all(p.grad is None for p in setup.teacher.parameters())


@every_case
def test_the_student_has_exactly_its_shape(
    setup: tiny.Setup, name: str, data: Data, kind: Kind
) -> None:
    """No projection, compactor or teacher tensor stays in it; all is finite and trainable."""
    model = trained(name, data, kind).model
    plain = tiny.build_student(setup)
    assert shape_of(model.config) == setup.student_shape
    assert type(model) is type(plain)
    assert {key: p.shape for key, p in model.named_parameters()} == {
        key: p.shape for key, p in plain.named_parameters()
    }
    assert all(p.requires_grad and torch.isfinite(p).all() for p in model.parameters())
    assert not model.training


@every_case
def test_twice_gives_the_same_bytes(setup: tiny.Setup, name: str, data: Data, kind: Kind) -> None:
    """Two trainings, one safetensors file, whatever random numbers were drawn before."""
    torch.manual_seed(99)
    again = train(setup.work()).model
    contents = []
    for number, model in enumerate((trained(name, data, kind).model, again)):
        model.save_pretrained(setup.folder / str(number))
        contents.append((setup.folder / str(number) / "model.safetensors").read_bytes())
    assert contents[0] == contents[1]


@every_case
def test_resuming_is_exact(setup: tiny.Setup, name: str, data: Data, kind: Kind) -> None:
    """Killed after any step and gone on with: the same bits, and the same account of it."""
    whole = trained(name, data, kind)
    steps = sum(phase.steps for phase in whole.phases)
    for killed_at in (steps // 2, steps - 1):
        scratch = Scratch(setup.folder / f"scratch-{killed_at}", every_seconds=0.0)
        with pytest.raises(tiny.Stopped):
            train(setup.work(stop_after=killed_at, scratch=scratch))
        place = scratch.place()
        assert place is not None
        assert place.step > 0
        resumed = train(setup.work(scratch=scratch))
        assert tiny.same_weights(whole.model, resumed.model), killed_at
        assert resumed.phases == whole.phases


@every_case
def test_what_is_frozen_stays(setup: tiny.Setup, name: str, data: Data, kind: Kind) -> None:
    """A part that all stages freeze equals its start (DistilBERT's invariant 6); others do not."""
    frozen = set.intersection(*(set(stage.frozen) for stage in setup.stages))
    start, model = tiny.build_student(setup), trained(name, data, kind).model
    for part in ("positions", "embeddings", "encoder", "head"):
        pairs = zip(part_parameters(start, part), part_parameters(model, part), strict=True)
        assert all(torch.equal(*pair) for pair in pairs) == (part in frozen), part


@every_case
def test_padding_and_order_change_no_term(setup: tiny.Setup) -> None:
    """Other pieces in padding, or the rows in another order: every term keeps its value."""
    student = tiny.build_student(setup).eval()
    for stage in setup.stages:
        batch = _with_padding(setup.feed(Phase(stage, setup.optimise)).batch(0))
        expected = _terms(stage, student, setup.teacher, batch)
        noisy = replace(batch, input_ids=batch.input_ids.clone())
        noisy.input_ids[~batch.real] = 17
        for changed in (noisy, _reversed(batch)):
            for term, value in _terms(stage, student, setup.teacher, changed).items():
                assert value == pytest.approx(expected[term], rel=1e-4, abs=1e-6), term


@every_case
def test_half_precision_gives_nearly_the_same_loss(setup: tiny.Setup) -> None:
    """bf16 autocast: the first step's losses within 3 % (or 0.02) of fp32."""
    found = {}
    for precision in ("fp32", "bf16"):
        setup.optimise = Optimise(
            steps=len(setup.stages),
            batch_size=8,
            dropout=0.0,
            max_length=32,
            precision=precision,
            teacher_precision=precision,
        )
        found[precision] = train(setup.work()).phases[0].losses
    for term, value in found["fp32"].items():
        assert found["bf16"][term] == pytest.approx(value, rel=0.03, abs=0.02), term


@every_method
@every_kind
def test_the_student_exports(name: str, kind: Kind, tmp_path: Path) -> None:
    """What the task stages leave becomes a valid ONNX file."""
    model = trained(name, "task", kind).model
    export_onnx(model, tmp_path / "model.onnx", max_length=48, metadata={"method": name})
    onnx.checker.check_model(str(tmp_path / "model.onnx"))


def _terms(
    stage: Stage, student: PreTrainedModel, teacher: PreTrainedModel, batch: Batch
) -> dict[str, float]:
    """Each term's value; projected terms, whose maps are the engine's, are left out."""
    terms = [term for term in stage.terms if term.project is None]
    taps = {term.teacher for term in terms if term.teacher is not None}
    with torch.no_grad(), Capture(student, {term.student for term in terms}) as ours:
        captured = ours(batch)
        with Capture(teacher, taps) as theirs:
            targets = theirs(batch) if taps else {}
    return {
        term.name: float(
            term.loss(
                captured[term.student],
                batch.labels if term.teacher is None else targets[term.teacher],
                batch,
            )
        )
        for term in terms
    }


def _loss(setup: tiny.Setup, model: PreTrainedModel) -> float:
    """The last stage's weighted loss over two batches: earlier ones may rise again in later."""
    stage = setup.stages[-1]
    feed = setup.feed(Phase(stage, setup.optimise))
    total = 0.0
    for step in range(2):
        values = _terms(stage, model.eval(), setup.teacher, feed.batch(step))
        total += sum(term.weight_at(1.0) * values.get(term.name, 0.0) for term in stage.terms)
    return total


def _with_padding(batch: Batch) -> Batch:
    """The batch with three positions of padding behind it."""

    def longer(tensor: torch.Tensor, fill: int) -> torch.Tensor:
        return torch.nn.functional.pad(tensor, (0, 3), value=fill)

    spanned = batch.labels.shape == batch.input_ids.shape
    return replace(
        batch,
        input_ids=longer(batch.input_ids, 0),
        attention_mask=longer(batch.attention_mask, 0),
        token_type_ids=longer(batch.token_type_ids, 0),
        labels=longer(batch.labels, -100) if spanned else batch.labels,
        answerable=None if batch.answerable is None else longer(batch.answerable, 0),
    )


def _reversed(batch: Batch) -> Batch:
    return replace(
        batch,
        input_ids=batch.input_ids.flip(0),
        attention_mask=batch.attention_mask.flip(0),
        token_type_ids=batch.token_type_ids.flip(0),
        labels=batch.labels.flip(0),
        answerable=None if batch.answerable is None else batch.answerable.flip(0),
        rows=batch.rows[::-1],
    )
