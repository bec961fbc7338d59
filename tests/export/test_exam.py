from dataclasses import replace

import pytest

from tests import tiny
from zoo.data import pocket
from zoo.data.batches import Encoded
from zoo.data.windows import Feature
from zoo.errors import ExportError
from zoo.export.exam import SMALL_SPLIT, Exam, exam_of, load_exam, require_varied
from zoo.spec.data import PocketData
from zoo.spec.measuring import Measured
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
    require_varied(exam, "x")


def test_sizes_alone_make_shapes_differ() -> None:
    """Nineteen sequences of one length stand in five shapes."""
    exam = exam_of(_of_lengths(*[7] * SMALL_SPLIT), tiny.SETTINGS)
    assert exam.shapes == ((1, 7), (2, 7), (3, 7), (5, 7), (8, 7))
    assert not exam.padded


def test_short_and_long_stand_in_one_batch() -> None:
    """Every batch of two and more pads a sequence of the shorter half to one of the longer."""
    exam = exam_of(_of_lengths(*range(1, 20)), tiny.SETTINGS)
    for batch in exam.batches[1:]:
        lengths = batch.attention_mask.sum(dim=1)
        assert lengths.min() <= 10 <= lengths.max()


def test_too_few_examples_of_a_larger_split_are_refused() -> None:
    """What was cut by the settings can be had: both lacks are told at once."""
    exam = exam_of(_of_lengths(7, 7, 7), tiny.SETTINGS, whole=False)
    with pytest.raises(ExportError) as caught:
        require_varied(exam, "model.onnx")
    excused = "(a split of fewer than 19 sequences is excused, if compared as a whole)"
    do = "state more examples under bench: export: examples"
    assert str(caught.value) == (
        "model.onnx: compared in 2 shapes only, with 3 sequences of sentiment dev\n"
        f"  allowed: at least 5 of batch x length {excused}\n  do: {do}\n"
        "model.onnx: compared without padding, with 3 sequences of sentiment dev, all of one"
        f" length\n  allowed: sequences of several lengths {excused}\n  do: {do}"
    )


def test_a_small_split_is_excused_as_a_whole() -> None:
    """Eighteen sequences pass as they are, nineteen without padding do not, none never."""
    require_varied(exam_of(_of_lengths(*[7] * (SMALL_SPLIT - 1)), tiny.SETTINGS), "x")
    with pytest.raises(ExportError, match="without padding"):
        require_varied(exam_of(_of_lengths(*[7] * SMALL_SPLIT), tiny.SETTINGS), "x")
    with pytest.raises(ExportError) as caught:
        require_varied(Exam(replace(_of_lengths(7), features=()), tiny.SETTINGS, ()), "x")
    assert str(caught.value) == (
        "x: compared on no example\n  allowed: at least one\n  do: compare on more examples"
    )


@pytest.mark.parametrize(("dev", "examples", "whole"), [(30, 20, False), (20, 20, True)])
def test_a_cut_split_is_told_from_one_that_ends(dev: int, examples: int, whole: bool) -> None:
    """The first examples of the scored split are taken, never more than the suite scores."""
    settings = tiny.SETTINGS.model_copy(update={"dev": dev})
    run = Measured(task="sentiment", seed=1, settings=settings, data=PocketData(), declared="d")
    exam = load_exam(run, tiny.tokenizer(), examples)
    assert len(exam.encoded.split.examples) == 20
    assert exam.whole == whole
