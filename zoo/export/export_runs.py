"""The export stage: ONNX files of one run per task, each verified against its model."""

import json
import math
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from zoo.data.batches import collate, encode
from zoo.data.examples import Split
from zoo.data.sources import load_evaluation, load_train
from zoo.evaluation.predict import forward_of
from zoo.evaluation.predictions import Predictions
from zoo.export.choice import choose_scheme
from zoo.export.exam import Exam, load_exam, singly
from zoo.export.graph import graph_parameters, optimised
from zoo.export.half import halve
from zoo.export.kept import answers_to, kept_quality
from zoo.export.manifest import ExportedRun, write_manifest
from zoo.export.onnx import export_onnx
from zoo.export.parity import Limits, Parity, checked
from zoo.export.quantise import InputFeed, quantise_int8, quantise_int8_static
from zoo.export.routes import DEFAULT_ROUTE, Route
from zoo.export.session import forward_of_file
from zoo.models.build import Head
from zoo.models.checkpoint import load_checkpoint
from zoo.models.configuration import input_names, longest_input
from zoo.models.identity import Identity, Wanted, read_identity
from zoo.paths import Project, file_sha256, new_folder, onnx_name
from zoo.records.choice import Choice
from zoo.records.environment import Environment, capture_environment
from zoo.records.export import ExportRecord
from zoo.records.kept import KeptQuality
from zoo.records.text import write_record
from zoo.spec.bench import Export, Precision, Scheme
from zoo.spec.measuring import ExportJob
from zoo.spec.recipe import RunRecipe

TOKENIZER = "tokenizer.json"


def export_runs(project: Project, job: ExportJob) -> None:
    """Export and compare; if a limit is exceeded, no folder is left.

    Raises:
        ExportError: a file does not agree with its model.
    """
    environment = capture_environment(project.root)
    entry = project.entry(job.suite, job.entry)
    with new_folder(entry.export) as folder:
        records = [
            record
            for run in job.runs
            for record in export_files(
                folder, entry.checkpoint(run.task, run.seed), job, run, environment=environment
            )
        ]
        write_manifest(folder, job.suite, job.entry, exported(records))


def exported(records: Iterable[ExportRecord]) -> dict[str, ExportedRun]:
    """The run of each exported model, by file name."""
    return {
        onnx_name(record.task, record.precision): ExportedRun(
            **record.model_dump(include={"task", "seed", "declared", "digest", "weights_sha256"})
        )
        for record in records
    }


def export_files(
    folder: Path,
    checkpoint: Path,
    job: ExportJob,
    run: RunRecipe,
    *,
    environment: Environment,
    route: Route = DEFAULT_ROUTE,
) -> list[ExportRecord]:
    """Write the ONNX files of a run to `folder`, with a record for each, and the tokenizer.

    Raises:
        ExportError: a file does not agree with its model; earlier files are kept.
    """
    wanted = Wanted.run(job.suite, job.entry, run)
    model, tokenizer = load_checkpoint(checkpoint, Head(run.definition), wanted)
    source = _Source(model, tokenizer, folder, job, run, read_identity(checkpoint))
    forward, exam = forward_of(model), load_exam(run, tokenizer, job.export.examples)
    shutil.copyfile(checkpoint / TOKENIZER, folder / TOKENIZER)
    records = []
    for precision in _in_order(job.export):
        file = source.file(precision)
        choice = source.choice() if precision == "int8" else None
        parity = checked(
            source.writer(precision, route, choice),
            file,
            model=forward,
            exam=exam,
            limits=_limits(job.export, precision),
        )
        outcome = _Outcome(parity, route, choice, source.kept(precision))
        records.append(_record(file, source, precision, outcome, environment))
        write_record(folder, records[-1])
    return records


@dataclass(frozen=True)
class _Outcome:
    """What was found out about one file."""

    parity: Parity
    route: Route
    choice: Choice | None
    kept: tuple[KeptQuality, ...]


