"""Damaged files of every kind: each is read, or refused by messages that a person can follow.

Good files are damaged at random, by bytes, lines and values; the seeds are fixed. Whatever is
raised must be a ZooError, soon and in little memory.
"""

import json
import random
import resource
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from zoo.cli.score import score
from zoo.data import squad, texts
from zoo.data.word_vectors import WordVectors
from zoo.errors import MOST_CHARACTERS, Problem, ZooError
from zoo.evaluation.diagnostic import read_diagnostic_labels
from zoo.evaluation.official_files import read_null_odds
from zoo.evaluation.predictions import (
    Origin,
    Predictions,
    read_origin,
    read_predictions,
    write_predictions,
)
from zoo.methods import METHODS
from zoo.models.identity import read_identity
from zoo.paths import Project
from zoo.pipeline.compile import entry_pipeline
from zoo.pipeline.params import params_file, params_text, read_job
from zoo.records.gate_file import refuse_ungated
from zoo.records.store import read_record
from zoo.resolve.entry import read_suite, resolve_suite
from zoo.spec.jobs import TrainJob
from zoo.spec.load import load_suites
from zoo.spec.measuring import LatencyJob, ScoreJob
from zoo.spec.task import TASKS

FIXTURES = Path(__file__).parent / "fixtures"
MOST_SECONDS = 5.0
"""Processor time of one file; messages of a thousand problems are cut at twenty."""
MOST_KIBIBYTES = 1 << 20
LONGEST = 4 * MOST_CHARACTERS
"""Characters of one problem."""

DIGITS = "9" * 5_000
VALUES = (
    *("0", "-1", "1e308", "1e-320", "1e999", "-0.0", "NaN", "nan", ".nan", ".inf", "Infinity"),
    *(DIGITS, f"-{DIGITS}", f"{DIGITS}.5", f"0.{DIGITS}", f"1e{DIGITS}", "9" * 30, "9" * 309),
    *("0x" + "f" * 40, "1_0", "\u0663", "2" + "0" * 18, "5e-5", "1.", ".5", "+1"),
    *("true", "null", "~", "[]", "{}", '""', "''", "[1, 2]", "{a: 1}", '{"a": 1}', "text"),
    *("x" * 100_000, "\u00e9" * 9_999, '"\\ud83d"'),
    *("[" * 100_000, "{" * 100_000, "[" * 90 + "]" * 90, '{"a":' * 3_000, "- " * 3_000, "? " * 999),
    *("[" * 100_000 + "]" * 100_000, '{"a":' * 100_000 + "1" + "}" * 100_000),
    *("&a [*a]", "*a", "!!python/object:os.system x", "<<: x", "---", "...", "%YAML 1.1", "|", ">"),
)
"""What nobody means, in the place of a value."""
BYTES = (
    *(b"\x00", b"\xff", b"\xef\xbb\xbf", b"\r", b"\x85", b"\xe2\x80\xa8", b"\xed\xa0\xbd", b"\t"),
    *(
        b"\n\n\n",
        b'"',
        b"'",
        b"\\",
        b"{",
        b"}",
        b"[",
        b"]",
        b":",
        b",",
        b"#",
        b"- ",
        b"<<<<<<< A\n",
    ),
)


Change = Callable[[bytes, random.Random], bytes]
"""Damages a file."""


class Kind(NamedTuple):
    """Files of one kind: good ones by name, and what reads them from a folder.

    `count` are damaged in the slow test.
    """

    count: int
    files: Callable[[], Mapping[str, bytes]]
    read: Callable[[Path], Any]


def damaged(content: bytes, chance: random.Random) -> bytes:
    """`content` after one to three random changes."""
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        content = chance.choice((_bytes, _lines, _value, _value, _value))(content, chance)
    return content


def _bytes(content: bytes, chance: random.Random) -> bytes:
    begin = chance.randrange(len(content) + 1)
    end = min(len(content), begin + chance.choice((0, 0, 1, 2, 7, 80)))
    new = chance.choice((*BYTES, chance.randbytes(3), b""))
    return content[:begin] + new + (b"" if chance.random() < 0.05 else content[end:])


def _lines(content: bytes, chance: random.Random) -> bytes:
    lines = content.splitlines(keepends=True) or [b""]
    place, other = chance.randrange(len(lines)), chance.randrange(len(lines))
    kind = chance.choice(("drop", "twice", "swap", "join", "indent"))
    if kind == "drop":
        del lines[place]
    elif kind == "twice":
        lines.insert(other, lines[place])
    elif kind == "swap":
        lines[place], lines[other] = lines[other], lines[place]
    elif kind == "join":
        lines[place] = lines[place].rstrip(b"\r\n")
    else:
        lines[place] = b"  " + lines[place]
    return b"".join(lines)


def _value(content: bytes, chance: random.Random) -> bytes:
    """A word or a number replaced by something that nobody means."""
    return replaced(content, chance, chance.choice(VALUES))


