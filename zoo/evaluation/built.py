"""A run's model as it was built, and what the records of its measurements have in common."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from zoo.data.batches import Encoded, encode
from zoo.data.examples import Split
from zoo.data.sources import content_sha256
from zoo.evaluation.predict import forward_of, predict
from zoo.evaluation.predictions import Origin, Predictions, write_predictions
from zoo.evaluation.scoring import score_predictions
from zoo.models.build import Head
from zoo.models.checkpoint import load_checkpoint
from zoo.models.identity import Identity, Wanted, read_identity
from zoo.paths import Project
from zoo.records.environment import Environment
from zoo.records.predicted import PredictedRun, seal
from zoo.records.text import write_record
from zoo.spec.jobs import Job
from zoo.spec.own_task import OwnData
from zoo.spec.recipe import RunRecipe


@dataclass(frozen=True)
class BuiltRun:
    """A run of an entry with its trained model."""

    run: RunRecipe
    checkpoint: Path
    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    identity: Identity

    @classmethod
    def load(cls, project: Project, job: Job, run: RunRecipe, entry: str = "") -> "BuiltRun":
        """The model of a run of the job's entry, or of another `entry` of its suite.

        Raises:
            CheckpointError: it is not built, or is that of another run.
        """
        name = entry or job.entry
        checkpoint = project.entry(job.suite, name).checkpoint(run.task, run.seed)
        wanted = Wanted.run(job.suite, name, run)
        model, tokenizer = load_checkpoint(checkpoint, Head(run.definition), wanted)
        return cls(run, checkpoint, model, tokenizer, read_identity(checkpoint))

    def encoded(self, split: Split) -> Encoded:
        """The examples as the model reads them."""
        return encode(self.run.definition, split, self.run.settings, self.tokenizer)

    def predictions(self, split: Split) -> Predictions:
        """What the model answers to the examples."""
        return predict(forward_of(self.model), self.encoded(split), self.run.settings)

    def stated(self, environment: Environment) -> dict[str, Any]:
        """What every record of this run states."""
        return {
            "suite": self.identity.suite,
            "entry": self.identity.entry,
            "task": self.run.task,
            "seed": self.run.seed,
            "declared": self.run.declared,
            "digest": self.identity.digest,
            "environment": environment,
            "weights_sha256": self.identity.weights_sha256,
        }

    def scores(self, split: Split, predictions: Predictions) -> dict[str, Any]:
        """What every record of these predictions states besides."""
        task, data = self.run.definition, self.run.data
        scored = score_predictions(task, split, predictions)
        return {
            "split": split.name,
            "examples": len(split.examples),
            "data_sha256": content_sha256(split),
            "predictions_sha256": "0" * 64,  # known once the predictions are written
            "primary": task.primary,
            "metrics": scored.metrics,
            "thresholds": scored.thresholds,
            "own": data if isinstance(data, OwnData) else None,
        }


def write_predicted(folder: Path, record: PredictedRun, predictions: Predictions) -> None:
    """Write the predictions, sealed by their record, and the record with their hash."""
    stored = folder / "predictions" / record.predictions
    written = write_predictions(stored, predictions, Origin(record.digest, seal(record)))
    write_record(folder, record.model_copy(update={"predictions_sha256": written}))
