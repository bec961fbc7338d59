"""Every method of the folder keeps the same promises; none is named here."""

import copy
import importlib
import inspect
import math
import re
from collections.abc import Iterator
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import onnx
import pytest
import torch
from torch import Tensor
from transformers import PreTrainedModel

from tests import tiny
from zoo import methods
from zoo.distil.method import Method, MisfitError, Setting
from zoo.distil.stage import Data, Stage
from zoo.distil.surgery import Seat
from zoo.distil.term import Term
from zoo.export.onnx import export_onnx
from zoo.methods import method_class, stages_of
from zoo.models.anatomy import part_parameters
from zoo.models.build import shape_of
from zoo.models.capture import Capture
from zoo.models.tap import LOGITS, Site
from zoo.resolve.plan import Phase
from zoo.spec.optimise import Optimise
from zoo.spec.shape import Shape
from zoo.tensors.batch import Batch, Layout
from zoo.training.loop import Outcome, train
from zoo.training.resume import Scratch

Kind = Literal["classification", "regression", "span"]
TASK: dict[Kind, str] = {
    "classification": "sentiment",
    "regression": "similarity",
    "span": "span",
}
ORDER = {"corpus": 0, "augmented": 1, "task": 1}


def pair(name: str, teacher: Shape = tiny.TEACHER) -> tuple[Shape, Shape]:
    """A student that suits the method, and its teacher."""
    return method_class(name).example(teacher), teacher


def stages(name: str, data: Data, kind: Kind, shapes: tuple[Shape, Shape]) -> tuple[Stage, ...]:
    """The stages that are trained together: those on the corpus, or those on a task."""
    table = stages_of(method_class(name).trial(), Setting(*shapes, kind))
    return tuple(stage for stage in table if (stage.data == "corpus") == (data == "corpus"))


def case_setup(
    folder: Path, name: str, data: Data, kind: Kind, teacher: Shape = tiny.TEACHER
) -> tiny.Setup:
    """A case as the pipeline trains it, on tiny models."""
    shapes = pair(name, teacher)
    table = stages(name, data, kind, shapes)
    return tiny.Setup(folder, table, TASK[kind], student_shape=shapes[0], teacher_shape=teacher)


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
    """The case, from its start."""
    return case_setup(tmp_path, name, data, kind)


@cache
def trained(name: str, data: Data, kind: Kind) -> Outcome:
    """The case trained once, without interruption."""
    with TemporaryDirectory() as folder:
        return train(case_setup(Path(folder), name, data, kind).work())


def test_there_are_methods() -> None:
    """An empty folder would make this file pass by testing nothing."""
    assert len(methods.names()) >= 3


@every_method
def test_a_file_is_one_final_method_of_its_name(name: str) -> None:
    """The folder is the registry: one class, final, named as its file, documented."""
    method = method_class(name)
    assert method.__final__ is True
    assert method.__bases__ == (Method,)
    assert method.model_fields["name"].default == name == method().name
    assert method.__doc__ is not Method.__doc__
    module = importlib.import_module(f"zoo.methods.{name}")
    assert module.__doc__
    others = [other for other in methods.names() if other != name]
    source = inspect.getsource(module)
    assert not [other for other in others if f"zoo.methods.{other}" in source]


