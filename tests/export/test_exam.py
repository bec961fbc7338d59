from dataclasses import replace

import pytest

from tests import tiny
from zoo.data import pocket
from zoo.data.batches import Encoded
from zoo.data.windows import Feature
from zoo.errors import ExportError
from zoo.export.exam import SHAPES, Exam, exam_of, load_exam, require_varied
from zoo.spec.task import TASKS


def _of_lengths(*lengths: int) -> Encoded:
    split = pocket.split("sentiment", "dev", len(lengths), 0)
    features = tuple(
        Feature(row, tuple(range(5, 5 + length)), (0,) * length)
        for row, length in enumerate(lengths)
    )
    return Encoded(TASKS["sentiment"], split, features, 0)


@pytest.mark.parametrize("task", ["sentiment", "span"])
@pytest.mark.parametrize("examples", [19, 32, 100])
def test_real_examples_give_five_shapes_with_padding(task: str, examples: int) -> None:
    """Every sequence is asked once, in at least five shapes, short beside long ones."""
    exam = exam_of(tiny.encoded(task, examples), tiny.SETTINGS)
    rows = [row for batch in exam.batches for row in batch.rows]
    assert sorted(rows) == list(range(len(exam.encoded.features)))
    assert len(exam.shapes) >= 5
    assert exam.padded
    assert not exam.probes
    require_varied(exam, "x")


@pytest.mark.parametrize(
    "lengths", [(7,) * 40, (48,) * 19, (7, 7, 7), (3, 9), (5,), (2,), (2,) * 30], ids=str
)
def test_what_examples_lack_is_made_on_purpose(lengths: tuple[int, ...]) -> None:
    """Texts of one length, texts cut to the longest, one or two examples: shapes and padding."""
    encoded = _of_lengths(*lengths)
    exam = exam_of(encoded, tiny.SETTINGS)
    require_varied(exam, "x")
    assert len(exam.shapes) >= SHAPES
    assert sum(len(batch.rows) for batch in exam.batches) == len(lengths)
    assert [len(batch.rows) for batch in exam.probes] == [1, 2, 3, 5, 8]
    widths = {batch.input_ids.shape[1] for batch in exam.probes}
    assert max(widths) == max(lengths)
    assert len(widths) >= min(SHAPES - 1, max(1, max(lengths) - 1))
    for probe in exam.probes:
        for ids, real in zip(probe.input_ids, probe.real, strict=True):
            own = tuple(ids[real].tolist())
            assert own
            assert any(whole.input_ids[: len(own)] == own for whole in encoded.features)
    assert all(not probe.real.all() for probe in exam.probes[1:])


def test_short_and_long_stand_in_one_batch() -> None:
    """Every batch of two and more pads a sequence of the shorter half to one of the longer."""
    exam = exam_of(_of_lengths(*range(1, 20)), tiny.SETTINGS)
    for batch in exam.batches[1:]:
        lengths = batch.attention_mask.sum(dim=1)
        assert lengths.min() <= 10 <= lengths.max()


def test_an_exam_that_shows_too_little_is_refused() -> None:
    """Both lacks are told at once; no sequence at all is another matter."""
    exam = replace(exam_of(_of_lengths(7, 7, 7), tiny.SETTINGS), probes=())
    with pytest.raises(ExportError) as caught:
        require_varied(exam, "model.onnx")
    do = "compare on what `exam_of` makes of them"
    assert str(caught.value) == (
        "model.onnx: compared in only 2 shapes, with 3 sequences of sentiment dev\n"
        f"  allowed: at least 5 of batch x length\n  fix: {do}\n"
        "model.onnx: compared without padding, with 3 sequences of sentiment dev\n"
        f"  allowed: sequences of several lengths\n  fix: {do}"
    )
    with pytest.raises(ExportError) as caught:
        require_varied(Exam(replace(_of_lengths(7), features=()), tiny.SETTINGS, ()), "x")
    assert str(caught.value) == (
        "x: compared on no examples\n  allowed: at least one\n  fix: compare on more examples"
    )


@pytest.mark.parametrize(("dev", "examples", "asked"), [(30, 20, 20), (20, 30, 20), (None, 9, 9)])
def test_no_more_examples_are_asked_than_are_scored(
    dev: int | None, examples: int, asked: int
) -> None:
    """The first examples of the scored split are taken."""
    settings = tiny.SETTINGS.model_copy(update={"dev": dev})
    run = tiny.run("sentiment", settings=settings)
    assert len(load_exam(run, tiny.tokenizer(), examples).encoded.split.examples) == asked
