"""Targets from a store: the live teacher's, bit for bit, whatever happens to the files."""

import errno
import multiprocessing
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path

import pytest
import torch

from tests import tiny
from tests.tiny import Setup
from zoo import disk
from zoo.data.batches import TaskFeed, collate
from zoo.distil.method import Setting
from zoo.errors import UsageError
from zoo.methods import method_class, names
from zoo.models.capture import Capture, Captured
from zoo.models.tap import LOGITS, Site
from zoo.resolve.plan import Phase
from zoo.spec.task import TASKS
from zoo.tensors.batch import Batch
from zoo.training import stored
from zoo.training.journal import Journal
from zoo.training.loop import train
from zoo.training.resume import Scratch
from zoo.training.stored import StoredTargets, most_bytes
from zoo.training.targets import LoadTeacher, Targets, live_steady
from zoo.training.teacher_store import TeacherStore
from zoo.training.trainee import rows_of

KINDS = ("sentiment", "similarity", "span")


@pytest.fixture(autouse=True)
def _told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test is told anew what is continued without."""
    monkeypatch.setattr(disk, "_SPARED", set())


def setup(folder: Path, method: str = "kd", task: str = "sentiment") -> Setup:
    """A short training with a method's stages on a task, each of two epochs.

    33 examples leave one for a last batch.
    """
    made = method_class(method).trial()
    student = type(made).example(tiny.TEACHER)
    kind = TASKS[task].kind.value
    stages = made.stages(Setting(student, tiny.TEACHER, kind))
    on_task = tuple(stage for stage in stages if stage.data != "corpus")
    setting = Setup(folder, on_task, task, student, examples=33)
    steps = 10 * len(on_task)
    setting.optimise = setting.optimise.model_copy(update={"steps": steps})
    return setting


def source(setting: Setup, folder: Path, teacher: str = "a" * 64) -> StoredTargets:
    """A store of a training's teacher."""

    def feed(phase: Phase) -> TaskFeed:
        made = setting.feed(phase)
        assert isinstance(made, TaskFeed)
        return made

    journal = Journal(folder / "journal.jsonl", quiet=True)
    place = folder / "answers" / "suite" / "teacher" / setting.task / "1"
    return StoredTargets(place, teacher, setting.teacher_shape, feed, journal, torch.device("cpu"))


class Counted:
    """A source of targets that counts how often its teacher was asked for."""

    def __init__(self, inner: Callable) -> None:  # type: ignore[type-arg]  # a source
        self.inner, self.asked = inner, 0

    @contextmanager
    def __call__(self, phase: Phase, teacher: LoadTeacher) -> Iterator[Targets]:
        def counted():  # type: ignore[no-untyped-def]  # noqa: ANN202
            self.asked += 1
            return teacher()

        with self.inner(phase, counted) as targets:
            yield targets


def trained(setting: Setup, targets: Callable) -> dict[str, torch.Tensor]:  # type: ignore[type-arg]  # a source
    """The weights after training with these targets."""
    return tiny.weights(train(replace(setting.work(), targets=targets)).model)


def same(ours: dict[str, torch.Tensor], theirs: dict[str, torch.Tensor]) -> bool:
    """Whether weights are equal bit for bit."""
    return all(torch.equal(value, theirs[name]) for name, value in ours.items())


def files(folder: Path) -> list[Path]:
    """Those with the numbers of every sequence."""
    return sorted(path for path in folder.rglob("*.bin") if not path.name.startswith("."))


@pytest.mark.parametrize("task", KINDS)
@pytest.mark.parametrize("method", names())
def test_trains_as_with_the_live_teacher(tmp_path: Path, method: str, task: str) -> None:
    """Every method on every kind of task ends with the same bits, and the next asks no teacher."""
    setting = setup(tmp_path, method, task)
    taught = [s for s in setting.stages if any(term.teacher for term in s.terms)]
    with_live = trained(setting, live_steady)
    first, second = (Counted(source(setting, tmp_path)) for _ in range(2))

    assert same(trained(setting, first), with_live)
    assert same(trained(setting, second), with_live)
    assert second.asked == 0
    assert bool(files(tmp_path)) == bool(taught)


