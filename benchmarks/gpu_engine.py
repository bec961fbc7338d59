"""What settings of the engine gain on a CUDA device: `kd` and `tinybert` on random models.

    python benchmarks/gpu_engine.py --out FOLDER
    python benchmarks/gpu_engine.py --device cpu --quick --out FOLDER

Every row trains with `zoo.training.loop`, but `plain`, which is a loop over the same terms written
with transformers alone. Steps are timed on the device, between events; the first ones are left
out. `gpu_engine.json` holds the rows, `profile-*.txt` what a step of the engine does.
"""

import argparse
import copy
import json
import statistics
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from unittest import mock

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import AdamW
from transformers import PreTrainedModel

from zoo.data.batches import Encoded, Feed, TaskFeed
from zoo.data.examples import Split, TextExample
from zoo.data.windows import Feature
from zoo.distil.method import Setting
from zoo.methods import method_class, stages_of
from zoo.models.build import Head, build
from zoo.models.capture import Capture
from zoo.resolve.plan import Phase
from zoo.spec.optimise import Optimise
from zoo.spec.shape import Shape
from zoo.spec.task import TASKS
from zoo.tensors.batch import Batch
from zoo.training import phase as engine
from zoo.training.journal import Journal
from zoo.training.loop import Work, train
from zoo.training.phase import History, PhaseRun, PhaseStart
from zoo.training.resume import Place
from zoo.training.trainee import make_projections

BATCH, LENGTH, VOCABULARY, EXAMPLES = 32, 128, 30_522, 2_000
STEPS = 1_000_000
"""Of the schedule; a run ends long before, so that the engine looks at its losses as seldom as in
a long training."""


@dataclass(frozen=True)
class Pair:
    """Two BERTs of random weights."""

    name: str
    width: int
    teacher_layers: int
    student_layers: int

    def shape(self, layers: int) -> Shape:
        return Shape(
            layers=layers,
            hidden=self.width,
            heads=self.width // 64,
            intermediate=4 * self.width,
            vocabulary=VOCABULARY,
        )

    @property
    def setting(self) -> Setting:
        shapes = self.shape(self.student_layers), self.shape(self.teacher_layers)
        return Setting(*shapes, "classification")


BASE = Pair("base", 768, 12, 6)
SMALL = Pair("small", 256, 12, 4)
TINY = Pair("tiny", 64, 4, 2)


@dataclass(frozen=True)
class Case:
    """What is trained, and what is changed of the engine to train it."""

    pair: Pair
    method: str
    precision: str
    variant: str = "engine"
    lengths: str = "fixed"
    steps: int = 80


@dataclass
class Row:
    """What came out; `seconds` are those of the timed steps, the device waited for."""

    case: Case
    ms_p50: float = 0.0
    ms_mean: float = 0.0
    samples_per_second: float = 0.0
    peak_mib: float = 0.0
    before_seconds: float = 0.0
    note: str = ""
    steps_ms: list[float] = field(default_factory=list)

    def told(self) -> str:
        case = self.case
        what = f"{case.pair.name:6}{case.method:9}{case.precision:5}{case.lengths:7}"
        figures = (
            f"{self.ms_p50:9.2f}{self.ms_mean:9.2f}{self.samples_per_second:10.0f}"
            f"{self.peak_mib:9.0f}{self.before_seconds:9.1f}"
        )
        return f"{what}{case.variant:22}{figures}  {self.note}"


HEADER = (
    f"{'pair':6}{'method':9}{'prec':5}{'length':7}{'variant':22}"
    f"{'p50 ms':>9}{'mean ms':>9}{'samples/s':>10}{'peak MiB':>9}{'first s':>9}"
)


class Enough(Exception):  # noqa: N818  (it is no error: the run has seen its steps)
    """All steps of a case are timed."""


