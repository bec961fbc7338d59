"""Feature methods: this engine against `output_attentions=True, output_hidden_states=True`.

    python -m benchmarks.features
    python -m benchmarks.features --methods mlkd --shapes 32x64 --epochs 1 --rounds 3

The other side is a loop as scripts have it: it computes the same losses, with the same functions,
from what Hugging Face models return with eager attention; queries, keys, values and contexts, which
they do not return, come from the linear maps applied again to the hidden states, as published code
does. Both train the same student on the same batches in the same order, without dropout, and must
end with the same weights before anything is timed. Ratios are of CPU seconds of whole trainings, in
turns, each in a fork; and of the peak of anonymous memory above what a process holds after a
training on tiny rows, each in a process of its own (Linux): mapped files, which the system takes
back when it needs room, do not count. The engine begins with an empty store of
teacher outputs; stages on a corpus have none.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event, Thread
from typing import Self

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from benchmarks.engines import Training
from benchmarks.engines.distilzoo import InOrder, training_of
from benchmarks.measure import cost_of, weights_of
from benchmarks.script import adamw
from benchmarks.work import BATCH_SIZE, random_rows, shape
from zoo.data.batches import Encoded
from zoo.distil.method import Setting
from zoo.distil.stage import Stage
from zoo.methods import method_class, stages_of
from zoo.models.anatomy import anatomy_of, layers_of
from zoo.models.build import MASKED_LM, Head, build
from zoo.models.capture import logits_of, model_inputs
from zoo.models.tap import LOGITS, Site, Tap
from zoo.resolve.plan import Phase
from zoo.spec.optimise import Optimise
from zoo.tensors.batch import Batch, Layout
from zoo.training.trainee import make_projections, set_dropout

TEACHER, STUDENT = shape(12, 256), shape(4, 256)
STAGES = {"mlkd": "tokens", "tinybert": "intermediate", "minilm2": "relations"}
BATCHES = 4
"""Of an epoch."""
TOLERANCE = 1e-5
EPSILON = 1e-4
"""AdamW's: with its own, what rounding leaves of a gradient of zero would become a whole step."""


@dataclass(frozen=True)
class FeatureWork:
    """A stage of a method that reads features, on rows of random tokens in their own order."""

    stage: Stage
    encoded: Encoded
    epochs: int

    @property
    def phase(self) -> Phase:
        """The stage with a constant learning rate and no dropout."""
        constant = {"warmup": 0.0, "decay": "constant", "dropout": 0.0, "epsilon": EPSILON}
        return Phase(self.stage, Optimise(epochs=self.epochs, batch_size=BATCH_SIZE, **constant))

    @property
    def feed(self) -> "Batches":
        """Its batches."""
        layout = Layout.TOKENS if self.stage.data == "corpus" else Layout.CLASSES
        return Batches(self.encoded, BATCH_SIZE, layout)

    def models(self) -> tuple[PreTrainedModel, PreTrainedModel]:
        """A frozen teacher and a student, always the same ones."""
        head = MASKED_LM if self.stage.data == "corpus" else Head(self.encoded.task)
        teacher = build(TEACHER, head, seed=2).eval().requires_grad_(requires_grad=False)
        return teacher, build(STUDENT, head, seed=1).train()


@dataclass(frozen=True)
class Batches(InOrder):
    """Batches of rows in their own order, laid out as a stage reads them; no label is asked for."""

    layout: Layout

    def batch(self, step: int) -> Batch:
        """The batch of a step."""
        return replace(super().batch(step), layout=self.layout)


class Engine:
    """This engine, as `zoo stage` trains."""

    name = "engine"

    def prepare(self, work: FeatureWork, folder: Path, /) -> Training:
        """A training of the stage."""
        # The maps between widths are drawn first.
        torch.manual_seed(0)
        return training_of(work.phase, *work.models(), work.feed, folder, folder / "answers")


class Script:
    """A loop over everything that the models can return."""

    name = "script"

    def prepare(self, work: FeatureWork, _folder: Path, /) -> Training:
        """A training of the stage."""
        teacher, student = work.models()
        set_dropout(student, 0.0)
        torch.manual_seed(0)
        maps = make_projections([work.stage], STUDENT.hidden, lambda _data: TEACHER.hidden)
        trained = nn.ModuleList([student, maps])
        optimiser = adamw(trained, work.phase.optimise)
        feed = work.feed

        def training() -> PreTrainedModel:
            for step in range(work.epochs * feed.batches_per_epoch):
                batch = feed.batch(step)
                optimiser.zero_grad(set_to_none=True)
                _loss(work.stage, batch, teacher, student, maps).backward()  # type: ignore[no-untyped-call]  # torch does not annotate it
                nn.utils.clip_grad_norm_(trained.parameters(), 1.0)
                optimiser.step()
            return student

        return training


SIDES = {side.name: side for side in (Engine(), Script())}


def _loss(
    stage: Stage,
    batch: Batch,
    teacher: PreTrainedModel,
    student: PreTrainedModel,
    maps: nn.ModuleDict,
) -> Tensor:
    with torch.no_grad():
        taps = frozenset(term.teacher for term in stage.terms if term.teacher is not None)
        theirs = by_outputs(teacher, batch, taps)
    ours = by_outputs(student, batch, frozenset(term.student for term in stage.terms))
    losses = []
    for term in stage.terms:
        place = ours[term.student]
        place = maps[term.project](place) if term.project else place
        assert term.teacher is not None
        losses.append(term.weight_at(0.0) * term.loss(place, theirs[term.teacher], batch))
    return torch.stack(losses).sum()


