"""The check that stands in front: every engine makes the same three steps."""

from collections.abc import Mapping, Sequence

from benchmarks.engines import OURS, Engine
from benchmarks.measure import weights_of
from benchmarks.work import BATCH_SIZE, Workload, optimisation, random_rows, shape, workload

TOLERANCE = 1e-5
STEPS = 3


def three_steps(layers: tuple[int, int], hidden: int, vocabulary: int) -> Workload:
    """Three batches of rows of different lengths, in order, without dropout, in fp32.

    `layers` are the teacher's and the student's.
    """
    teacher, student = (shape(depth, hidden, vocabulary) for depth in layers)
    rows = random_rows(STEPS * BATCH_SIZE, 8, 32, vocabulary)
    optimise = optimisation(1, "fp32").model_copy(update={"dropout": 0.0})
    return workload(rows, teacher, student, optimise, shuffled=False)


def differences(engines: Sequence[Engine], work: Workload) -> Mapping[str, float]:
    """The largest difference of any weight from ours after the training, by engine.

    Raises:
        RuntimeError: an engine failed.
    """
    ours = weights_of(OURS, work)
    others = [engine for engine in engines if engine.name != OURS.name]
    return {engine.name: float(abs(weights_of(engine, work) - ours).max()) for engine in others}
