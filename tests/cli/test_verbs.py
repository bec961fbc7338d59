"""What people type: every verb in a project, its errors and its exit codes."""

import json
import os
import re
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.made import HASH, hold_published, keep_score, score_record
from zoo.cli.app import main
from zoo.paths import Project
from zoo.spec.measuring import BoardJob

CHECKOUT = Path(__file__).parents[2]
START_UP_CPU_SECONDS = 0.3

Answer = tuple[int, str, str]
Zoo = Callable[..., Answer]


@pytest.fixture
def zoo(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Zoo:
    """Runs the command line in the working folder; gives exit code, output and errors."""

    def run(*arguments: str) -> Answer:
        monkeypatch.setattr(sys, "argv", ["zoo", *arguments])
        with pytest.raises(SystemExit) as stopped:
            sys.exit(main())
        out, err = capfd.readouterr()
        return int(stopped.value.code or 0), out, err

    return run


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, zoo: Zoo) -> Project:
    """A synced project with the checkout's pocket suite, its working folder."""
    shutil.copytree(CHECKOUT / "specs/pocket", tmp_path / "specs/pocket")
    monkeypatch.chdir(tmp_path)
    assert zoo("sync")[0] == 0
    return Project(tmp_path)


def publish_score(
    project: Project,
    entry: str,
    value: float,
    folder: Path | None = None,
    declared: str = HASH,
) -> None:
    record = score_record(entry, value, digest=entry, declared=declared)
    results = project.results / "pocket"
    where = folder or results / "records" / entry
    path = keep_score(where, record)
    if not folder:
        stored = results / "predictions" / entry / path.name
        stored.parent.mkdir(parents=True, exist_ok=True)
        path.rename(stored)
        path.parent.rmdir()
        hold_published(results)


def test_help_starts_at_once() -> None:
    """Nothing heavy is imported for it: the best of five starts, in CPU seconds."""
    taken = []
    for _ in range(5):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        command = [sys.executable, "-c", "from zoo.cli import main; main()", "--help"]
        done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=CHECKOUT)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        taken.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    verbs = ("check", "sync", "list", "show", "run", "board", "publish", "regression", "score")
    assert all(f"  {verb}" in done.stdout for verb in verbs)
    assert min(taken) < START_UP_CPU_SECONDS


@pytest.mark.parametrize("verb", ["check", "show", "board", "sync", "run", "stage"])
def test_reading_verbs_load_no_torch(verb: str) -> None:
    """Specs are checked and tables printed in a second."""
    heavy = "{'torch', 'transformers'} & {*sys.modules}"
    code = f"import sys, zoo.cli.{verb}; sys.exit(bool({heavy}))"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=CHECKOUT)


