"""Feature methods: our captures against `output_attentions=True, output_hidden_states=True`.

    python benchmarks/features.py
    python benchmarks/features.py --methods mlkd --shapes 32x64 --rounds 10

The other side computes the same losses, with the same functions, from what Hugging Face models
return with eager attention; queries, keys, values and contexts, which they do not return, come from
the linear maps applied again to the hidden states, as published code does. Values and gradients are
compared before anything is timed. Ratios are of CPU seconds per step (forward, backward, clipping,
optimiser), in turns in one process, and of the peak of resident memory above what a process holds
after a step on a tiny batch, each side in a process of its own (Linux).
"""

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.optim import AdamW
from transformers import PreTrainedModel

from zoo.distil.method import Setting
from zoo.distil.stage import Stage
from zoo.methods import method_class, stages_of
from zoo.models.anatomy import anatomy_of, layers_of
from zoo.models.build import MASKED_LM, Head, build
from zoo.models.capture import Capture, logits_of, model_inputs
from zoo.models.tap import LOGITS, Site, Tap
from zoo.spec.shape import Shape
from zoo.spec.task import TASKS
from zoo.tensors.batch import Batch, Layout
from zoo.training.trainee import make_projections, set_dropout

TEACHER = Shape(layers=12, hidden=256, heads=4, intermediate=1024, vocabulary=30522, positions=128)
STUDENT = TEACHER.model_copy(update={"layers": 4})
STAGES = {"mlkd": "tokens", "tinybert": "intermediate", "minilm2": "relations"}
Read = Callable[[PreTrainedModel, Batch, frozenset[Tap]], Mapping[Tap, Tensor]]


def by_capture(model: PreTrainedModel, batch: Batch, taps: frozenset[Tap]) -> Mapping[Tap, Tensor]:
    """As the engine reads."""
    with Capture(model, taps) as capture:
        return capture(batch)


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


class Side:
    """One way of training a student by a stage's terms."""

    def __init__(self, stage: Stage, read: Read, *, eager: bool) -> None:
        head = MASKED_LM if stage.data == "corpus" else Head(TASKS["sst2"])
        self.stage, self.read = stage, read
        self.student = build(STUDENT, head, seed=1).train()
        set_dropout(self.student, 0.0)
        self.teacher = build(TEACHER, head, seed=2).eval().requires_grad_(requires_grad=False)
        if eager:
            self.student.set_attn_implementation("eager")
            self.teacher.set_attn_implementation("eager")
        torch.manual_seed(3)
        self.maps = make_projections([stage], STUDENT.hidden, lambda _data: TEACHER.hidden)
        self.trained = [*self.student.parameters(), *self.maps.parameters()]
        self.optimiser = AdamW(self.trained, lr=1e-5, fused=True)

    def backward(self, batch: Batch) -> float:
        """The sum of all terms, with its gradients."""
        terms = self.stage.terms
        with torch.no_grad():
            taps = frozenset(term.teacher for term in terms if term.teacher is not None)
            theirs = self.read(self.teacher, batch, taps)
        ours = self.read(self.student, batch, frozenset(term.student for term in terms))
        losses = []
        for term in terms:
            place = ours[term.student]
            place = self.maps[term.project](place) if term.project else place
            assert term.teacher is not None
            losses.append(term.weight_at(0.0) * term.loss(place, theirs[term.teacher], batch))
        total = torch.stack(losses).sum()
        total.backward()
        return float(total.detach())

    def step(self, batch: Batch) -> None:
        """One optimiser step."""
        self.optimiser.zero_grad(set_to_none=True)
        self.backward(batch)
        nn.utils.clip_grad_norm_(self.trained, 1.0)
        self.optimiser.step()


def stage_of(method: str) -> Stage:
    """The stage of a method that reads features, on a task of classes."""
    setting = Setting(STUDENT, TEACHER, "classification")
    table = stages_of(method_class(method)(), setting)
    return next(stage for stage in table if stage.name == STAGES[method])