class Clock:
    """A feed that marks when each batch is asked for, and ends the training after the last."""

    def __init__(self, feed: Feed, steps: int, warm: int, device: torch.device) -> None:
        self._feed, self._steps, self._warm, self._device = feed, steps, warm, device
        self._events: list[torch.cuda.Event] = []
        self._times: list[float] = []
        self._asked = 0
        self.started = time.perf_counter()
        self.before_seconds = self.seconds = 0.0

    @property
    def batches_per_epoch(self) -> int:
        return self._feed.batches_per_epoch

    def batch(self, step: int) -> Batch:
        if self._asked == self._warm:
            synchronise(self._device)
            self.before_seconds = time.perf_counter() - self.started
            self.started = time.perf_counter()
        if self._asked >= self._warm:
            self._mark()
        if self._asked == self._warm + self._steps:
            synchronise(self._device)
            self.seconds = time.perf_counter() - self.started
            raise Enough
        self._asked += 1
        return self._feed.batch(step)

    def _mark(self) -> None:
        if self._device.type == "cuda":
            event = torch.cuda.Event(enable_timing=True)
            event.record()
            self._events.append(event)
        else:
            self._times.append(1e3 * time.perf_counter())

    @property
    def steps_ms(self) -> list[float]:
        pairs = zip(self._events, self._events[1:], strict=False)
        between = [first.elapsed_time(second) for first, second in pairs]
        pairs = zip(self._times, self._times[1:], strict=False)
        return between or [second - first for first, second in pairs]


class Ahead:
    """A feed whose batches are padded, pinned and copied one step ahead, in a thread."""

    def __init__(self, feed: Feed, device: torch.device) -> None:
        self._feed, self._device = feed, device
        self._thread = ThreadPoolExecutor(1)
        self._stream = torch.cuda.Stream(device) if device.type == "cuda" else None
        self._next: tuple[int, Future[tuple[Batch, torch.cuda.Event | None]]] | None = None

    @property
    def batches_per_epoch(self) -> int:
        return self._feed.batches_per_epoch

    def batch(self, step: int) -> Batch:
        number, made = self._next or (-1, None)
        if made is None or number != step:
            made = self._thread.submit(self._made, step)
        self._next = step + 1, self._thread.submit(self._made, step + 1)
        batch, copied = made.result()
        if copied is not None:
            stream = torch.cuda.current_stream(self._device)
            stream.wait_event(copied)
            # Else its memory would be given to the next copy while this stream still reads it.
            for tensor in tensors(batch).values():
                tensor.record_stream(stream)
        return batch

    def _made(self, step: int) -> tuple[Batch, torch.cuda.Event | None]:
        batch = self._feed.batch(step)
        if self._stream is None:
            return batch, None
        with torch.cuda.stream(self._stream):
            moved = pinned(batch, self._device)
            copied = torch.cuda.Event()
            copied.record()
        return moved, copied


