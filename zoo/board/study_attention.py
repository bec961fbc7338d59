"""Attention of a study's variants beside their teacher's: every head in a CSV and on a map."""

from collections.abc import Iterable, Iterator, Sequence
from statistics import fmean
from typing import NamedTuple

from zoo.board.columns import Column, Table
from zoo.board.render import as_csv
from zoo.board.study import records_of
from zoo.board.study_plot import VegaNode, plot_text
from zoo.board.table import DECIMAL_PLACES
from zoo.records.attention import AttentionRecord
from zoo.records.records import Record
from zoo.spec.study import StudyJob


class HeadLine(NamedTuple):
    """One head of one run."""

    variant: str
    record: AttentionRecord
    layer: int
    head: int

    @property
    def kl(self) -> float:
        """Its divergence from the teacher's, in nats."""
        return self.record.layers[self.layer].heads[self.head]


HEAD_COLUMNS: tuple[Column[HeadLine], ...] = (
    Column("variant", lambda line: line.variant, "name within the study"),
    Column("task", lambda line: line.record.task, "task whose examples were read"),
    Column("split", lambda line: line.record.split, "split that was read"),
    Column("seed", lambda line: line.record.seed, "seed of the run"),
    Column("layer", lambda line: line.layer, "student's layer, from 0"),
    Column(
        "teacher_layer",
        lambda line: line.record.layers[line.layer].teacher_layer,
        "teacher's layer, from 0: the last of the layer's block",
    ),
    Column("head", lambda line: line.head, "head of both layers, from 0"),
    Column("kl", lambda line: line.kl, "KL divergence from the teacher's head", unit="nat"),
    Column("rows", lambda line: line.record.rows, "tokens averaged", unit="tokens"),
)


def attention_files(job: StudyJob, records: Iterable[Record]) -> dict[str, str]:
    """`attention.csv`, one line per run, layer and head, and `attention.vl.json`, its map."""
    lines = list(_lines(job, list(records)))
    table = Table(f"{job.suite}: {job.entry}", lines, HEAD_COLUMNS)
    return {"attention.csv": as_csv(table), "attention.vl.json": _map(table.title, job, lines)}


def _lines(job: StudyJob, records: Sequence[Record]) -> Iterator[HeadLine]:
    for variant in job.variants:
        own = records_of(job, variant, records)
        compared = [record for record in own if isinstance(record, AttentionRecord)]
        for record in sorted(compared, key=lambda r: (job.tasks.index(r.task), r.split, r.seed)):
            for layer, stated in enumerate(record.layers):
                for head in range(len(stated.heads)):
                    yield HeadLine(variant.name, record, layer, head)


def _map(title: str, job: StudyJob, lines: Sequence[HeadLine]) -> str:
    """Layers by heads, one map per task and variant; seeds and splits are averaged."""
    cells: dict[tuple[str, str, int, int], list[float]] = {}
    for line in lines:
        place = (line.variant, line.record.task, line.layer, line.head)
        cells.setdefault(place, []).append(line.kl)
    names = ("variant", "task", "layer", "head")
    points: list[VegaNode] = [
        {**dict(zip(names, place, strict=True)), "kl": round(fmean(values), DECIMAL_PLACES)}
        for place, values in cells.items()
    ]
    order = [variant.name for variant in job.variants]
    axes = {"x": {"field": "head", "type": "ordinal"}, "y": {"field": "layer", "type": "ordinal"}}
    color = {"field": "kl", "type": "quantitative", "title": "KL, nats"}
    shown = [{"field": name} for name in (*names, "kl")]
    view = {
        "data": {"values": points},
        "facet": {
            "row": {"field": "task", "type": "nominal", "sort": list(job.tasks)},
            "column": {"field": "variant", "type": "nominal", "sort": order},
        },
        "spec": {"mark": "rect", "encoding": {**axes, "color": color, "tooltip": shown}},
    }
    return plot_text({"title": title, **view})