def batch_of(shape: str, layout: Layout) -> Batch:
    """Random tokens; rows are full to three quarters, the last quarter of a row is padding."""
    rows, length = map(int, shape.split("x"))
    generator = torch.Generator().manual_seed(0)
    pieces = torch.randint(5, TEACHER.vocabulary, (rows, length), generator=generator)
    real = torch.randint(length * 3 // 4, length + 1, (rows, 1), generator=generator)
    mask = (torch.arange(length) < real).long()
    labels = torch.zeros(rows, dtype=torch.long)
    return Batch(layout, pieces * mask, mask, torch.zeros_like(pieces), labels)


def sides_of(method: str, *names: str) -> dict[str, Side]:
    """Ours, and the other; or those that are named."""
    stage = stage_of(method)
    reads = {"captures": by_capture, "outputs": by_outputs}
    return {
        name: Side(stage, reads[name], eager=name == "outputs") for name in names or tuple(reads)
    }


def require_same_work(sides: Mapping[str, Side], batch: Batch) -> None:
    """Equal sums of terms and equal gradients."""
    values = {name: side.backward(batch) for name, side in sides.items()}
    first, second = sides.values()
    largest = max(
        float((one.grad - other.grad).abs().max())
        for one, other in zip(first.trained, second.trained, strict=True)
        if one.grad is not None and other.grad is not None
    )
    size = max(float(each.grad.abs().max()) for each in first.trained if each.grad is not None)
    if largest > 1e-5 * max(1.0, size):
        sys.exit(f"the sides do not the same work: {values}, gradients {largest:.1e} of {size:.1e}")


def seconds_ratio(sides: Mapping[str, Side], batch: Batch, rounds: int) -> float:
    """CPU seconds of a step with captures, over one with outputs: median over rounds."""
    ratios = []
    for round_ in range(rounds + 1):
        seconds = {}
        for name, side in sides.items():
            start = time.process_time()
            side.step(batch)
            seconds[name] = time.process_time() - start
        if round_:
            ratios.append(seconds["captures"] / seconds["outputs"])
    return statistics.median(ratios)


def peak_bytes(method: str, shape: str, side: str) -> int:
    """Peak memory of three steps, above what a tiny one leaves, in a process of its own."""
    command = [sys.executable, __file__, "--peak", side, "--methods", method, "--shapes", shape]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)  # noqa: S603


def print_peak(method: str, shape: str, name: str) -> None:
    """What the process of `peak_bytes` does."""
    side = sides_of(method, name)[name]
    batch = batch_of(shape, layout_of(side.stage))
    side.step(batch_of("2x8", batch.layout))  # gradients and moments exist from now on
    before = resident("VmRSS")
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # forgets the peak so far
    for _ in range(3):
        side.step(batch)
    print(resident("VmHWM") - before)


def resident(field: str) -> int:
    """Resident memory of this process in bytes: now (VmRSS), or at most (VmHWM); Linux."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    (line,) = (line for line in lines if line.startswith(f"{field}:"))
    return int(line.split()[1]) * 1024


def layout_of(stage: Stage) -> Layout:
    """Of the batches that a stage reads."""
    return Layout.TOKENS if stage.data == "corpus" else Layout.CLASSES


def main() -> None:
    """Print a table of ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--methods", nargs="+", default=list(STAGES), choices=list(STAGES))
    parser.add_argument("--shapes", nargs="+", default=["32x64", "32x128"], help="rows x length")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--peak", choices=["captures", "outputs"], help=argparse.SUPPRESS)
    given = parser.parse_args()
    torch.set_num_threads(1)
    if given.peak:
        print_peak(given.methods[0], given.shapes[0], given.peak)
        return
    print("| method | shape | CPU seconds | peak memory |\n|---|---|---|---|")
    for method in given.methods:
        for shape in given.shapes:
            sides = sides_of(method)
            batch = batch_of(shape, layout_of(sides["captures"].stage))
            require_same_work(sides, batch)
            seconds = seconds_ratio(sides, batch, given.rounds)
            peaks = {name: peak_bytes(method, shape, name) for name in sides}
            memory = peaks["captures"] / peaks["outputs"]
            print(f"| {method} | {shape} | {seconds:.2f} | {memory:.2f} |", flush=True)


if __name__ == "__main__":
    main()