def synchronise(device: torch.device) -> None:
    """Wait until nothing is pending."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def encoded(lengths: str, length: int, examples: int) -> Encoded:
    """Features of random pieces, of one length or of many."""
    generator = torch.Generator().manual_seed(0)
    features = []
    for number in range(examples):
        shortest = length if lengths == "fixed" else 16
        size = int(torch.randint(shortest, length + 1, (), generator=generator))
        pieces = torch.randint(1_000, VOCABULARY, (size,), generator=generator)
        features.append(Feature(number, tuple(pieces.tolist()), (0,) * size))
    texts = tuple(TextExample(str(n), "", None, n % 2) for n in range(examples))
    return Encoded(TASKS["sst2"], Split("train", texts), tuple(features), 0)


class Bench:
    """The models and batches that all cases share, and the rows so far."""

    def __init__(self, device: torch.device, out: Path, *, quick: bool) -> None:
        self.device, self.out = device, out
        self.length, self.warm = (32, 2) if quick else (LENGTH, 15)
        self.rows: list[Row] = []
        examples = 320 if quick else EXAMPLES
        self._data = {kind: encoded(kind, self.length, examples) for kind in ("fixed", "varied")}
        self._models: dict[tuple[str, int, str], PreTrainedModel] = {}

    def model(self, pair: Pair, layers: int, attention: str = "") -> PreTrainedModel:
        """A model to copy; built once."""
        key = pair.name, layers, attention
        if key not in self._models:
            settings = {"attn_implementation": attention} if attention else {}
            with self.device:
                made = build(pair.shape(layers), Head(TASKS["sst2"]), seed=layers)
            for name, value in settings.items():
                assert name == "attn_implementation"
                made.set_attn_implementation(value)
            self._models[key] = made.to(self.device)
        return copy.deepcopy(self._models[key])

    def work(self, case: Case, *, timed: Callable[[Feed], Feed]) -> Work:
        """The engine's training of a case; the teacher is in the precision of the case already."""
        stage = next(
            stage
            for stage in stages_of(method_class(case.method)(), case.pair.setting)
            if stage.data != "corpus"
        )
        optimise = Optimise(steps=STEPS, batch_size=BATCH, precision=case.precision)
        teacher = self.model(case.pair, case.pair.teacher_layers).eval().requires_grad_(False)
        if case.precision == "bf16":
            teacher = teacher.to(torch.bfloat16)
        feed = timed(TaskFeed(self._data[case.lengths], BATCH, 1))
        return Work(
            phases=(Phase(replace(stage, share=1.0), optimise),),
            student=self.model(case.pair, case.pair.student_layers),
            teacher=lambda _data: teacher,
            feed=lambda _phase: feed,
            seed=1,
            journal=Journal(self.out / "journal.jsonl", quiet=True),
            device=self.device,
        )

    def batch(self, case: Case) -> Batch:
        """One batch of a case, on the device."""
        return TaskFeed(self._data[case.lengths], BATCH, 1).batch(0).to(self.device)

    def run(self, case: Case) -> None:
        """One row; a variant that fails is a row that says why."""
        torch.manual_seed(0)
        row = Row(case)
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats(self.device)
        held = self._allocated()
        try:
            with ExitStack() as changes:
                clock = VARIANTS[case.variant](self, case, changes)
        except Exception as error:  # noqa: BLE001  (the other rows are still worth having)
            row.note = f"{type(error).__name__}: {str(error).strip().splitlines()[0][:150]}"
        else:
            row.steps_ms = [round(value, 4) for value in clock.steps_ms]
            row.ms_p50 = statistics.median(row.steps_ms)
            row.ms_mean = 1e3 * clock.seconds / len(row.steps_ms)
            row.samples_per_second = 1e3 * BATCH / row.ms_mean
            row.before_seconds = clock.before_seconds
            if self.device.type == "cuda":
                row.peak_mib = (torch.cuda.max_memory_allocated(self.device) - held) / 2**20
        self.rows.append(row)
        print(row.told(), flush=True)
        self.write()

    def _allocated(self) -> int:
        return torch.cuda.memory_allocated(self.device) if self.device.type == "cuda" else 0

    def write(self) -> None:
        """All rows so far."""
        card = torch.cuda.get_device_name(self.device) if self.device.type == "cuda" else "cpu"
        stated = {"device": card, "torch": torch.__version__, "batch": BATCH, "length": self.length}
        rows = [asdict(row) for row in self.rows]
        (self.out / "gpu_engine.json").write_text(json.dumps(stated | {"rows": rows}, indent=1))


Variant = Callable[[Bench, Case, ExitStack], Clock]


def trained(
    bench: Bench, case: Case, *, ahead: bool = False, prepare: Callable[[Work], None] | None = None
) -> Clock:
    """The engine over the steps of a case, with its models prepared if that is asked."""
    clocks: list[Clock] = []

    def timed(feed: Feed) -> Feed:
        feed = Ahead(feed, bench.device) if ahead else feed
        clocks.append(Clock(feed, case.steps, bench.warm, bench.device))
        return clocks[0]

    work = bench.work(case, timed=timed)
    if prepare is not None:
        prepare(work)
    with suppress(Enough):
        train(work)
    return clocks[0]


def engine_as_it_is(bench: Bench, case: Case, _changes: ExitStack) -> Clock:
    return trained(bench, case)


def batches_ahead(bench: Bench, case: Case, _changes: ExitStack) -> Clock:
    return trained(bench, case, ahead=True)


