"""Python packages that hold files, as pip would leave them; to import one is a failure."""

from collections.abc import Mapping
from pathlib import Path

import pytest

NAME, VERSION, FOLDER = "packed-model", "1.2.0", "packed_model/model"


def install(site: Path, files: Mapping[str, bytes], patch: pytest.MonkeyPatch) -> Path:
    """Install a package with these files in a folder of its own; gives the folder of the files."""
    written = {f"{FOLDER}/{name}": content for name, content in files.items()}
    written["packed_model/__init__.py"] = b"raise AssertionError\n"
    info = "packed_model-1.2.0.dist-info"
    listed = "".join(f"{name},,\n" for name in [*written, f"{info}/METADATA", f"{info}/RECORD"])
    written[f"{info}/METADATA"] = (
        f"Metadata-Version: 2.1\nName: {NAME}\nVersion: {VERSION}\n".encode()
    )
    written[f"{info}/RECORD"] = listed.encode()
    for name, content in written.items():
        path = site / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    patch.syspath_prepend(site)
    return site / FOLDER
