"""An order of classes that is not the data's is found, and only then."""

import numpy as np
import pytest

from zoo.errors import MeasurementError
from zoo.evaluation.labels import refuse_label_order
from zoo.spec.task import TASKS

MNLI, SST2 = TASKS["mnli"], TASKS["sst2"]


def answered(order: list[int], right: float, count: int = 300, seed: int = 0) -> tuple[list, list]:
    """Gold classes, and answers of a model that is right that often but writes `order` for them."""
    generator = np.random.default_rng(seed)
    gold = generator.integers(0, len(order), count)
    meant = np.where(
        generator.random(count) < right, gold, generator.integers(0, len(order), count)
    )
    return gold.tolist(), np.array(order)[meant].tolist()


def test_a_swapped_order_is_named() -> None:
    """The whole message: which class means which, and what was right either way."""
    gold, answers = answered([2, 1, 0], 0.8)
    meant = sum(2 - a == g for g, a in zip(gold, answers, strict=True))
    as_is = sum(a == g for g, a in zip(gold, answers, strict=True))
    with pytest.raises(MeasurementError) as told:
        refuse_label_order(MNLI, gold, answers, "teacher bert")
    assert str(told.value) == (
        "teacher bert on mnli: its class order differs from the data's: entailment means"
        f" contradiction, contradiction means entailment ({meant} of 300 correct in that order,"
        f" {as_is} as is)\n"
        "  allowed: entailment, neutral, contradiction, in this order\n"
        "  fix: reorder the labels of the checkpoint like the data's, or use another checkpoint"
    )


@pytest.mark.parametrize("order", [[1, 0], [1, 2, 0], [2, 0, 1], [0, 2, 1]])
def test_every_other_order_is_found(order: list[int]) -> None:
    """Two classes the other way round, and all orders of three."""
    task = SST2 if len(order) == 2 else MNLI
    with pytest.raises(MeasurementError, match="its class order differs"):
        refuse_label_order(task, *answered(order, 0.9), "a model")


def test_a_turned_order_is_named_from_the_answer_to_what_it_means() -> None:
    """Entailment written as neutral, neutral as contradiction, contradiction as entailment."""
    gold, answers = answered([1, 2, 0], 0.9)
    with pytest.raises(MeasurementError) as told:
        refuse_label_order(MNLI, gold, answers, "a model")
    assert (
        "entailment means contradiction, neutral means entailment, contradiction means neutral ("
    ) in str(told.value)


def test_the_evidence_has_to_be_certain() -> None:
    """One more answer the wrong way round, and the exact McNemar test falls below 1e-4."""
    gold = [0, 1] * 60
    for wrong, refused in ((81, False), (82, True)):
        # Of 120 balanced examples: p is 1.6e-4 with 81 of them swapped, 7.3e-5 with 82.
        answers = [1 - label if n < wrong else label for n, label in enumerate(gold)]
        if refused:
            with pytest.raises(MeasurementError, match=f"{wrong} of 120 correct in that order"):
                refuse_label_order(SST2, gold, answers, "a model")
        else:
            refuse_label_order(SST2, gold, answers, "a model")


@pytest.mark.parametrize("seed", range(40))
def test_a_model_that_only_guesses_is_not_accused(seed: int) -> None:
    """Some order always fits chance best; that is no evidence."""
    for task in (MNLI, SST2):
        order = list(range(len(task.labels)))
        refuse_label_order(task, *answered(order, 0.0, 200, seed), "a model")


def test_right_answers_few_examples_and_other_tasks_pass() -> None:
    """So does a constant answer that is the rarest class."""
    refuse_label_order(MNLI, *answered([0, 1, 2], 0.9), "a model")
    refuse_label_order(SST2, [0, 1, 0], [1, 0, 1], "a model")
    refuse_label_order(SST2, [0] * 90 + [1] * 10, [1] * 100, "a model")
    refuse_label_order(TASKS["stsb"], [0.5], [4.5], "a model")
    refuse_label_order(TASKS["squad-v1.1"], [("a",)], ["a"], "a model")


def test_training_examples_clear_a_model_of_an_adversarial_split() -> None:
    """Far below chance on the scored examples, right on those it learnt: WNLI and its like."""
    for task in (SST2, MNLI):
        turned = [*range(1, len(task.labels)), 0]
        scored = answered(turned, 0.9)
        learnt = answered(list(range(len(task.labels))), 0.6, seed=1)
        assert refuse_label_order(task, *scored, "a model", lambda learnt=learnt: learnt) is True


def test_training_examples_do_not_clear_a_model_of_another_order() -> None:
    """Wrong there in the same way, at chance there, or too few to tell: the message is the same."""
    scored = answered([1, 0], 0.9)
    for learnt in (answered([1, 0], 0.6, seed=1), answered([0, 1], 0.0, seed=1), ([0, 1], [0, 1])):
        with pytest.raises(MeasurementError, match="its class order differs"):
            refuse_label_order(SST2, *scored, "a model", lambda learnt=learnt: learnt)


def test_training_examples_are_asked_only_where_there_is_a_doubt() -> None:
    """A model that scores as it should costs nothing more."""

    def never() -> tuple[list, list]:
        raise AssertionError

    assert refuse_label_order(SST2, *answered([0, 1], 0.9), "a model", never) is False
    assert refuse_label_order(TASKS["stsb"], [0.5], [4.5], "a model", never) is False