@every_method
@every_kind
@pytest.mark.parametrize("teacher", [tiny.TEACHER, tiny.STUDENT], ids=["4-layers", "2-layers"])
def test_stages_are_valid(name: str, kind: Kind, teacher: Shape) -> None:
    """Taps lie inside both models, names are told apart, corpus comes before task."""
    setting = Setting(*pair(name, teacher), kind)
    table = stages_of(method_class(name)(), setting)
    order = [ORDER[stage.data] for stage in table]
    assert order == sorted(order)
    assert table[-1].data != "corpus"
    assert ("corpus" in {stage.data for stage in table}) == method_class(name).reads_corpus
    assert len({stage.name for stage in table}) == len(table)
    for group in set(order):
        shares = [stage.share for stage in table if ORDER[stage.data] == group]
        assert sum(shares) == pytest.approx(1.0)
    for stage in table:
        names = [term.name for term in stage.terms]
        assert names
        assert len(set(names)) == len(names)
        assert stage.leave is None or stage.leave.term in names
        for term in stage.terms:
            assert max(term.student.layers) < setting.student.layers
            assert term.teacher is None or max(term.teacher.layers) < setting.teacher.layers
            assert term.settings
            assert re.fullmatch(r"[a-z_]+(\[\d+\])?", term.name)


@every_method
@every_kind
def test_each_term_can_be_left_out(name: str, kind: Kind) -> None:
    """One line of YAML removes a term from every layer and stage, and nothing else."""
    setting = Setting(*pair(name), kind)
    whole = [term for stage in stages_of(method_class(name)(), setting) for term in stage.terms]
    for family in {term.family for term in whole}:
        method = method_class(name)(leave_out=(family,))
        try:
            left = [term for stage in stages_of(method, setting) for term in stage.terms]
        except MisfitError as error:
            assert error.key == "leave_out"  # noqa: PT017  (it must be this refusal or none)
            continue
        assert [term.name for term in left] == [t.name for t in whole if t.family != family]


@every_method
@every_kind
def test_temperatures_state_whether_they_are_scaled(name: str, kind: Kind) -> None:
    """T^2 or not: whoever takes a temperature says so in the table of terms."""
    for stage in stages_of(method_class(name)(), Setting(*pair(name), kind)):
        for term in stage.terms:
            loss = term.loss
            stated = loss.keywords if isinstance(loss, partial) else {}
            asked = inspect.signature(loss.func if isinstance(loss, partial) else loss).parameters
            assert "scaled" not in asked or "scaled" in stated, term.name


@every_case
def test_equal_sides_cost_nothing(name: str, data: Data, kind: Kind, tmp_path: Path) -> None:
    """A student that is its teacher: every term is zero, and so is its gradient."""
    shapes = (tiny.TEACHER, tiny.TEACHER)
    try:
        table = stages(name, data, kind, shapes)
    except MisfitError:
        pytest.skip("this method takes no student of its teacher's shape")
    setup = tiny.Setup(tmp_path, table, TASK[kind], *shapes)
    student = tiny.frozen(tiny.model(tiny.TEACHER, setup.head, seed=7)).requires_grad_(True)
    for stage in table:
        batch = _with_padding(setup.feed(Phase(stage, setup.optimise)).batch(0))
        for term in _compared(stage):
            with (
                Capture(student, {term.student}) as ours,
                Capture(setup.teacher, {term.teacher}) as theirs,
            ):
                value = term.loss(ours(batch)[term.student], theirs(batch)[term.teacher], batch)
            student.zero_grad()
            value.backward()
            largest = max(
                float(p.grad.abs().max()) for p in student.parameters() if p.grad is not None
            )
            assert float(value.detach()) == pytest.approx(0.0, abs=1e-6), term.name
            assert largest < 1e-4, term.name


@every_case
def test_losses_read_the_positions_they_declare(setup: tiny.Setup) -> None:
    """A teacher's numbers anywhere else change neither the loss nor its gradient, bit for bit."""
    student = tiny.build_student(setup).eval()
    for stage in setup.stages:
        batch = _with_padding(setup.feed(Phase(stage, setup.optimise)).batch(0))
        for term in stage.terms:
            if term.teacher is None or term.reads == "all":
                continue
            place, target = _sides(term, student, setup.teacher, batch)
            found = [
                _loss_and_gradient(term, place, each, batch)
                for each in (target, _elsewhere_noise(term, target, batch))
            ]
            assert torch.equal(found[0], found[1]), term.name