def replaced(content: bytes, chance: random.Random, value: str) -> bytes:
    """A random word or number replaced by `value`."""
    cuts = [
        0,
        *(at + 1 for at, byte in enumerate(content) if byte in b" \t\n:,[]{}\"'"),
        len(content),
    ]
    begin = chance.choice(cuts)
    end = next((cut - 1 for cut in cuts if cut > begin), len(content))
    return content[:begin] + value.encode() + content[max(begin, end) :]


def specs() -> dict[str, bytes]:
    """A suite with a study, and one that extends it."""
    root = FIXTURES / "specs/v3"
    found = {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*.yaml")}
    deep = b"extends: pocket\nseeds: [1, 2]\noptimise: {epochs: 2, learning_rate: 1e-3}\n"
    return found | {"specs/deep/suite.yaml": deep}


def read_specs(folder: Path) -> None:
    for loaded in load_suites(Project(folder), METHODS).values():
        resolve_suite(loaded)


RTE = "index\tsentence1\tsentence2\tlabel\n" + "".join(
    f"{index}\tIt rains {index}.\tIt is wet.\t{label}\n"
    for index, label in enumerate(("entailment", "not_entailment") * 4)
)
STSB = (
    "index\tgenre\tfilename\tyear\told_index\tsource1\tsource2\tsentence1\tsentence2\tscore\n"
    + ("".join(f"{index}\tg\tf\ty\t{index}\ts\ts\tone\ttwo\t{index / 2}\n" for index in range(8)))
)
BOOLQ = "".join(
    json.dumps({"question": f"is {n} odd", "passage": "Some are.", "idx": n, "label": n % 2 == 1})
    + "\n"
    for n in range(6)
)
CONTEXT = "The cat sat. A cat ran; the caf\u00e9 was shut."
SQUAD: dict[str, Any] = {
    "version": "v2.0",
    "data": [
        {
            "title": "Cats",
            "paragraphs": [
                {
                    "context": CONTEXT,
                    "qas": [
                        {
                            "id": "a",
                            "question": "What sat?",
                            "is_impossible": False,
                            "answers": [{"text": "The cat", "answer_start": 0}],
                        },
                        {"id": "b", "question": "Who?", "is_impossible": True, "answers": []},
                    ],
                }
            ],
        }
    ],
}
SUBMISSION = "index\tprediction\n" + "".join(f"{n}\tentailment\n" for n in range(8))
SCORES = "index\tprediction\n" + "".join(f"{n}\t{n / 2}\n" for n in range(8))
DIAGNOSTIC = "Premise\tHypothesis\tLabel\nIt rains.\tIt is wet.\tentailment\nOne.\tTwo.\tneutral\n"
VECTORS = "3 4\nthe 0.1 0.2 0.3 0.4\ncat 1e-3 -0.5 2 1\nsat 0 0 1 0\n"


def stored_record() -> dict[str, bytes]:
    """A record, and the environment that it refers to."""
    folder = FIXTURES / "records/v2"
    found = ("kd-2l/size-span-1.json", "environments.json")
    return {file: (folder / file).read_bytes() for file in found}


def params() -> dict[str, bytes]:
    """The jobs of an entry."""
    suite = read_suite(Project(FIXTURES / "specs/v3"), "pocket")
    path = params_file("pocket", "kd-2l")
    return {path: params_text(entry_pipeline(suite.entries["kd-2l"])).encode()}


def read_params(folder: Path) -> None:
    """Every job of an entry."""
    for stage, model in (("train", TrainJob), ("score", ScoreJob), ("latency", LatencyJob)):
        read_job(Project(folder), "pocket", "kd-2l", stage, model)


def predictions() -> dict[str, bytes]:
    """Stored predictions of a task of classes."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "p.parquet"
        logits = np.zeros((3, 2), np.float32)
        write_predictions(
            path, Predictions(("a", "b", "c"), (0, 1, 0), (0, 0, 1), logits), Origin("0" * 64)
        )
        return {"p.parquet": path.read_bytes()}


def read_stored(folder: Path) -> None:
    """Predictions and where they come from."""
    read_origin(folder / "p.parquet")
    read_predictions(folder / "p.parquet")


IDENTITY = {
    "suite": "s",
    "entry": "e",
    "stage": "trained",
    "task": "rte",
    "seed": 1,
    "declared": "0" * 64,
    "digest": "1" * 64,
    "inputs": {"training examples": "2" * 64},
    "files": {"model.safetensors": "3" * 64},
}


def labelled(task: str, file: str) -> Callable[[Path], Any]:
    """A reader of a task's examples."""
    return lambda folder: texts.read_file(TASKS[task], "dev", folder / file)


def scored(task: str, data: str, predictions: str) -> Callable[[Path], Any]:
    """`zoo score` on two files."""
    return lambda folder: score(task, folder / data, folder / predictions, as_json=False)


KINDS = {
    "specs": Kind(2_200, specs, read_specs),
    "GLUE": Kind(350, lambda: {"dev.tsv": RTE.encode()}, labelled("rte", "dev.tsv")),
    "STS-B": Kind(350, lambda: {"dev.tsv": STSB.encode()}, labelled("stsb", "dev.tsv")),
    "BoolQ": Kind(350, lambda: {"val.jsonl": BOOLQ.encode()}, labelled("boolq", "val.jsonl")),
    "SQuAD": Kind(
        700,
        lambda: {"dev.json": json.dumps(SQUAD, indent=1).encode()},
        lambda folder: squad.read_file(TASKS["squad-v2.0"], "dev", folder / "dev.json"),
    ),
    "submissions": Kind(
        350,
        lambda: {"RTE.tsv": SUBMISSION.encode(), "dev.tsv": RTE.encode()},
        scored("rte", "dev.tsv", "RTE.tsv"),
    ),
    "scores": Kind(
        350,
        lambda: {"STS-B.tsv": SCORES.encode(), "dev.tsv": STSB.encode()},
        scored("stsb", "dev.tsv", "STS-B.tsv"),
    ),
    "answers": Kind(
        700,
        lambda: {"p.json": b'{"a": "The cat", "b": ""}', "dev.json": json.dumps(SQUAD).encode()},
        scored("squad-v2.0", "dev.json", "p.json"),
    ),
    "null odds": Kind(
        350,
        lambda: {"o.json": b'{"a": -1.5, "b": 2}'},
        lambda folder: read_null_odds(folder / "o.json"),
    ),
    "diagnostic": Kind(
        200,
        lambda: {"ax.tsv": DIAGNOSTIC.encode()},
        lambda folder: read_diagnostic_labels(folder / "ax.tsv"),
    ),
    "word vectors": Kind(
        350, lambda: {"v.txt": VECTORS.encode()}, lambda folder: WordVectors.read(folder / "v.txt")
    ),
    "records": Kind(
        700,
        stored_record,
        lambda folder: read_record(folder / "kd-2l/size-span-1.json"),
    ),
    "identities": Kind(350, lambda: {"zoo.json": json.dumps(IDENTITY).encode()}, read_identity),
    "params": Kind(350, params, read_params),
    "predictions": Kind(350, predictions, read_stored),
    "gates": Kind(
        350,
        lambda: {"gate.json": b'{"rte": true}'},
        lambda folder: refuse_ungated(folder / "gate.json", "t", "rte"),
    ),
}


def check(kind: Kind, folder: Path, seed: str, changes: Sequence[Change]) -> tuple[int, int]:
    """How many damaged files were read, and refused; each change damages one."""
    chance, files = random.Random(seed), kind.files()
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    kind.read(folder)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    refusals = 0
    for turn, change in enumerate(changes):
        name = chance.choice(sorted(files))
        content = change(files[name], chance)
        (folder / name).write_bytes(content)
        begun = time.process_time()
        try:
            kind.read(folder)
        except ZooError as error:
            refusals += 1
            for problem in error.problems:
                require_told(problem, folder, turn)
        except BaseException as error:
            error.add_note(f"damaged file {turn}, {name}: {content[:2000]!r}")
            raise
        took = time.process_time() - begun
        assert took < MOST_SECONDS, (turn, name, took, content[:2000])
        (folder / name).write_bytes(files[name])
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory < MOST_KIBIBYTES
    return len(changes) - refusals, refusals


def require_told(problem: Problem, folder: Path, turn: int) -> None:
    """A message says where and what, in bounded length, on any terminal."""
    text = str(problem)
    assert problem.where.strip(), (turn, text)
    assert problem.given.strip(), (turn, text)
    assert len(text) < LONGEST, (turn, text[:LONGEST])
    assert text.encode(), (turn, text)
    assert "Traceback" not in text, (turn, text)
    assert str(folder) in problem.where or not problem.where.startswith("/"), (turn, text)


@pytest.mark.parametrize("name", KINDS)
def test_damaged_files_are_read_or_told(name: str, tmp_path: Path) -> None:
    """Of every kind a few at random, and one with each value that nobody means."""
    values = [partial(replaced, value=value) for value in VALUES]
    _read, refused = check(KINDS[name], tmp_path, f"sample {name}", [damaged] * 15 + values)
    assert refused > 5


@pytest.mark.slow
@pytest.mark.parametrize("name", KINDS)
def test_many_damaged_files_are_read_or_told(name: str, tmp_path: Path) -> None:
    """Thousands of specs, data files, prediction files and records."""
    kind = KINDS[name]
    read, refused = check(kind, tmp_path, name, [damaged] * kind.count)
    assert read > kind.count // 50
    assert refused > kind.count // 5
