"""The gate stage: for which tasks a teacher is good enough to be distilled."""

from zoo.paths import Project
from zoo.records.score import ScoreRecord
from zoo.records.store import read_records
from zoo.spec.measuring import GateJob
from zoo.training.gates import write_gate


def open_gate(project: Project, job: GateJob) -> None:
    """Compare the teacher's scores with the declared ones, task by task; lowest split counts."""
    folder = project.entry(job.suite, job.entry)
    reached: dict[str, float] = {}
    for record in read_records(folder.score):
        if isinstance(record, ScoreRecord) and record.seed == job.seed:
            value = record.metrics[record.primary]
            low = float("-inf") if value is None else value
            reached[record.task] = min(low, reached.get(record.task, float("inf")))
    passed = {task: task not in job.gates or reached[task] >= job.gates[task] for task in job.tasks}
    write_gate(folder.gate, passed)