def _loss_and_gradient(term: Term, place: Tensor, target: Tensor, batch: Batch) -> Tensor:
    place = place.detach().requires_grad_(True)
    value = term.loss(place, target, batch)
    (gradient,) = torch.autograd.grad(value, place)
    return torch.cat([value.detach()[None], gradient.flatten()])


def _elsewhere_noise(term: Term, target: Tensor, batch: Batch) -> Tensor:
    """What a teacher says, with noise at every position that its term does not read."""
    assert term.teacher is not None
    noise = torch.randn(target.shape, generator=tiny.generator(5))
    if term.teacher == LOGITS:
        # A loss of tokens is asked at real ones alone; classes and numbers have no positions.
        if batch.layout not in (Layout.SPAN, Layout.TOKENS):
            return target
        return torch.where(batch.real[..., None], target, noise)
    read = batch.real if term.reads == "real" else torch.arange(batch.real.shape[1]) == 0
    read = read.expand(batch.real.shape)
    kept = read.reshape(len(read), *(1,) * (target.dim() - 3), read.shape[1], 1)
    if term.teacher.site is Site.SCORES:
        kept = kept & kept.mT
    return torch.where(kept, target, noise)


@every_case
def test_gradients_are_those_of_finite_differences(setup: tiny.Setup) -> None:
    """In double precision, along a random direction at each term's place in the student."""
    student = tiny.build_student(setup).double().eval()
    teacher = copy.deepcopy(setup.teacher).double()
    for stage in setup.stages:
        batch = _with_padding(setup.feed(Phase(stage, setup.optimise)).batch(0))
        for term in stage.terms:
            place, target = _sides(term, student, teacher, batch)
            place.requires_grad_(True)
            along = torch.randn(place.shape, dtype=torch.float64, generator=tiny.generator(3))
            (gradient,) = torch.autograd.grad(term.loss(place, target, batch), place)
            ahead, behind = (
                float(term.loss((place + step * along).detach(), target, batch))
                for step in (1e-5, -1e-5)
            )
            expected = (ahead - behind) / 2e-5
            assert float((gradient * along).sum()) == pytest.approx(expected, rel=1e-4, abs=1e-8)


@every_method
@pytest.mark.parametrize("family", ["roberta", "electra"])
def test_teachers_of_other_families(name: str, family: str, tmp_path: Path) -> None:
    """Both kinds of data, end to end, with a teacher of another family."""
    teacher = tiny.TEACHER.model_copy(update={"family": family})
    kinds: list[Data] = ["corpus", "task"] if method_class(name).reads_corpus else ["task"]
    for data in kinds:
        setup = case_setup(tmp_path, name, data, "classification", teacher)
        setup.optimise = Optimise(steps=len(setup.stages), batch_size=4, max_length=32)
        outcome = train(setup.work())
        assert shape_of(outcome.model.config) == setup.student_shape
        assert all(math.isfinite(v) for phase in outcome.phases for v in phase.losses.values())


