"""What every loss on states, scores and vectors obeys: one table, one test a law."""

import ast
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

import zoo.losses
from tests.losses.table import SIZES, SUBJECTS, Subject, padding, sides

every = pytest.mark.parametrize("subject", SUBJECTS, ids=str)
every_size = pytest.mark.parametrize("size", SIZES)
blind_to_padding = pytest.mark.parametrize(
    "subject", [subject for subject in SUBJECTS if not subject.padded], ids=str
)
BF16_TOLERANCE = 0.02
"""How far bf16 inputs may move a loss, relative to it; the losses themselves add nothing."""


def slope(subject: Subject, student: Tensor, teacher: Tensor, batch: object) -> Tensor:
    leaf = student.detach().clone().requires_grad_()
    subject(leaf, teacher, batch).backward()
    assert leaf.grad is not None
    return leaf.grad


def stated() -> dict[str, set[str]]:
    """The losses in zoo/losses, and the keywords of each; a loss reads student and batch."""
    found = {}
    for path in Path(zoo.losses.__file__).parent.glob("*.py"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef):
                names = [argument.arg for argument in node.args.args]
                if names[:1] == ["student"] and names[2:] == ["batch"]:
                    found[node.name] = {argument.arg for argument in node.args.kwonlyargs}
    return found


def test_every_loss_and_keyword_is_a_subject() -> None:
    """A loss, or a keyword, that nobody holds to the laws fails here; logits have their own."""
    held: dict[str, set[str]] = {}
    for subject in SUBJECTS:
        held.setdefault(subject.loss.__name__, set()).update(subject.keywords)
    losses = stated()
    assert losses.pop("soft_labels") == {"temperature", "scaled", "over"}
    assert losses.pop("hard_labels") == losses.pop("output_mse") == set()
    assert held == losses


@every
@every_size
def test_equals_the_loop(subject: Subject, size: tuple[int, int]) -> None:
    """Odd sizes, ragged padding, double precision, widths that differ where they may."""
    at = sides(subject, size)
    ours = subject(at.student, at.teacher, at.batch)
    assert ours.dtype is torch.float64
    assert ours.shape == ()
    expected = subject.expected(at.student, at.teacher, at.batch)
    assert float(ours) == pytest.approx(expected, rel=0, abs=1e-6)


@every
@pytest.mark.parametrize("size", SIZES[:2])
def test_a_student_that_is_its_teacher_has_nothing_to_learn(
    subject: Subject, size: tuple[int, int]
) -> None:
    """Invariant 1 of MLKD-BERT and of Aguilar et al.: the value and its gradient are zero."""
    teacher = sides(replace(subject, student=subject.teacher), size).teacher
    student, batch = subject.itself(teacher), sides(subject, size).batch
    value = float(subject(student, teacher, batch))
    largest = float(slope(subject, student, teacher, batch).abs().max())
    if subject.apart:
        assert value > 1e-9
        return
    assert abs(value) < 1e-12
    assert largest < 1e-12


@every
def test_is_never_negative(subject: Subject) -> None:
    """Whatever the two sides are."""
    for seed in range(5):
        at = sides(subject, SIZES[1], seed)
        assert float(subject(at.student, at.teacher, at.batch)) > 0.0


@every
def test_gradient_is_the_finite_difference(subject: Subject) -> None:
    """In double precision, with a row that is padded."""
    at = sides(subject, SIZES[0])
    assert not at.batch.real.all()
    leaf = at.student.clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda s: subject(s, at.teacher, at.batch), (leaf,))


@every
def test_the_teacher_gets_no_gradient(subject: Subject) -> None:
    """Not even one that asks for it, and it moves no number."""
    at = sides(subject, SIZES[1])
    student, teacher = at.student.clone().requires_grad_(), at.teacher.clone().requires_grad_()
    subject(student, teacher, at.batch).backward()
    assert teacher.grad is None
    assert student.grad is not None
    assert student.grad.any()


@blind_to_padding
def test_what_stands_in_padding_changes_nothing(subject: Subject) -> None:
    """Neither the value nor the gradient knows it, and it gets no gradient itself."""
    at = sides(subject, SIZES[1])
    out_student, out_teacher = (padding(side, at.batch) for side in (at.student, at.teacher))
    assert out_student.any()
    noisy = at.student.masked_fill(out_student, 90.0)
    other = at.teacher.masked_fill(out_teacher, -70.0)
    before = subject(at.student, at.teacher, at.batch)
    assert torch.equal(before, subject(noisy, other, at.batch))
    steepness = slope(subject, noisy, other, at.batch)
    assert torch.equal(steepness, slope(subject, at.student, at.teacher, at.batch))
    assert not steepness[out_student].any()


@blind_to_padding
def test_appended_padding_changes_nothing(subject: Subject) -> None:
    """MLKD-BERT's invariant 4 and Aguilar's invariant 7: a longer batch of the same tokens."""
    at = sides(subject, SIZES[1])
    longer = replace(
        at.batch,
        attention_mask=torch.nn.functional.pad(at.batch.attention_mask, (0, 2)),
        input_ids=torch.nn.functional.pad(at.batch.input_ids, (0, 2)),
    )

    def appended(side: Tensor, sizes: tuple[int | str, ...]) -> Tensor:
        amounts = [2 if size == "S" else 0 for size in reversed(sizes)]
        return torch.nn.functional.pad(side, [n for a in amounts for n in (0, a)], value=3.0)

    student, teacher = appended(at.student, subject.student), appended(at.teacher, subject.teacher)
    assert student.shape != at.student.shape
    before = subject(at.student, at.teacher, at.batch)
    assert float(subject(student, teacher, longer)) == pytest.approx(float(before), abs=1e-14)


@every
def test_half_precision_comes_in_and_full_precision_goes_on(subject: Subject) -> None:
    """bf16 sides move the loss by 2 % at most, and it is computed as if they were float32."""
    at = sides(subject, SIZES[1])
    student, teacher = at.student.bfloat16(), at.teacher.bfloat16()
    half = subject(student, teacher, at.batch)
    assert half.dtype is torch.float32
    assert torch.equal(half, subject(student.float(), teacher.float(), at.batch))
    exact = float(subject(at.student.float(), at.teacher.float(), at.batch))
    assert float(half) == pytest.approx(exact, rel=BF16_TOLERANCE)


@every
@pytest.mark.parametrize("scale", [0.0, 1.0, 100.0])
def test_half_precision_gradients_are_finite(subject: Subject, scale: float) -> None:
    """Also of a student that is all zeros, and of one that is far out."""
    at = sides(subject, SIZES[1])
    student = (scale * at.student).bfloat16()
    steepness = slope(subject, student, at.teacher.bfloat16(), at.batch)
    assert steepness.dtype is torch.bfloat16
    assert steepness.isfinite().all()
