"""The gate stages: the tasks on which a teacher is good enough to distil from, and its words."""

from zoo.errors import MeasurementError, Problem, at
from zoo.evaluation.labels import refuse_label_order
from zoo.evaluation.predictions import read_predictions
from zoo.paths import EntryFolder, Project
from zoo.records.gate_file import WORDS_KEY, write_gate
from zoo.records.score import ScoreRecord
from zoo.records.store import read_record, read_records
from zoo.records.training import TransferRecord
from zoo.spec.measuring import GateJob, WordGateJob


def open_gate(project: Project, job: GateJob) -> None:
    """Compare the teacher's scores with the required ones, task by task; the lowest split counts.

    Raises:
        MeasurementError: its class order differs from the data's.
    """
    folder = project.entry(job.suite, job.entry)
    reached: dict[str, float] = {}
    for record in read_records(folder.score):
        if isinstance(record, ScoreRecord) and record.seed == job.seed:
            _check_labels(folder, record)
            value = record.metrics[record.primary]
            low = float("-inf") if value is None else value
            reached[record.task] = min(low, reached.get(record.task, float("inf")))
    # A skipped task has no score, and nothing is distilled on it. Its gate stays open: all students
    # read this file, and none need be trained again when the task's data come.
    for task in job.tasks:
        reached.setdefault(task, float("inf"))
    passed = {task: task not in job.gates or reached[task] >= job.gates[task] for task in job.tasks}
    write_gate(folder.gate, passed)


def open_word_gate(project: Project, job: WordGateJob) -> None:
    """Compare a teacher's masked-language-model loss on held-out text with the required one.

    Raises:
        ZooError: the record of its training is missing or damaged.
        MeasurementError: it is that of another training.
    """
    folder = project.entry(job.suite, job.entry)
    path = folder.transfer_record(job.seed)
    record = read_record(path)
    if not isinstance(record, TransferRecord) or record.held_out is None:
        given, allowed = "states no loss on held-out text", "the record of a teacher with `words`"
        remedy = "build the teacher again with `zoo run`"
        raise MeasurementError(Problem(at(path), given, allowed, remedy))
    write_gate(folder.word_gate, {WORDS_KEY: job.gate is None or record.held_out.loss <= job.gate})


def _check_labels(folder: EntryFolder, record: ScoreRecord) -> None:
    """Check the teacher's class order against its predictions.

    Skipped if its predictions on training examples have already cleared it.
    """
    if record.unlike_training:
        return
    stored = read_predictions(folder.score / "predictions" / record.predictions, record.digest)
    where = f"teacher {record.entry}"
    refuse_label_order(record.definition, stored.gold, stored.answers, where)
