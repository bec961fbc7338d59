"""Training only the rows of the word embedding that are read ends with the same bits."""

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.optim import AdamW
from transformers import PreTrainedModel

from tests import tiny
from tests.contract.test_methods import Kind, case_setup, cases
from tests.training.crew import together
from tests.training.tables import LABELS, SOFT, plain, task_stage
from zoo.data.batches import CorpusFeed, TaskFeed
from zoo.distil.stage import Data
from zoo.distil.surgery import Continue, StageProgress
from zoo.errors import TrainingError
from zoo.models.build import MASKED_LM, Head, build
from zoo.spec.task import TASKS
from zoo.training import phase, read_rows
from zoo.training.group import ProcessGroup
from zoo.training.loop import Outcome, train
from zoo.training.read_rows import ReadRows, follow, narrow, read_pieces, widen
from zoo.training.resume import Scratch

READ = torch.tensor([0, 3, 4, 17, 90])


ALL = sys.maxsize
"""Numbers that no training spares: all rows of the embedding are trained."""


@pytest.fixture(autouse=True)
def tiny_embeddings_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spare the rows of small models too."""
    monkeypatch.setattr(read_rows, "SPARED_NUMBERS", 1)


def trained_whole(setup: tiny.Setup) -> Outcome:
    """The outcome where all rows of the embedding are trained."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(read_rows, "SPARED_NUMBERS", ALL)
        return train(setup.work())