def not_fused(bench: Bench, case: Case, changes: ExitStack) -> Clock:
    def plain_adamw(*given: object) -> AdamW:
        optimiser = made(*given)
        for group in optimiser.param_groups:
            group.update(fused=False, foreach=True)
        return optimiser

    made = engine.make_optimiser
    changes.enter_context(mock.patch.object(engine, "make_optimiser", plain_adamw))
    return trained(bench, case)


def tf32(bench: Bench, case: Case, changes: ExitStack) -> Clock:
    before = torch.get_float32_matmul_precision()
    changes.callback(torch.set_float32_matmul_precision, before)
    torch.set_float32_matmul_precision("high")
    return trained(bench, case)


def compiled(mode: str | None, *, dynamic: bool, ahead: bool = False) -> Variant:
    def variant(bench: Bench, case: Case, changes: ExitStack) -> Clock:
        def prepare(work: Work) -> None:
            for model in (work.student, work.teacher("task")):
                # The engine calls the encoder alone where no term reads logits.
                for part in (model, model.base_model):
                    part.compile(dynamic=dynamic, mode=mode)

        torch._dynamo.reset()  # noqa: SLF001  (so documented)
        changes.callback(torch._dynamo.reset)  # noqa: SLF001
        return trained(bench, case, ahead=ahead, prepare=prepare)

    return variant


def opened_phase(bench: Bench, case: Case, feed: Feed) -> PhaseRun:
    """A phase of the engine before its first step."""
    work = bench.work(case, timed=lambda _feed: feed)
    (phase,) = work.phases
    projections = make_projections(
        [phase.stage], case.pair.width, lambda _data: case.pair.width
    ).to(bench.device)
    start = PhaseStart(work.student.to(bench.device), projections)
    return PhaseRun(work, phase, start, History.after(Place()))


class Same:
    """The same batch at every step, where it lies."""

    batches_per_epoch = 1_000

    def __init__(self, batch: Batch) -> None:
        self._batch = batch

    def batch(self, _step: int) -> Batch:
        return self._batch


def whole_step_graph(bench: Bench, case: Case, _changes: ExitStack) -> Clock:
    """A whole step captured once and replayed: what is left when nothing waits for the CPU."""
    feed = Same(bench.batch(case))
    run = opened_phase(bench, case, feed)
    for group in run.optimiser.param_groups:
        group["capturable"] = True
    clock = Clock(feed, case.steps, bench.warm, bench.device)
    with ExitStack() as hooks:
        captures = run._captures(hooks, run._trainee)  # noqa: SLF001  (a limit, not the engine)
        stream = torch.cuda.Stream(bench.device)
        stream.wait_stream(torch.cuda.current_stream(bench.device))
        with torch.cuda.stream(stream):
            for _ in range(3):
                run._step(*captures)  # noqa: SLF001
        torch.cuda.current_stream(bench.device).wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            run._step(*captures)  # noqa: SLF001
        try:
            for step in range(STEPS):
                clock.batch(step)
                graph.replay()
        except Enough:
            pass
    return clock


def plain(bench: Bench, case: Case, _changes: ExitStack) -> Clock:
    """A loop over the same terms with transformers alone."""
    attention = "eager" if case.method == "tinybert" else ""
    student = bench.model(case.pair, case.pair.student_layers, attention).train()
    teacher = bench.model(case.pair, case.pair.teacher_layers, attention).eval()
    if case.precision == "bf16":
        teacher = teacher.to(torch.bfloat16)
    width = case.pair.width
    maps = nn.ModuleList(nn.Linear(width, width) for _ in range(2)).to(bench.device)
    parameters = [*student.parameters(), *maps.parameters()]
    optimiser = AdamW(parameters, lr=5e-5, weight_decay=0.01, fused=True)
    feed = TaskFeed(bench._data[case.lengths], BATCH, 1)  # noqa: SLF001
    batches = [feed.batch(step) for step in range(30)]
    clock = Clock(Cycled(batches), case.steps, bench.warm, bench.device)
    seen = case.method == "tinybert"
    looks = {"output_attentions": seen, "output_hidden_states": seen}
    try:
        for step in range(STEPS):
            batch = pinned(clock.batch(step), bench.device)
            inputs = {
                "input_ids": batch.input_ids,
                "attention_mask": batch.attention_mask,
                "token_type_ids": batch.token_type_ids,
            }
            optimiser.zero_grad(set_to_none=True)
            with torch.no_grad():
                theirs = teacher(**inputs, **looks)
            with torch.autocast(
                bench.device.type, torch.bfloat16, enabled=case.precision == "bf16"
            ):
                ours = student(**inputs, **looks)
            TERMS[case.method](ours, theirs, batch, maps).backward()
            torch.nn.utils.clip_grad_norm_(parameters, 1.0)
            optimiser.step()
    except Enough:
        pass
    return clock


