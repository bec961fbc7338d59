"""What the stages of a suite cost: those that are up to date nothing, the others CPU hours."""

import os
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean

from benchmarks.plan.pace import Paces
from benchmarks.plan.work import CORPUS, RunWork, Works
from zoo.data.absent import is_absent
from zoo.paths import EntryFolder, Project
from zoo.pipeline.compile import compile_suite
from zoo.pipeline.pending import PendingStage, pending
from zoo.pipeline.schedule import schedule_of
from zoo.pipeline.variants import compile_study
from zoo.records.durations import Seconds, known_durations
from zoo.records.store import read_record
from zoo.records.training import TrainingRecord, TransferRecord
from zoo.resolve.entry import ResolvedSuite
from zoo.spec.load import BOARD_PIPELINE
from zoo.training.device import NARROW

HOUR = 3600.0


@dataclass(frozen=True)
class Row:
    """A stage, or the trainings of a stage on one data set."""

    owner: str
    """The entry or study whose stage it is."""
    stage: str
    data: str
    """A task, or `corpus`; empty where nothing is trained."""
    built: bool
    trainings: int
    tokens: float
    """Tokens that students read, padding included."""
    student_flops: float
    teacher_flops: float
    cpu_s: float | None
    """CPU seconds of a build from nothing; None where no build has timed such a stage."""
    cores: int
    """How many cores it can keep busy."""
    measured_cpu_s: float | None
    """What the records of its trainings say: seconds times threads, on a CPU."""

    @property
    def left_s(self) -> float:
        """CPU seconds that are left of it."""
        return 0.0 if self.built else self.cpu_s or 0.0


@dataclass(frozen=True)
class Estimate:
    """A suite's rows in build order, and what is left of it."""

    suite: str
    jobs: int
    cores: int
    rows: tuple[Row, ...]
    wall_s: float
    paces: Paces

    @property
    def left_s(self) -> float:
        """CPU seconds that are left."""
        return sum(row.left_s for row in self.rows)

    def left_of(self, owners: Collection[str]) -> float:
        """CPU seconds that are left of some entries."""
        return sum(row.left_s for row in self.rows if row.owner in owners)

    @property
    def agreement(self) -> tuple[float, float] | None:
        """CPU seconds of the trainings that have records: estimated, and as these say."""
        both = [row for row in self.rows if row.measured_cpu_s is not None]
        if not both:
            return None
        return sum(row.cpu_s or 0.0 for row in both), sum(row.measured_cpu_s or 0.0 for row in both)

    @property
    def unknown(self) -> list[str]:
        """The stages that no build has timed."""
        return [f"{row.owner}/{row.stage}" for row in self.rows if row.cpu_s is None]

    def as_json(self) -> dict[str, object]:
        """All of it, in seconds and operations."""
        paces = [
            {
                "stage": calibration.phase.stage.name,
                "student": calibration.student.model_dump(mode="json"),
                "precision": calibration.phase.optimise.precision,
                "threads": calibration.threads,
                **pace._asdict(),
            }
            for calibration, pace in self.paces
        ]
        return {
            "suite": self.suite,
            "jobs": self.jobs,
            "cores": self.cores,
            "cpu_s": self.left_s,
            "wall_s": self.wall_s,
            "rows": [asdict(row) | {"left_s": row.left_s} for row in self.rows],
            "paces": paces,
        }


class Estimator:
    """Estimates stages at the pace of this machine."""

    def __init__(self, works: Works, threads: int) -> None:
        self._works, self._threads = works, threads
        self.paces = Paces()

    def rows(
        self,
        project: Project,
        stage: PendingStage,
        absent: set[str],
        *,
        built: bool,
        other: float | None,
    ) -> Iterator[Row]:
        """The rows of a stage; `other` are the seconds of one that trains nothing."""
        job = stage.stage.job
        works = list(self._works.of(job.without(absent)))
        if job.run_tasks and absent.issuperset(job.run_tasks):
            other = 0.0  # it is skipped
        if not works:
            yield Row(stage.owner, stage.stage.name, "", built, 0, 0.0, 0.0, 0.0, other, 1, None)
        folder = project.entry(stage.suite, job.entry)
        for data in dict.fromkeys(work.data for work in works):
            some = [work for work in works if work.data == data]
            yield self._row(stage, some, built=built, measured=_measured(folder, some))

    def _row(
        self, stage: PendingStage, works: Sequence[RunWork], *, built: bool, measured: float | None
    ) -> Row:
        phases = [phase for work in works for phase in work.phases]
        narrow = works[0].hidden <= NARROW
        return Row(
            owner=stage.owner,
            stage=stage.stage.name,
            data=works[0].data,
            built=built,
            trainings=len(works),
            tokens=sum(work.tokens for work in works),
            student_flops=sum(phase.student_flops for phase in phases),
            teacher_flops=sum(phase.teacher_flops for phase in phases),
            cpu_s=sum(work.cpu_s(self.paces, self._threads) for work in works),
            cores=min(self._threads, len(works)) if narrow else self._threads,
            measured_cpu_s=measured,
        )