@pytest.mark.parametrize("task", KINDS)
def test_a_row_does_not_depend_on_its_batch(tmp_path: Path, task: str) -> None:
    """Any company, padding or number of rows: the numbers of a sequence stay, bit for bit."""
    setting = setup(tmp_path, "mlkd", task)
    phase = setting.work().phases[0]
    encoded = tiny.encoded(task, 33)
    with live_steady(phase, lambda: setting.teacher) as targets:
        whole = targets(collate(encoded, range(33)))
        for rows in ([0], [5, 32], range(7), [9, 3, 27, 14, 30]):
            batch = collate(encoded, list(rows))
            for tap, found in targets(batch).items():
                for place, row in enumerate(rows):
                    length = int(batch.attention_mask[place].sum())
                    ours, theirs = found[place], whole[tap][row]
                    if tap.site is Site.SCORES:
                        ours, theirs = ours[:, :length, :length], theirs[:, :length, :length]
                    elif tap != LOGITS:
                        ours, theirs = ours[..., :length, :], theirs[..., :length, :]
                    elif task == "span":
                        ours, theirs = ours[:length], theirs[:length]
                    assert torch.equal(ours, theirs), (tap, row)


def test_one_store_serves_methods_that_read_different_places(tmp_path: Path) -> None:
    """A second method adds the places that the first did not read, and shares the others."""
    trained(setup(tmp_path, "kd"), source(setup(tmp_path), tmp_path))
    before = {path: path.stat().st_ino for path in files(tmp_path)}
    pkd = setup(tmp_path, "pkd")

    assert same(trained(pkd, source(pkd, tmp_path)), trained(pkd, live_steady))
    assert len({path.parent for path in files(tmp_path)}) == 1
    assert {path: path.stat().st_ino for path in before} == before
    assert len(files(tmp_path)) > len(before)


def test_a_last_layer_that_is_read_whole_has_a_store_of_its_own(tmp_path: Path) -> None:
    """Its products have other numbers of rows, by which a processor may round."""
    kd, mlkd = setup(tmp_path, "kd"), setup(tmp_path, "mlkd")
    trained(kd, source(kd, tmp_path))

    assert same(trained(mlkd, source(mlkd, tmp_path)), trained(mlkd, live_steady))
    assert len({path.parent for path in files(tmp_path)}) == 2


def _stores(setting: Setup, made: StoredTargets, folder: Path) -> set[Path]:
    trained(setting, made)
    return {path.parent for path in files(folder)}


