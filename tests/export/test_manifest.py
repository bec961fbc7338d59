"""Exported files are timed only as they were written, and only as those of their run."""

import shutil
from pathlib import Path

import pytest

from tests import tiny
from tests.made import HASH
from zoo.errors import ExportError
from zoo.export.manifest import EXPORT_MANIFEST, ExportedRun, verified_model, write_manifest
from zoo.paths import file_sha256
from zoo.spec.recipe import RunRecipe

RUN = tiny.run("span")
REMEDY = "\n  fix: export it again with `zoo run s/e`"


def exported(folder: Path, entry: str, content: bytes, task: str = "span") -> Path:
    """A folder with one model and its tokenizer."""
    folder.mkdir(parents=True)
    (folder / f"{task}-int8.onnx").write_bytes(content)
    (folder / "tokenizer.json").write_text("{}")
    run = ExportedRun(
        task=task, seed=1, declared=tiny.run(task).declared, digest=HASH, weights_sha256=HASH
    )
    write_manifest(folder, "s", entry, {f"{task}-int8.onnx": run})
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return exported(tmp_path / "e", "e", b"model")


def told(folder: Path, run: RunRecipe = RUN) -> str:
    with pytest.raises(ExportError) as refused:
        verified_model(folder, f"{run.task}-int8.onnx", ("s", "e"), run)
    return str(refused.value)


def test_a_model_as_it_was_written_passes(folder: Path) -> None:
    """And its hash is what the record of its timing names."""
    file = folder / "span-int8.onnx"
    assert verified_model(folder, file.name, ("s", "e"), RUN) == file_sha256(file)


def test_a_flipped_bit_is_refused(folder: Path) -> None:
    (folder / "span-int8.onnx").write_bytes(b"modem")
    assert told(folder) == (
        f"{folder}/span-int8.onnx: this model was modified after it was written\n"
        f"  allowed: {folder}/{EXPORT_MANIFEST}{REMEDY}"
    )


def test_a_file_of_another_entry_is_refused(folder: Path, tmp_path: Path) -> None:
    """Alone, or with its manifest."""
    other = exported(tmp_path / "f", "f", b"other")
    shutil.copy(other / "span-int8.onnx", folder)
    assert "was modified after it was written" in told(folder)
    shutil.copy(other / EXPORT_MANIFEST, folder)
    assert "this model belongs to another run" in told(folder)


@pytest.mark.parametrize("change", [{"seed": 2}, {"teacher_seed": 2}])
def test_a_model_of_another_run_is_refused(folder: Path, change: dict[str, object]) -> None:
    assert "this model belongs to another run" in told(folder, RUN.model_copy(update=change))


def test_a_model_that_the_manifest_does_not_name_is_refused(folder: Path) -> None:
    (folder / "cola-int8.onnx").write_bytes(b"model")
    assert "this model is not in the manifest" in told(
        folder, RUN.model_copy(update={"task": "cola"})
    )


@pytest.mark.parametrize(
    ("content", "why"), [(None, "manifest not found"), (b"[]", "not a manifest")]
)
def test_without_a_manifest_nothing_is_timed(folder: Path, content: bytes | None, why: str) -> None:
    if content is None:
        (folder / EXPORT_MANIFEST).unlink()
    else:
        (folder / EXPORT_MANIFEST).write_bytes(content)
    assert told(folder) == f"{folder}/{EXPORT_MANIFEST}: {why}\n  fix: export again with `zoo run`"
