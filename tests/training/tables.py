"""Terms and stages that the tests of the loop are made of."""

from functools import partial

from tests import tiny
from zoo.distil.stage import Stage
from zoo.distil.term import Term
from zoo.losses.hidden import token_cosine
from zoo.losses.logits import hard_labels, soft_labels
from zoo.models.tap import LOGITS, Site, Tap
from zoo.spec.optimise import Optimise

LABELS = Term("labels", hard_labels, LOGITS)
SOFT = Term("soft", partial(soft_labels, temperature=2.0), LOGITS, LOGITS)
COSINE = Term("cosine", token_cosine, Tap(Site.HIDDEN, 1), Tap(Site.HIDDEN, 3))
WIDE = tiny.TEACHER.model_copy(update={"hidden": 48})


def plain(**change: object) -> Optimise:
    stated = {"steps": 4, "batch_size": 8, "learning_rate": 1e-3, "dropout": 0.0}
    return Optimise.model_validate(stated | change)


def task_stage(*terms: Term, **change: object) -> Stage:
    return Stage(**({"name": "stage", "data": "task", "terms": terms} | change))
