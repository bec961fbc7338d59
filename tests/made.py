"""Made-up records, for tests of what is done with records."""

from zoo.records.environment import Environment
from zoo.records.score import ScoreRecord

NOWHERE = Environment(
    system="",
    python="",
    processor="",
    cores=1,
    instruction_sets=(),
    device="cpu",
    libraries={},
    commit="",
)


def score_record(entry: str, value: float, digest: str) -> ScoreRecord:
    """What scoring would say of an entry of `pocket` on sentiment."""
    return ScoreRecord(
        suite="pocket",
        entry=entry,
        task="sentiment",
        seed=1,
        digest=digest,
        environment=NOWHERE,
        method=entry,
        teacher="t",
        twin=None,
        split="dev",
        examples=9,
        data_sha256="",
        primary="accuracy",
        metrics={"accuracy": value},
        majority={"accuracy": 0.5},
        constant=False,
    )
