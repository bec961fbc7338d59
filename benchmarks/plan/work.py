"""The trainings of a stage: what they read, what that computes, and what was measured of them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from benchmarks.plan.flops import Amount, PhaseCost, phase_costs
from benchmarks.plan.pace import Calibration, Paces, threads_of
from benchmarks.plan.reading import Data, Epoch, TaskData
from zoo.models.build import MASKED_LM, Head
from zoo.models.tap import LOGITS
from zoo.resolve.plan import Phase, pretraining_plan, task_plan, transfer_plan, words_plan
from zoo.spec.jobs import Job, PretrainJob, TrainJob, TransferJob
from zoo.spec.recipe import AdaptedSource, RunRecipe
from zoo.spec.shape import Shape
from zoo.spec.teacher import PretrainedSource
from zoo.training.corpus import Fold
from zoo.training.kept import parts_of
from zoo.training.stored import most_bytes

CORPUS = "corpus"
_BYTES = {"fp32": 4, "bf16": 2}


@dataclass(frozen=True)
class PhaseWork:
    """One phase: what its steps read, and what the teacher reads beside them."""

    phase: Phase
    shapes: tuple[Shape, Shape | None]
    """Of the student and, where there is one, of the teacher."""
    head: Head
    cost: PhaseCost
    steps: int
    read: Amount
    asked: Amount
    """What the teacher computes on: nothing of what is stored."""
    decoded: tuple[float, float] = (0.0, 0.0)
    """Words that student and teacher decode."""

    @property
    def student_flops(self) -> float:
        """Forward and backward."""
        ours, _ = self.decoded
        batches = self.read.batches if ours else 0.0
        return self.cost.trained.over(self.read) + self.cost.trained_words.over(batches, ours)

    @property
    def teacher_flops(self) -> float:
        """Forward only."""
        return self.cost.answered.over(self.asked) + self._answered_words

    @property
    def _answered_words(self) -> float:
        _, theirs = self.decoded
        return self.cost.answered_words.over(self.read.batches if theirs else 0.0, theirs)

    def cpu_s(self, paces: Paces, threads: int) -> float:
        """What it takes at the pace of this machine."""
        calibration = Calibration.of(self.phase, self.shapes, self.head, self.cost, threads)
        steps = self.steps * self.phase.optimise.accumulate
        own = self.student_flops + self._answered_words
        found = paces.trained(calibration).cpu_s(steps, own)
        if self.asked.batches:
            answers = paces.answered(calibration)
            found += answers.cpu_s(self.asked.batches, self.cost.answered.over(self.asked))
        return found


@dataclass(frozen=True)
class RunWork:
    """One training: on a corpus or a task, with one seed."""

    data: str
    seed: int
    declared: str
    """What its record says that it is."""
    hidden: int
    """The widest of its models, which decides on its threads."""
    phases: tuple[PhaseWork, ...]

    def cpu_s(self, paces: Paces, threads: int) -> float:
        """What it takes, of all that there are so many threads."""
        own = threads_of(self.hidden, threads)
        return sum(phase.cpu_s(paces, own) for phase in self.phases)

    @property
    def tokens(self) -> float:
        """Tokens that the student reads, padding included."""
        return sum(phase.read.tokens for phase in self.phases)


@dataclass
class Works:
    """The trainings of a suite's stages; the first that reads a teacher's answers stores them."""

    data: Data
    _stored: set[tuple[object, ...]] = field(default_factory=set)
    _costs: dict[tuple[object, ...], list[PhaseCost]] = field(default_factory=dict)

    def of(self, job: Job) -> Iterator[RunWork]:
        """The trainings of a job, in their order."""
        if isinstance(job, TrainJob):
            yield from (self._run(job, run) for run in job.runs)
        elif isinstance(job, TransferJob):
            yield self._transfer(job)
        elif isinstance(job, PretrainJob) and isinstance(job.source, PretrainedSource):
            yield self._pretrained(job, job.source)
        elif isinstance(job, PretrainJob) and isinstance(job.source, AdaptedSource):
            yield self._words(job, job.source)

    def _run(self, job: TrainJob, run: RunRecipe) -> RunWork:
        recipe, phases = run.recipe, task_plan(run.recipe, run.definition)
        teacher = recipe.teacher.source.shape if recipe.student else None
        data = self.data.task(run, job.teacher)
        head, made = Head(data.task), []
        for phase, cost in self._costed(recipe.shape, teacher, head, phases):
            epoch = self.data.task_epoch(run, job.teacher, phase)
            passes = self._asked_passes(job, run, phase, data, _passes(phase, epoch))
            asked = epoch.amount.times(passes)
            made.append(_phase_work(phase, (recipe.shape, teacher), head, cost, epoch, asked))
        widest = max(recipe.shape.hidden, recipe.teacher.source.shape.hidden)
        return RunWork(run.task, run.seed, run.declared, widest, tuple(made))

    def _asked_passes(
        self, job: TrainJob, run: RunRecipe, phase: Phase, data: TaskData, passes: float
    ) -> float:
        """How often the teacher reads the data: once in all where its answers are stored."""
        if all(term.teacher is None for term in phase.stage.terms):
            return 0.0
        parts = parts_of(phase, data.layout)
        precision, shape = phase.optimise.teacher_precision, run.recipe.teacher.source.shape
        if parts is None or phase.stage.data == "augmented":
            return passes
        states = [part for part in parts if part.positions == "real" and part.tap != LOGITS]
        if len(states) * data.tokens * shape.hidden * _BYTES[precision] > most_bytes():
            return passes
        keys = {(job.teacher, run.task, run.teacher_seed, precision, part) for part in parts}
        lacking = keys - self._stored
        self._stored |= keys
        return min(1.0, passes) if lacking else 0.0

    def _transfer(self, job: TransferJob) -> RunWork:
        student, teacher = job.student.shape, job.source.shape
        pair = min(student.segments, teacher.segments) > 1
        made = []
        for phase, cost in self._costed(student, teacher, MASKED_LM, transfer_plan(job)):
            epoch = self.data.text_epoch(job.corpus, job.teacher, phase, pair=pair)
            reads = any(term.teacher is not None for term in phase.stage.terms)
            asked = epoch.amount.times(_passes(phase, epoch) if reads else 0.0)
            made.append(_phase_work(phase, (student, teacher), MASKED_LM, cost, epoch, asked))
        widest = max(student.hidden, teacher.hidden)
        return RunWork(CORPUS, job.seed, job.declared, widest, tuple(made))

    def _pretrained(self, job: PretrainJob, source: PretrainedSource) -> RunWork:
        made = []
        plan = pretraining_plan(source)
        for phase, cost in self._costed(source.shape, None, MASKED_LM, plan):
            epoch = self.data.text_epoch(source.corpus, job.entry, phase, pair=True)
            made.append(_phase_work(phase, (source.shape, None), MASKED_LM, cost, epoch))
        return RunWork(CORPUS, source.seed, job.declared, source.shape.hidden, tuple(made))

    def _words(self, job: PretrainJob, source: AdaptedSource) -> RunWork:
        words, shape = source.words, source.shape
        fold, pair = Fold(words.held_out_every, held_out=False), shape.segments > 1
        made = []
        for phase, cost in self._costed(shape, None, MASKED_LM, words_plan(words)):
            epoch = self.data.text_epoch(words.corpus, job.entry, phase, pair=pair, fold=fold)
            made.append(_phase_work(phase, (shape, None), MASKED_LM, cost, epoch))
        return RunWork(CORPUS, words.seed, job.declared, shape.hidden, tuple(made))

    def _costed(
        self, student: Shape, teacher: Shape | None, head: Head, phases: Sequence[Phase]
    ) -> Iterator[tuple[Phase, PhaseCost]]:
        """Phases with what they compute: counted once for all alike."""
        reads = any(phase.stage.needs_teacher for phase in phases)
        asked = teacher if reads else None
        plan = tuple((phase.stage.surgery, phase.stage.frozen) for phase in phases)
        kind = head.task.kind if head.task is not None else None
        key = student, asked, kind, plan
        if key not in self._costs:
            self._costs[key] = list(phase_costs(student, asked, head, phases))
        yield from zip(phases, self._costs[key], strict=True)


def _passes(phase: Phase, epoch: Epoch) -> float:
    """The passes of a phase over its data."""
    batches = round(epoch.amount.batches)
    return phase.budget(batches).steps / batches


def _phase_work(
    phase: Phase,
    shapes: tuple[Shape, Shape | None],
    head: Head,
    cost: PhaseCost,
    epoch: Epoch,
    asked: Amount = Amount(),  # noqa: B008  (it is frozen)
) -> PhaseWork:
    read = epoch.amount.times(_passes(phase, epoch))
    steps = phase.budget(round(epoch.amount.batches)).steps
    ours, theirs = (_passes(phase, epoch) * words for words in epoch.decoded)
    return PhaseWork(phase, shapes, head, cost, steps, read, asked, (ours, theirs))
