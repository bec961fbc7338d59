"""The weights in a model folder: one safetensors file, or several with an index."""

import hashlib
from pathlib import Path

from safetensors import SafetensorError, safe_open

from zoo.errors import CheckpointError, Problem, at
from zoo.json_files import read_json
from zoo.paths import file_sha256

WEIGHTS_FILE = "model.safetensors"
INDEX_FILE = "model.safetensors.index.json"
FETCH = "download or build it again"
ALLOWED = f"{WEIGHTS_FILE}, or {INDEX_FILE} with the files that it names"
_PICKLED = "pytorch_model*.bin"
_OTHER_FORMATS = (_PICKLED, "*.pt", "*.pth", "*.h5", "*.msgpack", "*.ckpt*")
_CONVERSION = (
    "formats that can contain code are not loaded; convert it in that folder with"
    ' `python -c "import glob, torch; from safetensors.torch import save_file; t = {};'
    f" [t.update(torch.load(f, weights_only=True)) for f in glob.glob('{_PICKLED}')];"
    " save_file({k: v.clone().contiguous() for k, v in t.items()}, 'model.safetensors',"
    " {'format': 'pt'})\"`"
)
_OTHER_CONVERSION = (
    "other formats are not loaded; open the model with the framework that wrote it, and save it"
    " with save_pretrained() of transformers"
)


def weights_files(folder: Path) -> tuple[Path, ...]:
    """The safetensors files that hold a folder's weights, by name.

    Raises:
        CheckpointError: there are none, or not all that the index names; all that are missing.
    """
    whole, index = folder / WEIGHTS_FILE, folder / INDEX_FILE
    if whole.is_file():
        return (whole,)
    if not index.is_file():
        raise CheckpointError(_nothing_to_load(folder))
    names = _indexed(index)
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        raise CheckpointError(
            *(
                Problem(at(index), f"it names {name}, which is missing", ALLOWED, FETCH)
                for name in missing
            )
        )
    return tuple(folder / name for name in names)


def weights_sha256(folder: Path) -> str:
    """The sha256 of a folder's weights.

    Of one file it is the file's. Of several it is that of the text `sha256sum model-*.safetensors`
    prints, a line a file, sorted by name.

    Raises:
        CheckpointError: as `weights_files`.
    """
    files = weights_files(folder)
    hashes = [file_sha256(file) for file in files]
    if files[0].name == WEIGHTS_FILE:
        return hashes[0]
    lines = (f"{found}  {file.name}\n" for found, file in zip(hashes, files, strict=True))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def stored_names(folder: Path) -> frozenset[str]:
    """The names of all tensors in a folder's weights.

    Raises:
        CheckpointError: as `weights_files`, or a file is cut off or none of safetensors.
    """
    names: set[str] = set()
    for file in weights_files(folder):
        try:
            with safe_open(file, framework="pt") as weights:
                names.update(weights.keys())
        except (OSError, SafetensorError) as error:
            given = f"not a complete safetensors file: {str(error).splitlines()[0]}"
            raise CheckpointError(Problem(at(file), given, remedy=FETCH)) from error
    return frozenset(names)


def _indexed(index: Path) -> list[str]:
    """The files an index names, sorted; they must be in its folder."""
    content = read_json(index, remedy=FETCH, error=CheckpointError)
    try:
        names = sorted(set(content["weight_map"].values()))
    except (KeyError, TypeError, AttributeError) as error:
        given = f"not an index of weights: {type(error).__name__}"
        allowed = 'JSON with a "weight_map" from tensors to files'
        raise CheckpointError(Problem(at(index), given, allowed, FETCH)) from error
    strange = [
        name for name in names if Path(name).name != name or not name.endswith(".safetensors")
    ]
    if strange or not names:
        given = f"it names {strange[0]!r}" if strange else "it names no files"
        allowed = "names of safetensors files in the same folder"
        raise CheckpointError(Problem(at(index), given, allowed, FETCH))
    return names


def _nothing_to_load(folder: Path) -> Problem:
    given = f"there is no {WEIGHTS_FILE} here"
    if not folder.is_dir():
        return Problem(str(folder), "there is no such folder", ALLOWED, FETCH)
    shards = sorted(path.name for path in folder.glob("model-*.safetensors"))
    if shards:
        given += f" and no {INDEX_FILE} for {', '.join(shards)}"
        return Problem(str(folder), given, ALLOWED, "download the index too")
    found = sorted({path.name for kind in _OTHER_FORMATS for path in folder.glob(kind)})
    if not found:
        return Problem(str(folder), given, ALLOWED, FETCH)
    given += f"; there is {', '.join(found)}"
    remedy = _CONVERSION if any(folder.glob(_PICKLED)) else _OTHER_CONVERSION
    return Problem(str(folder), given, ALLOWED, remedy)