class Cycled:
    """Batches made before, in turn."""

    def __init__(self, batches: list[Batch]) -> None:
        self._batches = batches

    @property
    def batches_per_epoch(self) -> int:
        return len(self._batches)

    def batch(self, step: int) -> Batch:
        return self._batches[step % len(self._batches)]


def pinned(batch: Batch, device: torch.device) -> Batch:
    """The batch on the device, copied from pinned memory."""
    if device.type != "cuda":
        return batch
    moved = {
        name: tensor.pin_memory().to(device, non_blocking=True)
        for name, tensor in tensors(batch).items()
    }
    return replace(batch, **moved)


def tensors(batch: Batch) -> dict[str, Tensor]:
    """The tensors of a batch by the names of its fields."""
    return {name: value for name, value in vars(batch).items() if isinstance(value, Tensor)}


def soft_and_hard(ours: object, theirs: object, batch: Batch, _maps: nn.ModuleList) -> Tensor:
    heat = 4.0
    soft = functional.kl_div(
        functional.log_softmax(ours.logits.float() / heat, -1),
        functional.log_softmax(theirs.logits.float() / heat, -1),
        reduction="batchmean",
        log_target=True,
    )
    hard = functional.cross_entropy(ours.logits.float(), batch.labels)
    return 0.3 * hard + 0.7 * heat**2 * soft


def layer_by_layer(ours: object, theirs: object, _batch: Batch, maps: nn.ModuleList) -> Tensor:
    every = len(theirs.attentions) // len(ours.attentions)
    total = functional.mse_loss(
        maps[0](ours.hidden_states[0].float()), theirs.hidden_states[0].float()
    )
    for layer, (state, looks) in enumerate(
        zip(ours.hidden_states[1:], ours.attentions, strict=True)
    ):
        other = (layer + 1) * every
        total = total + functional.mse_loss(
            maps[1](state.float()), theirs.hidden_states[other].float()
        )
        total = total + functional.mse_loss(looks.float(), theirs.attentions[other - 1].float())
    return total


TERMS = {"kd": soft_and_hard, "tinybert": layer_by_layer}
VARIANTS: dict[str, Variant] = {
    "engine": engine_as_it_is,
    "plain": plain,
    "not fused": not_fused,
    "tf32": tf32,
    "ahead": batches_ahead,
    "compiled": compiled(None, dynamic=True),
    "compiled, ahead": compiled(None, dynamic=True, ahead=True),
    "compiled, graphs": compiled("reduce-overhead", dynamic=False),
    "whole step graph": whole_step_graph,
}


def quick_cases() -> Iterator[Case]:
    """Rows that show that the script runs."""
    for method in TERMS:
        for variant in ("engine", "plain", "not fused", "ahead"):
            yield Case(TINY, method, "fp32", variant, "varied", steps=4)


