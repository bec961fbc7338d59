"""Every kind of stage can be run, is held to its code, and takes no other kind's job."""

import inspect
import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.pipeline.conftest import SUITE
from tests.pipeline.test_compile import ASSISTED
from zoo.cli.stage import stage
from zoo.errors import ZooError
from zoo.paths import Project
from zoo.pipeline.fingerprint import Code
from zoo.pipeline.kinds import STAGE_KINDS, StageKind, code_roots
from zoo.pipeline.params import SYNC
from zoo.pipeline.sync import pipeline_files, write_pipelines

WORDED = (
    ASSISTED["teachers__assistant"]
    + """\
words:
  corpus: {kind: pocket, documents: 40}
  optimise: {steps: 4, max_length: 16}
"""
)
CHECKOUT = Project(Path(__file__).parents[2])
KINDS = [pytest.param(kind, id=kind.name) for kind in STAGE_KINDS.values()]


@pytest.mark.parametrize("kind", KINDS)
def test_its_runner_is_there_and_takes_its_job(kind: StageKind) -> None:
    """The function of the module that its row names."""
    runner = kind.runner()
    assert (runner.__module__, runner.__name__) == (kind.module, kind.function)
    asked = inspect.signature(runner).parameters.values()
    assert [parameter.annotation for parameter in asked] == [Project, kind.job]
    assert kind.job.run_fields == tuple(
        name for name in ("runs", "beside") if name in kind.job.model_fields
    )


@pytest.mark.parametrize("kind", KINDS)
def test_its_code_has_a_fingerprint(kind: StageKind) -> None:
    """A file with a line for each module that it begins with, committed where a suite needs it."""
    path = CHECKOUT.pipelines / f"code/{kind.code}.txt"
    text = path.read_text() if path.is_file() else Code().fingerprint_text(kind.code)
    told = {line.split()[1] for line in text.splitlines()}
    assert {kind.module, *kind.started} <= set(code_roots(kind.code)) <= told
    assert path.is_file() == (kind.code in committed_parts())
    assert set(Code().fingerprint(kind.code)) >= {kind.module, *kind.started}


@cache
def committed_parts() -> set[str]:
    """The parts of the code that stages of this checkout run."""
    files = (json.loads(path.read_text()) for path in CHECKOUT.pipelines.rglob("params.json"))
    kinds = (job["kind"] for file in files for job in file["stages"].values())
    return {STAGE_KINDS[kind].code for kind in kinds}


@pytest.fixture
def project(load: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A synced project that has stages of all kinds, as the working folder."""
    study = "entry: kd\nattention: true\naxes:\n  method.temperature: [1]\n"
    stated = SUITE + "robustness: {typos: {}}\n"
    suite = load(**ASSISTED, suite=stated, teachers__worded=WORDED, studies__s=study)
    project = Project(tmp_path)
    write_pipelines(project, pipeline_files({"tiny": suite}))
    monkeypatch.chdir(tmp_path)
    return project


@pytest.mark.parametrize("kind", KINDS)
def test_another_kinds_job_is_refused(project: Project, kind: StageKind) -> None:
    """By file and key, before anything runs."""
    seen = set()
    for path in sorted(project.pipelines.rglob("params.json")):
        entry = "board" if path.parent.name == "tiny" else path.parent.name
        content = json.loads(path.read_text())
        for name, job in content["stages"].items():
            if job["kind"] in {*seen, kind.name}:
                continue
            seen.add(job["kind"])
            other = content["stages"] | {name: job | {"kind": kind.name}}
            path.write_text(json.dumps(content | {"stages": other}))
            with pytest.raises(ZooError) as caught:
                stage(f"tiny/{entry}", name)
            told = str(caught.value)
            assert told.startswith(f"{project.relative(path)}: stages.{name}.")
            assert ": unknown key" in told or ": the key is missing" in told
            assert told.endswith(f"\n  fix: {SYNC}")
    assert seen == set(STAGE_KINDS) - {kind.name}