@every_case
def test_it_learns_and_leaves_the_teacher_alone(setup: tiny.Setup) -> None:
    """The last stage's weighted loss falls on a small set; the teacher's bytes stay."""
    setup.optimise = Optimise(
        steps=60, batch_size=8, learning_rate=4e-3, dropout=0.0, max_length=32
    )
    setup.examples = 16
    before = tiny.weights(setup.teacher)
    start = _loss(setup, _untrained(setup))
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
    # The state rather than the parameters: a decoder may be tied to the embeddings or not.
    assert {key: p.shape for key, p in model.state_dict().items()} == {
        key: p.shape for key, p in plain.state_dict().items()
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
        saved = scratch.saved()
        assert saved is not None
        assert saved.place.step > 0
        resumed = train(setup.work(scratch=scratch))
        assert tiny.same_weights(whole.model, resumed.model), killed_at
        assert resumed.phases == whole.phases


@every_case
def test_what_is_frozen_stays(setup: tiny.Setup, name: str, data: Data, kind: Kind) -> None:
    """A part that all stages freeze equals its start (DistilBERT's invariant 6); others do not."""
    frozen = set.intersection(*(set(stage.frozen) for stage in setup.stages))
    frozen |= {"positions"} if "embeddings" in frozen else set()
    start, model = _untrained(setup), trained(name, data, kind).model
    for part in ("positions", "embeddings", "encoder", "head"):
        pairs = zip(part_parameters(start, part), part_parameters(model, part), strict=True)
        assert all(torch.equal(*pair) for pair in pairs) == (part in frozen), part


@every_case
def test_each_stage_keeps_what_it_freezes(setup: tiny.Setup) -> None:
    """Stage by stage, bit for bit: the first stages of TinyBERT and MLKD leave the classifier."""
    student = tiny.build_student(setup)
    for stage in setup.stages:
        alone = replace(setup.work(), phases=(Phase(replace(stage, share=1.0), setup.optimise),))
        seat = Seat(copy.deepcopy(student), lambda: setup.teacher)
        start = stage.surgery.close(stage.surgery.open(seat))
        student = train(replace(alone, student=student)).model
        for part in stage.frozen:
            pairs = zip(part_parameters(start, part), part_parameters(student, part), strict=True)
            assert all(torch.equal(*pair) for pair in pairs), (stage.name, part)


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
def test_only_terms_that_say_so_compare_samples(setup: tiny.Setup) -> None:
    """A row's gradient depends on other rows where a term compares samples, and only there.

    Such a term is another loss over the parts of a batch; all others may be accumulated.
    """
    student = tiny.build_student(setup).double().eval()
    teacher = copy.deepcopy(setup.teacher).double()
    for stage in setup.stages:
        batch = setup.feed(Phase(stage, setup.optimise)).batch(0)
        for term in stage.terms:
            place, target = _sides(term, student, teacher, batch)
            other = place.clone()
            other[1:] += torch.randn(
                place[1:].shape, dtype=place.dtype, generator=tiny.generator(4)
            )
            gradients = []
            for each in (place, other):
                each.requires_grad_(True)
                gradients += torch.autograd.grad(term.loss(each, target, batch), each)
            alike = torch.allclose(*(found[0] for found in gradients), rtol=1e-9, atol=1e-12)
            assert alike is not term.over_samples, term.name


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


def _untrained(setup: tiny.Setup) -> PreTrainedModel:
    """The student as its surgery leaves it without a single step."""
    student = tiny.build_student(setup)
    for stage in setup.stages:
        seat = Seat(student, lambda: setup.teacher)
        student = stage.surgery.close(stage.surgery.open(seat))
    return student


def _compared(stage: Stage) -> list[Term]:
    """The terms that compare both sides; a projection between equal widths is the identity."""
    return [term for term in stage.terms if term.teacher is not None and term.vanishes]


def _sides(
    term: Term, student: PreTrainedModel, teacher: PreTrainedModel, batch: Batch
) -> tuple[torch.Tensor, torch.Tensor]:
    """What a term compares; where a learnt map would stand, a fixed one."""
    with torch.no_grad():
        with Capture(student, {term.student}) as ours:
            place = ours(batch)[term.student]
        if term.teacher is None:
            return place, batch.labels
        with Capture(teacher, {term.teacher}) as theirs:
            target = theirs(batch)[term.teacher]
    if term.project and place.shape[-1] != target.shape[-1]:
        place = torch.nn.functional.pad(place, (0, target.shape[-1] - place.shape[-1]))
    return place, target


def _terms(
    stage: Stage, student: PreTrainedModel, teacher: PreTrainedModel, batch: Batch
) -> dict[str, float]:
    """Each term's value."""
    return {
        term.name: float(term.loss(*_sides(term, student, teacher, batch), batch))
        for term in stage.terms
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