@dataclass(frozen=True)
class _Source:
    """The sources of one run's files."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    folder: Path
    job: ExportJob
    run: RunRecipe
    identity: Identity

    @property
    def max_length(self) -> int:
        """The task's maximum length in tokens, limited by the model's positions."""
        return min(self.run.settings.max_length, longest_input(self.model.config))

    @property
    def metadata(self) -> dict[str, str]:
        """The metadata of every file of the run; labels are in class order."""
        return {
            "digest": self.identity.digest,
            "entry": f"{self.job.suite}/{self.job.entry}",
            "task": self.run.task,
            "labels": json.dumps(self.run.definition.labels),
        }

    def file(self, precision: Precision) -> Path:
        """The run's file in `precision`."""
        return self.folder / onnx_name(self.run.task, precision)

    def writer(
        self, precision: Precision, route: Route, choice: Choice | None = None
    ) -> Callable[[Path], None]:
        """The writer of the file in `precision`; all but fp32 are converted from the fp32 file."""
        full = self.file("fp32")
        scheme = choice.chosen if choice else self.job.export.int8_candidates[0]

        def export(draft: Path) -> None:
            length, metadata = self.max_length, self.metadata
            export_onnx(self.model, draft, max_length=length, metadata=metadata, route=route)

        writers: dict[Precision, Callable[[Path], None]] = {
            "fp32": export,
            "fp16": lambda draft: halve(full, draft),
            "int8": self.quantiser(scheme),
            "int8-static": lambda draft: quantise_int8_static(full, draft, self.feeds()),
        }
        return writers[precision]

    def quantiser(self, scheme: Scheme) -> Callable[[Path], None]:
        """The writer of the int8 file of one scheme."""
        return lambda draft: quantise_int8(self.file("fp32"), draft, scheme, self.feeds())

    def choice(self) -> Choice | None:
        """The choice among the int8 candidates; None if there is one alone."""
        export = self.job.export
        if len(export.int8_candidates) == 1:
            return None
        writers = {scheme: self.quantiser(scheme) for scheme in export.int8_candidates}
        train = load_train(self.run.definition, self.run.settings, self.run.data)
        last = replace(train, examples=train.examples[-export.choice_examples :])
        return choose_scheme(self.file("fp32"), writers, self.read(last), export.choice_loss)

    def kept(self, precision: Precision) -> tuple[KeptQuality, ...]:
        """What a file keeps of the fp32 file's score, where that is asked for."""
        if precision == "fp32" or not self.job.export.scored:
            return ()
        exams, full = self._whole
        return kept_quality(exams, full, answers_to(forward_of_file(self.file(precision)), exams))

    @cached_property
    def _whole(self) -> tuple[dict[str, Exam], dict[str, Predictions]]:
        """The scored splits, and what the fp32 file answers to them."""
        splits = load_evaluation(self.run.definition, self.run.settings, self.run.data)
        exams = {name: self.read(split) for name, split in splits.items()}
        return exams, answers_to(forward_of_file(self.file("fp32")), exams)

    def read(self, split: Split) -> Exam:
        """The sequences of a split, one by one."""
        settings = self.run.settings
        return singly(encode(self.run.definition, split, settings, self.tokenizer), settings)

    def feeds(self) -> Iterator[InputFeed]:
        """The task's first training examples, one per batch and therefore unpadded."""
        task, names = self.run.definition, input_names(self.model)
        most = min(self.job.export.calibration, self.run.settings.train or math.inf)
        settings = self.run.settings.model_copy(update={"train": int(most)})
        split = load_train(task, settings, self.run.data)
        encoded = encode(task, split, settings, self.tokenizer)
        for row in range(len(encoded.features)):
            batch = collate(encoded, [row])
            yield {name: getattr(batch, name).numpy() for name in names}


def _in_order(export: Export) -> list[Precision]:
    """The requested precisions, fp32 first, as the others are converted from it."""
    return list(dict.fromkeys(("fp32", *export.precisions)))


def _limits(export: Export, precision: Precision) -> Limits:
    if precision == "fp32":
        return Limits(tolerance=export.tolerance, flips=export.flips)
    if precision == "fp16":
        return Limits(tolerance=export.fp16_tolerance, flips=export.fp16_flips)
    return Limits(flips=export.int8_flips, loss=export.int8_loss)


def _record(
    file: Path,
    source: _Source,
    precision: Precision,
    outcome: _Outcome,
    environment: Environment,
) -> ExportRecord:
    parity, graph = outcome.parity, optimised(file)
    return ExportRecord(
        suite=source.job.suite,
        entry=source.job.entry,
        task=source.run.task,
        seed=source.run.seed,
        declared=source.run.declared,
        digest=source.identity.digest,
        environment=environment,
        precision=precision,
        bytes=file.stat().st_size,
        weights_sha256=source.identity.weights_sha256,
        file_sha256=file_sha256(file),
        max_length=source.max_length,
        compared=parity.compared,
        max_abs_error=parity.max_abs_error,
        largest_logit=parity.reference_max,
        flips=parity.flips,
        shapes=tuple(f"{batch}x{length}" for batch, length in parity.shapes),
        metric=parity.metric,
        metric_model=parity.metric_model,
        metric_file=parity.metric_file,
        parameters=graph_parameters(file),
        route=outcome.route,
        nodes=graph.nodes,
        fused=graph.fused,
        choice=outcome.choice,
        kept=outcome.kept,
    )