def all_cases() -> Iterator[Case]:
    """All rows, those that matter most first."""
    for pair in (BASE, SMALL):
        for method in TERMS:
            for precision in ("bf16", "fp32"):
                for variant in ("engine", "plain"):
                    yield Case(pair, method, precision, variant)
            yield Case(pair, method, "bf16", "ahead")
            yield Case(pair, method, "bf16", "not fused")
            yield Case(pair, method, "fp32", "tf32")
    for pair in (SMALL, BASE):
        yield Case(pair, "kd", "bf16", "whole step graph")
    # Compiling takes longer than all that is above.
    for pair in (SMALL, BASE):
        for variant in ("engine", "plain", "ahead"):
            yield Case(pair, "kd", "bf16", variant, "varied")
    yield Case(BASE, "tinybert", "bf16", "engine", "varied")
    yield Case(SMALL, "kd", "bf16", "compiled", "varied", 300)
    yield Case(BASE, "kd", "bf16", "compiled", "varied", 300)
    yield Case(SMALL, "kd", "bf16", "compiled, graphs", "fixed", 300)
    yield Case(BASE, "tinybert", "bf16", "compiled", "varied", 300)
    yield Case(SMALL, "kd", "bf16", "compiled, ahead", "varied", 300)


@contextmanager
def noted_syncs() -> Iterator[list[str]]:
    """The places that make the CPU wait for the device."""
    places: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        try:
            yield places
        finally:
            torch.cuda.set_sync_debug_mode("default")
            places += [
                f"{Path(each.filename).name}:{each.lineno} {str(each.message).splitlines()[0][:90]}"
                for each in caught
                if "synchron" in str(each.message)
            ]


def profile(bench: Bench, case: Case) -> None:
    """Where a step's time goes: kernels and CPU calls, and what makes the CPU wait."""
    feed = TaskFeed(bench._data[case.lengths], BATCH, 1)  # noqa: SLF001
    run = opened_phase(bench, case, feed)
    kinds = [torch.profiler.ProfilerActivity.CPU]
    if bench.device.type == "cuda":
        kinds.append(torch.profiler.ProfilerActivity.CUDA)
    with ExitStack() as hooks:
        sides: tuple[Capture, Capture | None]
        sides = run._captures(hooks, run._trainee)  # noqa: SLF001
        for _ in range(4):
            run._step(*sides)  # noqa: SLF001
            run._done += 1  # noqa: SLF001
        waits: list[str] = []
        if bench.device.type == "cuda":
            with noted_syncs() as waits:
                run._step(*sides)  # noqa: SLF001
        with torch.profiler.profile(activities=kinds) as found:
            for _ in range(3):
                run._step(*sides)  # noqa: SLF001
            synchronise(bench.device)
    averages = found.key_averages()
    orders = ["self_cpu_time_total"]
    if bench.device.type == "cuda":
        orders.append("self_device_time_total")
    tables = [averages.table(sort_by=order, row_limit=25) for order in orders]
    told = [f"{len(waits)} waits for the device in a step", *waits, *tables]
    name = f"profile-{case.pair.name}-{case.method}-{case.precision}.txt"
    (bench.out / name).write_text("\n".join(told))
    print(f"{name}: {len(waits)} waits for the device in a step", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--out", type=Path, required=True, help="folder for the JSON and profiles")
    parser.add_argument("--quick", action="store_true", help="tiny models and few steps")
    parser.add_argument("--seconds", type=float, default=165.0, help="no case begins after these")
    parser.add_argument("--variant", action="append", help="only these variants; all without")
    asked = parser.parse_args()
    began = time.perf_counter()
    asked.out.mkdir(parents=True, exist_ok=True)
    bench = Bench(torch.device(asked.device), asked.out, quick=asked.quick)
    profiled = (
        [Case(TINY, "tinybert", "fp32")]
        if asked.quick
        else [Case(SMALL, "kd", "bf16"), Case(BASE, "tinybert", "bf16")]
    )
    print(HEADER)
    bench.run(Case(profiled[0].pair, "kd", "fp32", steps=5))  # the device wakes up
    bench.rows.clear()
    print("-" * len(HEADER))
    for case in profiled:
        try:
            profile(bench, case)
        except Exception as error:  # noqa: BLE001  (the rows are worth more)
            print(f"no profile: {error}", file=sys.stderr)
    for case in quick_cases() if asked.quick else all_cases():
        if asked.variant and case.variant not in asked.variant:
            continue
        if time.perf_counter() - began > asked.seconds:
            print(f"no time left for {case.pair.name} {case.method} {case.variant}")
            continue
        bench.run(case)


if __name__ == "__main__":
    main()