def by_outputs(model: PreTrainedModel, batch: Batch, taps: frozenset[Tap]) -> Mapping[Tap, Tensor]:
    """As scripts read: everything that the model can return, the rest computed again from it."""
    output = model(**model_inputs(model, batch), output_attentions=True, output_hidden_states=True)
    return {tap: from_outputs(model, output, batch, tap) for tap in taps}


def from_outputs(model: PreTrainedModel, output: object, batch: Batch, tap: Tap) -> Tensor:
    """What stands at a tap, of one layer."""
    if tap == LOGITS:
        return logits_of(output, batch.layout)
    (index,) = tap.layers
    states = output.hidden_states  # type: ignore[attr-defined]
    if tap.site is Site.EMBEDDINGS:
        return states[0]
    if tap.site is Site.HIDDEN:
        return states[index + 1]
    layer, anatomy = layers_of(model)[index], anatomy_of(model)

    def heads(name: str) -> Tensor:
        flat = layer.get_submodule(name)(states[index])
        return flat.unflatten(-1, (int(model.config.num_attention_heads), -1)).transpose(1, 2)

    names = {Site.QUERY: anatomy.query, Site.KEY: anatomy.key, Site.VALUE: anatomy.value}
    if tap.site in names:
        return heads(names[tap.site])
    if tap.site is Site.CONTEXT:
        attention = output.attentions[index]  # type: ignore[attr-defined]
        return (attention @ heads(anatomy.value)).transpose(1, 2).flatten(2)
    query, key = heads(anatomy.query), heads(anatomy.key)
    return query @ key.mT / query.shape[-1] ** 0.5


def work_of(method: str, rows_by_length: str, epochs: int) -> FeatureWork:
    """A method's stage on four batches; rows are full to three quarters or more."""
    setting = Setting(STUDENT, TEACHER, "classification")
    table = stages_of(method_class(method)(), setting)
    stage = next(stage for stage in table if stage.name == STAGES[method])
    rows, length = map(int, rows_by_length.split("x"))
    encoded = random_rows(BATCHES * rows, length * 3 // 4, length)
    return FeatureWork(replace(stage, share=1.0), encoded, epochs)


def require_same_work(work: FeatureWork) -> None:
    """Equal weights at the end, or the end."""
    ours, theirs = (weights_of(side, work) for side in SIDES.values())
    apart = float(abs(ours - theirs).max())
    if not apart <= TOLERANCE:
        sys.exit(f"not the same work within {TOLERANCE:g}: weights are {apart:.1e} apart")


def seconds_ratios(work: FeatureWork, rounds: int) -> list[float]:
    """CPU seconds of a training by the engine, over those of the script, of each round."""
    ratios = []
    for turn in range(rounds):
        names = list(SIDES) if turn % 2 else list(SIDES)[::-1]
        seconds = {name: cost_of(SIDES[name], work).cpu_s for name in names}
        ratios.append(seconds["engine"] / seconds["script"])
    return ratios


def peak_bytes(method: str, rows_by_length: str, epochs: int, side: str) -> int:
    """Peak memory of a training, above what one on tiny rows leaves, in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.features", "--peak", side, "--methods", method]
    command += ["--shapes", rows_by_length, "--epochs", str(epochs)]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)  # noqa: S603


def print_peak(method: str, rows_by_length: str, epochs: int, name: str) -> None:
    """What the process of `peak_bytes` does."""
    with tempfile.TemporaryDirectory() as folder:
        tiny, whole = (
            SIDES[name].prepare(work_of(method, rows, epochs), Path(folder, rows))
            for rows in ("2x8", rows_by_length)
        )
        tiny()
        before = anonymous_bytes()
        with Watched() as watched:
            whole()
    print(watched.peak_bytes - before)


class Watched:
    """The largest anonymous memory of this process inside the block, looked at every 2 ms."""

    def __enter__(self) -> Self:
        self.peak_bytes, self._over = 0, Event()
        self._thread = Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(0.002):
            self.peak_bytes = max(self.peak_bytes, anonymous_bytes())


def anonymous_bytes() -> int:
    """Memory of this process that no file stands behind (Linux): what cannot be given back."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    (line,) = (line for line in lines if line.startswith("RssAnon:"))
    return int(line.split()[1]) * 1024


def main() -> None:
    """Print a table of ratios."""
    parser = argparse.ArgumentParser("python -m benchmarks.features", description=__doc__)
    parser.add_argument("--methods", nargs="+", default=list(STAGES), choices=list(STAGES))
    parser.add_argument("--shapes", nargs="+", default=["32x64", "32x128"], help="rows x length")
    parser.add_argument("--epochs", nargs="+", type=int, default=[1, 3, 10])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peak", choices=list(SIDES), help=argparse.SUPPRESS)
    given = parser.parse_args()
    torch.set_num_threads(1)
    if given.peak:
        print_peak(given.methods[0], given.shapes[0], given.epochs[0], given.peak)
        return
    print("| method | shape | epochs | CPU seconds | peak memory |\n|---|---|---|---|---|")
    for method in given.methods:
        require_same_work(work_of(method, given.shapes[0], 1))
        for rows in given.shapes:
            for epochs in given.epochs:
                ratios = seconds_ratios(work_of(method, rows, epochs), given.rounds)
                peaks = {side: peak_bytes(method, rows, epochs, side) for side in SIDES}
                memory = peaks["engine"] / peaks["script"]
                told = f"{statistics.median(ratios):.2f} [{min(ratios):.2f}, {max(ratios):.2f}]"
                print(f"| {method} | {rows} | {epochs} | {told} | {memory:.2f} |", flush=True)


if __name__ == "__main__":
    main()