def test_the_checkout_answers(zoo: Zoo, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own specs are right, listed and shown, and what is generated is up to date."""
    monkeypatch.chdir(CHECKOUT)
    for arguments in (("check",), ("list",), ("show", "pocket/kd-2l"), ("sync", "--check")):
        code, out, err = zoo(*arguments)
        assert (code, err) == (0, ""), arguments
        assert out


@pytest.mark.parametrize("verb", ["check", "list", "show pocket/kd-2l", "board", "doctor pocket"])
def test_json_is_json(zoo: Zoo, project: Project, verb: str) -> None:
    """On standard output, alone."""
    publish_score(project, "kd-2l", 0.8)
    code, out, err = zoo(*verb.split(), "--json")
    assert (code, err) == (0, "")
    assert json.loads(out)


def test_check_tells_what_is_wrong_in_words_and_in_json(zoo: Zoo, project: Project) -> None:
    """Exit code 2; JSON goes where it is read."""
    entry = project.specs / "pocket/kd-2l.yaml"
    entry.write_text(entry.read_text().replace("layers: 2", "layers: 9"))
    code, out, err = zoo("check")
    assert (code, out) == (2, "")
    assert re.search(r"specs/pocket/kd-2l.yaml:\d+: student.layers: 9 layers", err)
    code, out, err = zoo("check", "--json")
    assert (code, err) == (2, "")
    assert json.loads(out)["problems"][0]["where"].endswith(": student.layers")


@pytest.mark.usefixtures("project")
def test_check_prints_schemas(zoo: Zoo) -> None:
    """For editors; a wrong kind is told the right ones."""
    assert json.loads(zoo("check", "--schema", "suite")[1])["properties"]["tasks"]
    code, _, err = zoo("check", "--schema", "suit")
    assert (code, err.splitlines()[0]) == (2, "--schema: 'suit' has no schema")


def test_sync_writes_and_checks(zoo: Zoo, project: Project) -> None:
    """Nothing to do is said; what is out of step fails with 1 and is named."""
    assert zoo("sync") == (0, "up to date\n", "")
    (project.root / "dvc.yaml").unlink()
    code, _, err = zoo("sync", "--check")
    assert (code, err.splitlines()[0]) == (1, "dvc.yaml: missing")
    assert zoo("sync")[1] == "written or removed:\n  dvc.yaml\n"
    assert zoo("sync", "--check")[0] == 0
    publish_score(project, "kd-2l", 0.8)
    assert (
        "results/pocket/leaderboard.md: out of date with the records" in zoo("sync", "--check")[2]
    )


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize("name", ["leaderboard.csv", "leaderboard.json", "statistics.json"])
def test_a_table_that_is_no_text_is_told_and_mended(zoo: Zoo, project: Project, name: str) -> None:
    """Bytes that are not UTF-8, and statistics that somebody edited: made anew from the records."""
    for entry in ("teacher-4l", "kd-2l"):
        publish_score(project, entry, 0.57)
    zoo("sync")
    table = project.results / "pocket" / name
    good = table.read_bytes()
    for bad in (b"\xff\xfe", good.replace(b"0.57", b"0.97")):
        table.write_bytes(bad)
        code, _, err = zoo("sync", "--check")
        assert (code, err.splitlines()[0]) == (
            1,
            f"results/pocket/{name}: out of date with the records it is made from",
        )
        zoo("sync")
        assert table.read_bytes() == good


def test_what_no_spec_declares_any_more_is_told(zoo: Zoo, project: Project) -> None:
    """By `zoo sync --check`, and by a mark on the board."""
    for entry in ("teacher-4l", "finetune-2l", "kd-2l"):
        own = json.loads(zoo("show", f"pocket/{entry}", "--json")[1])["runs"]
        publish_score(project, entry, 0.57, declared=own["sentiment-1"])
    zoo("sync")
    assert "out of date with the specs" not in zoo("sync", "--check")[1]
    assert "‡" not in zoo("board", "--suite", "pocket")[1]
    path = project.specs / "pocket/kd-2l.yaml"
    path.write_text(path.read_text().replace("temperature: 2.0", "temperature: 9.0"))
    zoo("sync")
    code, out, _ = zoo("sync", "--check")
    assert code == 0
    assert out.splitlines()[1:] == [
        "published results out of date with the specs: pocket: kd-2l",
        "  fix: `zoo run pocket` and `zoo publish --suite pocket`",
    ]
    out = zoo("board", "--suite", "pocket")[1]
    assert "kd-2l ‡" in out
    assert "finetune-2l ‡" not in out
    assert "‡ out of date: built from an earlier spec or by an earlier version of the zoo." in out


def test_show_prints_the_plan(zoo: Zoo) -> None:
    """As a table of terms."""
    out = zoo("show", "pocket/kd-2l")[1]
    assert "stage 'soft labels' on the task" in out
    assert "soft_labels(temperature=" in out


def test_the_board_is_filtered_and_sorted(zoo: Zoo, project: Project) -> None:
    """A stated order holds in the printed table too, not only in CSV."""
    for entry, value in (("a", 0.7), ("b", 0.9), ("c", 0.8)):
        publish_score(project, entry, value)

    def order(*more: str) -> str:
        lines = zoo("board", "--format", "table", *more)[1].splitlines()
        return "".join(line[0] for line in lines if line.startswith(("a ", "b ", "c ")))

    assert order() == "bca"
    assert order("--sort", "score") == "acb"
    assert order("--sort", "-entry") == "cba"
    assert order("--sort", "-rank_low") == "acb"
    assert order("--task", "sentiment") == "bca"
    code, _, err = zoo("board", "--sort", "scores")
    assert (code, err.splitlines()[0]) == (2, "--sort scores: there is no such sort")
    assert "did you mean 'score'?" in err
    assert zoo("board", "--format", "csv")[1].startswith("suite,entry,")
    assert zoo("board", "--format", "md")[1].startswith("# pocket")
    assert zoo("board")[1].endswith("page: results/pocket/index.html\n")


def test_what_was_built_is_shown_apart(zoo: Zoo, project: Project) -> None:
    """Only of entries that are declared."""
    for entry in ("kd-2l", "gone"):
        publish_score(project, entry, 0.8, project.entry("pocket", entry).score)
    out = zoo("board", "--built", "--json")[1]
    assert [row["entry"] for row in json.loads(out)] == ["kd-2l"]


def test_regression_fails_where_something_is_missing(zoo: Zoo, project: Project) -> None:
    """With 1, in words and in JSON; with 2 where nothing is published."""
    code, _, err = zoo("regression")
    assert (code, "no published results to compare with" in err) == (2, True)
    publish_score(project, "kd-2l", 0.8)
    code, _, err = zoo("regression")
    assert (code, "kd-2l score-sentiment-dev-1: missing: built not built" in err) == (1, True)
    code, out, _ = zoo("regression", "--json")
    assert (code, json.loads(out)[0]["verdict"]) == (1, "missing")


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ("show pocket/kd-3l", 2, "pocket/kd-3l: pocket has no entry 'kd-3l'"),
        ("show poket/kd-2l", 2, "fix: did you mean 'pocket'?"),
        ("run poket", 2, "poket: not a suite or an entry"),
        ("run pocket/kd-3l", 2, "fix: did you mean 'kd-2l'?"),
        ("run pocket --jobs 0", 2, "--jobs"),
        ("doctor poket", 2, "poket: there is no suite 'poket'\n  allowed: pocket"),
        ("doctor pocket --verified", 2, "No such option"),
        ("board --suite poket", 2, "--suite poket: there is no such suite"),
        ("board --format xml", 2, "allowed: table, csv, json, md"),
        ("board", 2, "nothing is published\n  fix: build it with `zoo run pocket`"),
        ("publish", 1, "suite pocket: not built on this machine"),
        ("publish --dry-run", 1, "fix: run `zoo run pocket` first"),
        ("regression --suite poket", 2, "--suite poket: there is no such suite"),
        (
            "stage pocket/kd-2l tarin",
            2,
            "there is no stage 'tarin'\n  allowed: train, score, export, latency",
        ),
        ("stage pocket/nobody train", 2, "pocket/nobody: no pipeline for this entry"),
        ("stage pocket board", 2, "pocket: the suite is missing\n  allowed: <suite>/<entry>"),
        ("stage ../../x train", 2, "this path is outside the project"),
        ("fly", 2, "No such command"),
        ("board --fly", 2, "No such option"),
    ],
)
@pytest.mark.usefixtures("project")
def test_wrong_usage_is_told(zoo: Zoo, arguments: str, code: int, said: str) -> None:
    """On standard error, with a stable exit code."""
    found, out, err = zoo(*arguments.split())
    assert (found, out) == (code, "")
    assert said in err


def test_a_built_board_is_published(zoo: Zoo, project: Project) -> None:
    """From the stage that DVC calls to the committed tables."""
    from zoo.pipeline.params import board_job  # noqa: PLC0415

    job: BoardJob = board_job(project, "pocket")
    for entry in job.entries:
        declared = json.loads(zoo("show", f"pocket/{entry}", "--json")[1])["runs"]["sentiment-1"]
        publish_score(project, entry, 0.8, project.entry("pocket", entry).score, declared)
    code, _, err = zoo("stage", "pocket/board", "board")
    assert (code, "pocket/board board" in err) == (0, True)
    assert "results/pocket/leaderboard.md" in zoo("publish", "--dry-run")[1]
    assert not project.results.exists()
    # A record and predictions each, nine tables, environments, durations, the manifest.
    files = 2 * len(job.entries) + 12
    assert zoo("publish")[1] == f"published {files} files in results/pocket\n"
    assert zoo("sync", "--check")[0] == 0
    assert json.loads((project.results / "pocket/durations.json").read_text()).keys() == {
        "board/board"
    }


def test_a_folder_outside_any_project_is_told(
    zoo: Zoo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With 2."""
    monkeypatch.chdir(tmp_path)
    code, _, err = zoo("list")
    assert (code, "this folder is not part of a zoo" in err) == (2, True)
    assert os.listdir() == []  # noqa: PTH208