def estimate(
    project: Project, suite: ResolvedSuite, owners: Sequence[str], jobs: int, estimator: Estimator
) -> Estimate:
    """What some entries and studies cost, and what they need.

    Raises:
        ZooError: their data are missing, or DVC cannot report its status.
    """
    stages, left = _stages(suite, owners), _pending(project, suite, owners)
    known = known_durations(project, suite.name)
    absent = absent_tasks(project, suite)
    rows = [
        row
        for stage in stages
        for row in estimator.rows(
            project, stage, absent, built=stage.key not in left, other=_other(stage, known)
        )
    ]
    cores = len(os.sched_getaffinity(0))
    waiting = [stage for stage in stages if stage.key in left]
    took: Seconds = dict.fromkeys((stage.key for stage in waiting), 0.0)
    for row in rows:
        if not row.built:
            took[f"{row.owner}/{row.stage}"] += row.left_s / min(row.cores, max(1.0, cores / jobs))
    wall = schedule_of(waiting, jobs).seconds_left(list(took), {}, took)
    return Estimate(suite.name, jobs, cores, tuple(rows), wall, estimator.paces)


def absent_tasks(project: Project, suite: ResolvedSuite) -> set[str]:
    """The optional tasks whose data are not on this machine."""
    loaded = suite.loaded
    return {
        task
        for task in loaded.suite.optional_tasks
        if is_absent(project, suite.name, loaded.definition(task), loaded.data_of(task))
    }


def needed_owners(suite: ResolvedSuite, owner: str) -> set[str]:
    """An entry with those that it is built from, or a study alone."""
    found, waiting = {owner}, [suite.entries.get(owner)]
    while waiting:
        entry = waiting.pop()
        above = (entry.teacher, entry.origin) if entry is not None else ()
        waiting += [one for one in above if one is not None and one.name not in found]
        found |= {one.name for one in above if one is not None}
    return found


def _stages(suite: ResolvedSuite, owners: Sequence[str]) -> list[PendingStage]:
    wanted = {name for owner in owners for name in needed_owners(suite, owner)}
    pipelines = compile_suite(suite)
    pipelines += [compile_study(suite, name) for name in owners if name in suite.loaded.studies]
    return [
        PendingStage(suite.name, pipeline.entry, stage)
        for pipeline in pipelines
        if pipeline.entry in wanted
        for stage in pipeline.stages
    ]


def _pending(project: Project, suite: ResolvedSuite, owners: Sequence[str]) -> set[str]:
    studies = [name for name in owners if name in suite.loaded.studies]
    asked = [BOARD_PIPELINE, *studies]
    return {stage.key for name in asked for stage in pending(project, suite, name)}


def _other(stage: PendingStage, known: Seconds) -> float | None:
    """The seconds of a stage in an earlier build, or of the suite's stages of its kind."""
    kind = stage.stage.kind.name
    alike = [took for key, took in known.items() if key.partition("/")[2] == kind]
    return known.get(stage.key, fmean(alike) if alike else None)


def _measured(folder: EntryFolder, works: Iterable[RunWork]) -> float | None:
    """What the records of trainings as declared say; None unless there are all of them."""
    took = 0.0
    for work in works:
        path = (
            folder.transfer_record(work.seed)
            if work.data == CORPUS
            else folder.training_record(work.data, work.seed)
        )
        record = read_record(path) if path.is_file() else None
        if not isinstance(record, TrainingRecord | TransferRecord):
            return None
        if record.declared != work.declared or record.environment.device != "cpu":
            return None
        took += record.seconds * record.threads
    return took