@pytest.fixture
def narrowed(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The share of the rows that each phase trains."""
    shares: list[float] = []
    made = ReadRows.__init__

    def noted(self: ReadRows, whole: nn.Embedding, read: Tensor) -> None:
        made(self, whole, read)
        shares.append(len(self.weight) / len(whole.weight))

    monkeypatch.setattr(ReadRows, "__init__", noted)
    return shares


def embedding(rows: int = 200, width: int = 12, padding: int | None = 0) -> nn.Embedding:
    """A random embedding, its padding row too."""
    made = nn.Embedding(rows, width, padding)
    nn.init.normal_(made.weight, generator=tiny.generator(1))
    return made


class Words(nn.Module):
    """An embedding where a model has it."""

    def __init__(self, words: nn.Module) -> None:
        super().__init__()
        self.words = words

    def get_input_embeddings(self) -> nn.Module:
        """The embedding."""
        return self.words

    def set_input_embeddings(self, words: nn.Module) -> None:
        """Put another one in its place."""
        self.words = words


def steps(model: nn.Module, optimiser: AdamW, rates: list[float]) -> None:
    """Steps on batches that read some pieces, by a rate each; the third has no gradient."""
    for number, rate in enumerate(rates):
        optimiser.param_groups[0]["lr"] = rate
        optimiser.zero_grad()
        pieces = READ[torch.randint(len(READ), (3, 5), generator=tiny.generator(number))]
        if number != 2:
            (model.get_input_embeddings()(pieces) ** 2).sum().backward()
        optimiser.step()


@pytest.mark.parametrize("padding", [None, 0, 3, 7])
@pytest.mark.parametrize("width", [12, 16])
@pytest.mark.parametrize("decay", [0.0, 0.01, 10.0])
def test_all_rows_end_as_adamw_would_leave_them(
    width: int, padding: int | None, decay: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bit by bit, with a rate of its own at every step, over blocks that end inside of rows."""
    monkeypatch.setattr(read_rows, "BLOCK_NUMBERS", 100)
    monkeypatch.setattr(read_rows, "LATE_STEPS", 7)
    rates = [1e-2 * (1 - step / 24) for step in range(24)]
    found = []
    for apart in (True, False):
        model = Words(embedding(width=width, padding=padding))
        if apart:
            narrow(model, READ, None)
            assert isinstance(model.words, ReadRows)
            assert len(model.words.weight) == 16
        optimiser = AdamW(model.parameters(), weight_decay=decay, fused=True)
        follow(model, optimiser)
        steps(model, optimiser, rates)
        widen(model, optimiser)
        assert type(model.words) is nn.Embedding
        assert model.words.padding_idx == padding
        found.append((model.words.weight, optimiser.state[model.words.weight]))
    (ours, moments), (theirs, expected) = found
    assert torch.equal(ours, theirs)
    assert moments.keys() == expected.keys()
    assert all(torch.equal(moments[key], expected[key]) for key in moments)


@pytest.mark.parametrize("case", [case for case in cases() if case[1] != "corpus"])
def test_every_method_ends_with_the_same_bits(
    case: tuple[str, Data, Kind], tmp_path: Path, narrowed: list[float]
) -> None:
    """With dropout and a kill, where no clip takes a norm over all rows in another order."""
    setup = case_setup(tmp_path, *case)
    setup.optimise = plain(steps=8, clip=None, dropout=0.1, max_length=32)
    whole = trained_whole(setup)
    assert not narrowed
    scratch = Scratch(tmp_path / "scratch", every_seconds=0.0)
    with pytest.raises(tiny.Stopped):
        train(setup.work(stop_after=5, scratch=scratch))
    ours = train(setup.work(scratch=scratch))
    frozen = all("embeddings" in stage.frozen for stage in setup.stages)
    assert bool(narrowed) != frozen
    assert all(share < 0.5 for share in narrowed)
    assert tiny.same_weights(ours.model, whole.model)
    assert ours.phases == whole.phases


@pytest.mark.parametrize("change", [{"precision": "bf16"}, {"accumulate": 4}, {"clip": 0.1}])
@pytest.mark.parametrize("family", tiny.FAMILIES)
def test_every_family_ends_with_the_same_bits(
    family: str, change: dict[str, object], tmp_path: Path, narrowed: list[float]
) -> None:
    """In bf16 and in parts of batches too; with a clip but for rounding."""
    shape = tiny.STUDENT.model_copy(update={"family": family})
    setup = tiny.Setup(
        tmp_path,
        (task_stage(LABELS, SOFT),),
        student_shape=shape,
        optimise=plain(**({"steps": 8, "clip": None} | change)),
        examples=28,
    )
    whole, ours = trained_whole(setup).model, train(setup.work()).model
    assert len(narrowed) == 1
    if "clip" not in change:
        assert tiny.same_weights(ours, whole)
    for name, tensor in whole.state_dict().items():
        torch.testing.assert_close(ours.state_dict()[name], tensor, atol=1e-6, rtol=0)


def test_carried_moments_are_those_of_all_rows(tmp_path: Path, narrowed: list[float]) -> None:
    """From a stage that reads few pieces to one that reads more, and to one that trains all."""
    stages = tuple(
        task_stage(LABELS, name=name, share=0.25, optimiser=optimiser)
        for name, optimiser in (("a", "fresh"), ("b", "carry"), ("c", "carry"), ("d", "fresh"))
    )
    few = TaskFeed(tiny.encoded("sentiment", 4), 4, 3)
    more = TaskFeed(tiny.encoded("sentiment", 32), 4, 3)
    setup = tiny.Setup(
        tmp_path,
        stages,
        optimise=plain(steps=16, clip=None),
        feeds=lambda phase: more if phase.stage.name == "b" else few,
    )
    whole, ours = trained_whole(setup), train(setup.work())
    assert len(narrowed) == 4
    assert tiny.same_weights(ours.model, whole.model)


def test_moments_of_all_rows_are_made_only_where_a_stage_carries_them_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They take as much memory as the embedding twice."""
    handed: list[bool] = []

    def noted(model: PreTrainedModel, carried_on: AdamW | None) -> None:
        handed.append(carried_on is not None)
        widen(model, carried_on)

    monkeypatch.setattr(phase, "widen", noted)
    stages = tuple(
        task_stage(LABELS, name=name, share=share, optimiser=optimiser)
        for name, share, optimiser in (
            ("a", 0.5, "fresh"),
            ("b", 0.25, "carry"),
            ("c", 0.25, "fresh"),
        )
    )
    train(tiny.Setup(tmp_path, stages, optimise=plain(steps=4)).work())
    assert handed == [True, False, False]


@pytest.mark.parametrize("killed_at", [2, 5, 6, 7, 12])
def test_resuming_is_exact_with_rows_apart(
    killed_at: int, tmp_path: Path, narrowed: list[float]
) -> None:
    """In the first stage, at its end, and in one that carries its moments on."""
    stages = (
        task_stage(LABELS, name="one", share=0.5),
        task_stage(LABELS, SOFT, name="two", share=0.5, optimiser="carry"),
    )
    setup = tiny.Setup(tmp_path, stages, optimise=plain(steps=12, clip=None, dropout=0.1))
    whole = trained_whole(setup)
    scratch = Scratch(tmp_path / "scratch", every_seconds=0.0)
    with pytest.raises(tiny.Stopped):
        train(setup.work(stop_after=killed_at, scratch=scratch))
    resumed = train(setup.work(scratch=scratch))
    assert len(narrowed) >= 2
    assert tiny.same_weights(resumed.model, whole.model)


def test_processes_train_the_same_rows(tmp_path: Path) -> None:
    """Two end as two do that train all rows, with dropout."""
    setup = tiny.Setup(
        tmp_path, (task_stage(LABELS, SOFT),), optimise=plain(steps=6, clip=None, dropout=0.1)
    )

    def work(group: ProcessGroup, folder: Path) -> None:
        with pytest.MonkeyPatch.context() as patch:
            for name, spared in (("ours", 1), ("whole", ALL)):
                patch.setattr(read_rows, "SPARED_NUMBERS", spared)
                model = train(replace(setup.work(), group=group)).model
                torch.save(model.state_dict(), folder / name)

    for folder in together(work, tmp_path / "together"):
        ours, whole = (torch.load(folder / name) for name in ("ours", "whole"))
        assert all(torch.equal(tensor, whole[name]) for name, tensor in ours.items())


@pytest.mark.parametrize(("before", "after"), [(2, 1), (1, 2)])
def test_another_number_of_processes_trains_on(before: int, after: int, tmp_path: Path) -> None:
    """Killed in a stage that carries moments on: the end is that of one process and all rows."""
    stages = (
        task_stage(LABELS, name="one", share=0.5),
        task_stage(LABELS, SOFT, name="two", share=0.5, optimiser="carry"),
    )
    settings = {"steps": 12, "clip": None, "learning_rate": 1e-4}
    setup = tiny.Setup(tmp_path, stages, optimise=plain(**settings))
    scratch = Scratch(tmp_path / "scratch", every_seconds=0.0)

    def begin(group: ProcessGroup, _folder: Path) -> None:
        with pytest.raises(tiny.Stopped):
            train(replace(setup.work(stop_after=8, scratch=scratch), group=group))

    def go_on(group: ProcessGroup, folder: Path) -> None:
        model = train(replace(setup.work(scratch=scratch), group=group)).model
        torch.save(model.state_dict(), folder / "weights")

    together(begin, tmp_path / "before", before)
    whole = trained_whole(setup).model.state_dict()
    for folder in together(go_on, tmp_path / "after", after):
        for name, tensor in torch.load(folder / "weights").items():
            torch.testing.assert_close(tensor, whole[name], atol=2e-5, rtol=0)


class Watching(Continue):
    """Surgery that notes the sizes of what is trained and saved at every step."""

    def __init__(self) -> None:
        self.seen: list[tuple[int, ...]] = []

    def edit(
        self, trainee: PreTrainedModel, optimiser: torch.optim.Optimizer, progress: StageProgress
    ) -> None:
        """Look."""
        assert progress.steps == 2
        words = trainee.get_input_embeddings()
        assert words.weight.grad is not None
        assert any(words.weight is each for each in optimiser.param_groups[0]["params"])
        self.seen.append(tuple(words.weight.shape))

    def close(self, trainee: PreTrainedModel) -> PreTrainedModel:
        """Find the plain embedding again."""
        assert type(trainee.get_input_embeddings()) is nn.Embedding
        return trainee


def test_only_rows_that_are_read_have_gradients(tmp_path: Path) -> None:
    """As many as the task has pieces, in whole vectors; surgery closes the whole embedding."""
    watching = Watching()
    setup = tiny.Setup(tmp_path, (task_stage(LABELS, surgery=watching),), optimise=plain(steps=2))
    train(setup.work())
    pieces = len(tiny.encoded("sentiment", 32).pieces)
    assert watching.seen == [(-(-pieces // 16) * 16, 32)] * 2
    assert pieces < 0.5 * tiny.STUDENT.vocabulary


def untied() -> PreTrainedModel:
    """A model for a task."""
    return build(tiny.STUDENT, Head(TASKS["sentiment"]), seed=1)


def frozen() -> PreTrainedModel:
    """One that does not train its embedding."""
    model = untied()
    model.get_input_embeddings().weight.requires_grad_(False)
    return model


def renormalising() -> PreTrainedModel:
    """One whose lookup is more than a lookup."""
    model = untied()
    model.get_input_embeddings().max_norm = 1.0
    return model


@pytest.mark.parametrize(
    ("made", "read"),
    [
        (lambda: build(tiny.STUDENT, MASKED_LM, seed=1), range(5)),
        (frozen, range(5)),
        (renormalising, range(5)),
        (untied, None),
        (untied, range(449)),
        (untied, range(448)),
    ],
    ids=["tied", "frozen", "renormalising", "unknown", "too many", "just few enough"],
)
def test_where_it_is_not_right_or_does_not_pay_all_rows_are_trained(
    made: Callable[[], PreTrainedModel], read: range | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A decoder reads all rows; and here 152 of 600 are what must be spared."""
    monkeypatch.setattr(read_rows, "SPARED_NUMBERS", 152 * tiny.STUDENT.hidden)
    model = made()
    words = model.get_input_embeddings()
    narrow(model, None if read is None else torch.tensor(read), None)
    assert (model.get_input_embeddings() is words) == (read != range(448))


def test_a_feed_that_cannot_tell_reads_everything(tmp_path: Path) -> None:
    """A corpus is masked anew in every epoch."""
    task = TaskFeed(tiny.encoded("sentiment"), 8, 1)
    corpus = CorpusFeed(tiny.blocks(tmp_path), tiny.tokenizer(), 8, 1, (0.15, None))
    assert read_pieces([task, corpus]) is None
    assert read_pieces([corpus]) is None
    assert read_pieces([task]) is not None


@pytest.mark.parametrize("task", ["sentiment", "similarity", "span"])
def test_a_feeds_pieces_are_those_of_its_batches(task: str) -> None:
    """Ascending, and the one that pads, be there a batch that it pads or not."""
    feed = TaskFeed(tiny.encoded(task), 5, 1)
    batches = [feed.batch(step) for step in range(feed.batches_per_epoch)]
    padding = torch.tensor([feed.encoded.pad_id])
    inside = torch.cat([padding, *(batch.input_ids.flatten() for batch in batches)]).unique()
    read = read_pieces([feed])
    assert read is not None
    assert torch.equal(read, inside)


def test_a_piece_nobody_announced_is_refused() -> None:
    """It does not silently train another row."""
    with pytest.raises(IndexError):
        ReadRows(embedding(), READ)(torch.tensor([[5]]))


class Claiming(TaskFeed):
    """A feed with one piece more."""

    def pieces(self) -> frozenset[int]:
        """The ids."""
        return super().pieces() | {599}


def test_the_state_of_other_rows_is_told(tmp_path: Path) -> None:
    """Though they are as many as ours: what one row learnt is not given to another."""
    scratch = Scratch(tmp_path / "scratch", every_seconds=0.0)
    encoded = tiny.encoded("sentiment")
    assert 599 not in encoded.pieces
    assert len(encoded.pieces) % 16 != 0

    def setup(feed: type[TaskFeed]) -> tiny.Setup:
        stages = (task_stage(LABELS),)
        return tiny.Setup(tmp_path, stages, optimise=plain(), feeds=lambda _: feed(encoded, 8, 3))

    with pytest.raises(tiny.Stopped):
        train(setup(TaskFeed).work(stop_after=3, scratch=scratch))
    with pytest.raises(TrainingError) as raised:
        train(setup(Claiming).work(scratch=scratch))
    assert str(raised.value) == (
        f"{tmp_path}/scratch: this saved state belongs to another training: "
        "it trained other rows of the word embedding\n"
        "  allowed: a state saved by the same plan\n"
        "  fix: remove this folder to restart training"
    )


@pytest.mark.parametrize(("before", "after"), [(1, ALL), (ALL, 1)])
def test_the_state_of_a_training_of_all_rows_is_told(
    before: int, after: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither is taken for the other."""
    scratch = Scratch(tmp_path / "scratch", every_seconds=0.0)
    setup = tiny.Setup(tmp_path, (task_stage(LABELS),), optimise=plain())
    monkeypatch.setattr(read_rows, "SPARED_NUMBERS", before)
    with pytest.raises(tiny.Stopped):
        train(setup.work(stop_after=3, scratch=scratch))
    monkeypatch.setattr(read_rows, "SPARED_NUMBERS", after)
    with pytest.raises(TrainingError, match="this saved state belongs to another training: "):
        train(setup.work(scratch=scratch))


def test_a_training_that_ends_in_an_error_leaves_the_plain_embedding(tmp_path: Path) -> None:
    """Nobody who holds the student finds it halved."""
    work = tiny.Setup(tmp_path, (task_stage(LABELS),), optimise=plain()).work(stop_after=2)
    with pytest.raises(tiny.Stopped):
        train(work)
    assert type(work.student.get_input_embeddings()) is nn.Embedding
