"""Teachers: where their pretrained weights come from, and how they are fine-tuned."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from zoo.spec.base import Addressed, BelowData, Seed, Spec
from zoo.spec.bounds import Deviation, MaskShare, Score
from zoo.spec.corpus import Corpus
from zoo.spec.optimise import Optimise, TaskChange
from zoo.spec.shape import Shape
from zoo.spec.task import TASKS
from zoo.spec.weights import DistilledWeights, FolderWeights, HubWeights
from zoo.spec.words import WordHead

TEACHER = "teacher"
"""What stands in the place of a method's name for a teacher's own entry."""


class HubSource(HubWeights):
    """A model on the hub, at one revision."""

    shape: Shape
    """Checked against the model's own configuration when it is loaded."""


class FolderSource(FolderWeights):
    """A Hugging Face model folder below `$ZOO_DATA`."""

    shape: Shape
    """Checked against the folder's config.json when it is loaded."""


class DistilledSource(DistilledWeights):
    """What an entry of the same suite is after its corpus stages: a teacher assistant."""

    shape: Shape
    """Checked against that entry's student."""


class Vocabulary(Addressed):
    """The WordPiece vocabulary of a teacher pretrained here."""

    addresses: ClassVar[tuple[str, ...]] = ("path",)

    kind: Literal["words", "wordpiece", "file"]
    """`words`: the most frequent whole words and all characters; `wordpiece`: trained on the
    corpus; `file`: a vocab.txt below `$ZOO_DATA`."""
    path: BelowData | None = None
    """The vocab.txt, for `file`."""


class PretrainedSource(Spec):
    """A model that the pipeline itself pretrains by masked language modelling."""

    kind: Literal["pretrained"] = "pretrained"
    shape: Shape
    """The model to build; `vocabulary` is the maximum size of the tokenizer's vocabulary."""
    vocabulary: Vocabulary
    """How its tokenizer is built."""
    corpus: Corpus
    """Its pretraining corpus."""
    optimise: Optimise
    """How it is pretrained."""
    mask_fraction: MaskShare = 0.15
    """Share of the positions to predict (BERT: 0.15)."""
    start: Literal["random", "neighbours"] = "random"
    """`neighbours`: heads of the first layers start out attending to neighbouring tokens, which
    saves a small model most of the time it needs to learn positions."""
    initializer_range: Deviation = 0.02
    """Standard deviation of initial weights (BERT: 0.02; narrow models learn faster with more)."""
    seed: Seed = 0
    """Seed of weights, masking and data order."""


Source = Annotated[
    HubSource | FolderSource | PretrainedSource | DistilledSource, Field(discriminator="kind")
]


TaskName = Annotated[str, Field(json_schema_extra={"examples": sorted(TASKS)})]
"""A task of the zoo, or of the suite's own; `cross.py` holds it against them."""


class Teacher(Spec):
    """One file under `specs/<suite>/teachers/`."""

    note: str = ""
    """Free text; has no effect."""
    source: Source
    """Where the pretrained weights come from."""
    words: WordHead | None = None
    """How its masked-language-model head is trained, for weights that lack one."""
    optimise: Optimise
    """How it is fine-tuned on each task."""
    tasks: dict[TaskName, TaskChange] = Field(default_factory=dict)
    """Overrides of `optimise` for single tasks."""
    gates: dict[TaskName, Score] = Field(default_factory=dict)
    """Minimum primary score (natural scale) before students are distilled from it."""

    @property
    def shape(self) -> Shape:
        """The shape of its encoder."""
        return self.source.shape
