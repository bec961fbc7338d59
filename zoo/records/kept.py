"""The quality that an exported file keeps."""

from zoo.records.measured import Amount, Count
from zoo.spec.base import Spec


class KeptQuality(Spec):
    """A file's score on one whole dev split, every example alone, paired with the fp32 file's.

    Scores are the task's primary metric on its natural scale; None: undefined.
    """

    split: str
    examples: Count
    score_fp32: float | None
    score: float | None
    lost: float | None
    """`score_fp32` minus `score`: above 0 the file is worse."""
    low: float | None
    high: float | None
    """95 % confidence interval of the loss: paired bootstrap over the examples."""
    flips: Amount
    """Examples whose prediction changes."""