@pytest.mark.parametrize("part", ["sequences", "precision", "machine", "keeping"])
def test_every_part_of_the_key_counts(
    tmp_path: Path, part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other sequences, another precision, machine or way of keeping are another store."""
    setting = setup(tmp_path)
    before = _stores(setting, source(setting, tmp_path), tmp_path)
    if part == "sequences":
        setting.examples = 32
    elif part == "precision":
        bf16 = {"teacher_precision": "bf16"}
        setting.optimise = setting.optimise.model_copy(update=bf16)
    elif part == "machine":
        monkeypatch.setattr(stored, "processor", lambda: "another")
    else:
        monkeypatch.setattr(stored, "KEEPING", stored.KEEPING + 1)
    made = Counted(source(setting, tmp_path))
    after = _stores(setting, made, tmp_path)

    assert made.asked > 0
    assert len(before) == 1
    assert before < after


def test_a_changed_checkpoint_removes_what_the_old_one_said(tmp_path: Path) -> None:
    """Stores of a teacher that is no more do not pile up."""
    setting = setup(tmp_path)
    before = _stores(setting, source(setting, tmp_path), tmp_path)
    after = _stores(setting, source(setting, tmp_path, teacher="b" * 64), tmp_path)

    assert len(after) == 1
    assert not before & after


def test_all_stores_together_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was not used for longest goes first."""
    monkeypatch.setattr(stored, "STORES", 0)
    first, second = setup(tmp_path), setup(tmp_path, task="similarity")
    _stores(first, source(first, tmp_path), tmp_path)
    after = _stores(second, source(second, tmp_path), tmp_path)

    assert [path.parts[-3] for path in after] == ["similarity"]


def truncated(path: Path) -> None:
    """Cut a file."""
    path.write_bytes(path.read_bytes()[:-4])


def flipped(path: Path) -> None:
    """Change one bit in the middle."""
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1
    path.write_bytes(raw)


def swapped(path: Path) -> None:
    """Put numbers of another teacher there, with an index that fits them."""
    index = path.with_name("index.json")
    index.write_text(index.read_text().replace("a" * 64, "c" * 64))
    flipped(path)


def unreadable(path: Path) -> None:
    """Leave half an index."""
    truncated(path.with_name("index.json"))


@pytest.mark.parametrize("damage", [truncated, flipped, swapped, unreadable, Path.unlink])
def test_what_is_damaged_or_foreign_is_built_again(
    tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    """Never used: the teacher is asked, and the next training finds a sound store."""
    setting = setup(tmp_path)
    expected = trained(setting, source(setting, tmp_path))
    (file,) = files(tmp_path)
    damage(file)
    again, then = (Counted(source(setting, tmp_path)) for _ in range(2))

    assert same(trained(setting, again), expected)
    assert again.asked > 0
    assert same(trained(setting, then), expected)
    assert then.asked == 0


def test_removing_it_under_a_training_is_safe(tmp_path: Path) -> None:
    """What is mapped stays."""
    setting = setup(tmp_path)
    expected = trained(setting, live_steady)

    @contextmanager
    def removed(phase: Phase, teacher: LoadTeacher) -> Iterator[Targets]:
        with source(setting, tmp_path)(phase, teacher) as targets:
            shutil.rmtree(tmp_path / "answers")
            yield targets

    assert same(trained(setting, removed), expected)


def test_a_full_disk_means_the_live_teacher(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Said once, and nothing half-written is left."""

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    setting = setup(tmp_path)
    monkeypatch.setattr(os, "posix_fallocate", full)
    for _ in range(2):
        assert same(trained(setting, source(setting, tmp_path)), trained(setting, live_steady))

    told = capsys.readouterr().err
    assert told.count("continuing without stored teacher outputs: ") == 1
    assert "cannot be written: No space left on device" in told
    assert not files(tmp_path)


def test_a_nearly_full_disk_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A store never takes the last room from a checkpoint."""
    monkeypatch.setattr(TeacherStore, "room", lambda _self: 1000)
    setting = setup(tmp_path)
    trained(setting, source(setting, tmp_path))

    told = "they take 0 MiB and would leave less than 1,024 MiB free"
    assert told in capsys.readouterr().err
    assert not files(tmp_path)


def test_states_beyond_the_budget_mean_the_live_teacher(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Logits are kept whatever the budget for states, and nothing at all at 0."""
    monkeypatch.setenv("ZOO_TARGETS_GIB", "1e-7")
    kd, mlkd = setup(tmp_path), setup(tmp_path, "mlkd")
    assert same(trained(mlkd, source(mlkd, tmp_path)), trained(mlkd, live_steady))
    told = "the teacher's states: they take 0 MiB, and ZOO_TARGETS_GIB allows 0 MiB"
    assert told in capsys.readouterr().err
    trained(kd, source(kd, tmp_path))
    kept = files(tmp_path)
    shutil.rmtree(tmp_path / "answers")
    monkeypatch.setenv("ZOO_TARGETS_GIB", "0")
    trained(kd, source(kd, tmp_path))

    assert kept
    assert not files(tmp_path)


@pytest.mark.parametrize("named", ["much", "-1", "nan", "inf"])
def test_a_budget_is_a_size(named: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Anything else is refused."""
    monkeypatch.setenv("ZOO_TARGETS_GIB", named)
    with pytest.raises(UsageError) as raised:
        most_bytes()
    assert str(raised.value) == (
        f"ZOO_TARGETS_GIB: {named!r} is not a size\n"
        "  allowed: a number of GiB; 0 keeps nothing\n"
        "  fix: unset it for 1"
    )


def test_numbers_that_depend_on_the_batch_are_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Found out before the first one is read, told once, and not tried again."""
    exact = stored.steady_sources

    def rounded(capture: Capture, batch: Batch) -> Captured:
        found = exact(capture, batch)
        return {tap: value + 1e-3 * (len(batch.rows) == 1) for tap, value in found.items()}

    monkeypatch.setattr(stored, "steady_sources", rounded)
    setting = setup(tmp_path)
    expected = trained(setting, live_steady)
    assert same(trained(setting, source(setting, tmp_path)), expected)
    told = "the numbers of this device: they depend on the batch that a sequence is in"
    assert told in capsys.readouterr().err
    assert not files(tmp_path)
    monkeypatch.setattr(TeacherStore, "growing", None)
    assert same(trained(setting, source(setting, tmp_path)), expected)


def test_a_loss_on_padding_is_taught_live(tmp_path: Path) -> None:
    """TinyBERT's released code counts padding, of which nothing is kept."""
    method = method_class("tinybert").model_validate({"padding": "counted"})
    stages = method.stages(Setting(tiny.STUDENT, tiny.TEACHER, "classification"))
    counted = [stage for stage in stages if stage.name == "intermediate"]
    setting = Setup(tmp_path, tuple(counted))

    assert same(trained(setting, source(setting, tmp_path)), trained(setting, live_steady))
    assert not files(tmp_path)


@pytest.mark.parametrize("stop", range(1, 6))
def test_resumes_bit_for_bit_with_and_without_the_store(tmp_path: Path, stop: int) -> None:
    """A store holds no state of a training: it may vanish between two attempts."""
    setting = setup(tmp_path, "mlkd")
    expected = trained(setting, live_steady)
    scratch = Scratch(tmp_path / "scratch", every_seconds=0.0)
    work = setting.work(stop_after=stop, scratch=scratch)
    with pytest.raises(tiny.Stopped):
        train(replace(work, targets=source(setting, tmp_path)))
    shutil.rmtree(tmp_path / "answers")
    work = setting.work(scratch=Scratch(tmp_path / "scratch"))

    assert same(
        tiny.weights(train(replace(work, targets=source(setting, tmp_path))).model), expected
    )


def _train_and_tell(folder: Path, told: Connection) -> None:
    setting = setup(folder, "mlkd")
    weights = trained(setting, source(setting, folder))
    told.send(float(sum(value.double().sum() for value in weights.values())))


def test_two_processes_fill_the_same_files(tmp_path: Path) -> None:
    """What one has kept the other reads; both end with the weights of the live teacher."""
    context = multiprocessing.get_context("fork")
    pipes = [context.Pipe(duplex=False) for _ in range(2)]
    both = [context.Process(target=_train_and_tell, args=(tmp_path, pipe[1])) for pipe in pipes]
    for process in both:
        process.start()
    answers = [pipe[0].recv() for pipe in pipes]
    for process in both:
        process.join()
    setting = setup(tmp_path, "mlkd")
    then = Counted(source(setting, tmp_path))
    expected = float(sum(value.double().sum() for value in trained(setting, then).values()))

    assert answers == [expected, expected]
    assert then.asked == 0
    assert not growing(tmp_path)


def test_a_second_training_reads_what_a_first_has_kept_so_far(tmp_path: Path) -> None:
    """Of files that still grow."""
    setting = setup(tmp_path)
    phase = setting.work().phases[0]
    batch = collate(tiny.encoded("sentiment", 33), range(33))
    first, second = (Counted(source(setting, tmp_path)) for _ in range(2))
    load = lambda: setting.teacher  # noqa: E731  (a teacher is asked for by a call)
    with first(phase, load) as ours, second(phase, load) as theirs:
        ours(rows_of(batch, slice(0, 20)))
        assert growing(tmp_path)
        theirs(rows_of(batch, slice(20, 33)))
        assert not growing(tmp_path)
        kept, found = ours(batch), theirs(batch)
    with live_steady(phase, load) as targets:
        live = targets(batch)

    assert torch.equal(kept[LOGITS], live[LOGITS])
    assert torch.equal(found[LOGITS], live[LOGITS])
    assert (first.asked, second.asked) == (1, 1)


def growing(folder: Path) -> list[Path]:
    """Files that lack sequences."""
    return sorted(folder.rglob("*.known"))


def _fill_and_die(folder: Path, setting: Setup) -> None:
    phase = setting.work().phases[0]
    with source(setting, folder)(phase, lambda: setting.teacher) as targets:
        targets(collate(tiny.encoded("sentiment", 33), range(20)))
        (flags,) = growing(folder)
        # As if it had been writing the last rows.
        flags.write_bytes(b"\1" * 33)
        os.kill(os.getpid(), signal.SIGKILL)


def test_what_a_killed_process_kept_is_not_trusted(tmp_path: Path) -> None:
    """The file that it was filling is begun again."""
    setting = setup(tmp_path)
    process = multiprocessing.get_context("fork").Process(
        target=_fill_and_die, args=(tmp_path, setting)
    )
    process.start()
    process.join()
    assert growing(tmp_path)
    made = Counted(source(setting, tmp_path))

    assert same(trained(setting, made), trained(setting, live_steady))
    assert made.asked == 1
    assert [path.name for path in files(tmp_path)] == ["logits-0-first.bin"]
    assert not growing(tmp_path)
