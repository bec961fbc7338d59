"""A study's plot as a Vega-Lite specification with inline data."""

import json
from collections.abc import Sequence
from typing import Any

from zoo.board.study import StudyRow, axis_value, value_text
from zoo.spec.study import StudyJob

VEGA_SCHEMA = "https://vega.github.io/schema/vega-lite/v5.json"

VegaNode = dict[str, Any]


def study_plot(job: StudyJob, rows: Sequence[StudyRow]) -> str:
    """Scores with their spread along each axis.

    Of a product along the first axis, by the others; of pairs along the first, with the others.
    """
    if job.combine == "product" and len(job.axes) > 1:
        view = _product(job, rows)
    elif job.combine == "paired":
        view = _view(job.axes[0], rows)
    else:
        view = {"vconcat": [_along(axis, rows) for axis in job.axes]}
    return plot_text({"title": f"{job.suite}: {job.entry}", **view})


def plot_text(view: VegaNode) -> str:
    """A plot as text."""
    return json.dumps({"$schema": VEGA_SCHEMA, **view}, indent=1, sort_keys=True) + "\n"


def _along(axis: str, rows: Sequence[StudyRow]) -> VegaNode:
    """The base and the variants that differ from it on this axis alone."""
    base = rows[0].values
    others = {other: value for other, value in base.items() if other != axis}
    own = [row for row in rows if others.items() <= row.values.items()]
    return _view(axis, own)


def _view(axis: str, rows: Sequence[StudyRow]) -> VegaNode:
    points = [_point(axis, row) for row in rows]
    return {
        "data": {"values": points},
        "encoding": {"x": _x(axis, points), "color": {"field": "task", "type": "nominal"}},
        "layer": _layers(points),
    }


def _product(job: StudyJob, rows: Sequence[StudyRow]) -> VegaNode:
    first, *others = job.axes
    points = [
        _point(first, row)
        | {"others": ", ".join(f"{axis} {value_text(axis_value(row, axis))}" for axis in others)}
        for row in rows
    ]
    color = {"field": "others", "type": "nominal", "title": ", ".join(others)}
    spec = {"encoding": {"x": _x(first, points), "color": color}, "layer": _layers(points)}
    column = {"field": "task", "type": "nominal", "sort": list(job.tasks)}
    return {"data": {"values": points}, "facet": {"column": column}, "spec": spec}


def _point(axis: str, row: StudyRow) -> VegaNode:
    """One mark: its value on the axis, its score, and one standard deviation to either side."""
    value, score, spread = axis_value(row, axis), row.score, row.score_sd or 0.0
    known = score is not None
    return {
        "variant": row.variant,
        "task": row.task if row.split == "dev" else f"{row.task} {row.split}",
        "value": value if _is_number(value) else value_text(value),
        "score": score,
        "low": round((score or 0.0) - spread, 6) if known else None,
        "high": round((score or 0.0) + spread, 6) if known else None,
    }


def _x(axis: str, points: Sequence[VegaNode]) -> VegaNode:
    if _are_numbers(points):
        kind: VegaNode = {"type": "quantitative", "scale": {"zero": False}}
    else:
        kind = {"type": "nominal", "sort": list(dict.fromkeys(str(p["value"]) for p in points))}
    return {"field": "value", "title": axis, **kind}


def _layers(points: Sequence[VegaNode]) -> list[VegaNode]:
    score = {"field": "score", "type": "quantitative", "scale": {"zero": False}, "title": "score"}
    spread = {"y": {"field": "low", "type": "quantitative"}, "y2": {"field": "high"}}
    shown = [{"field": name} for name in ("variant", "task", "score", "low", "high")]
    layers: list[VegaNode] = [
        {"mark": "rule", "encoding": spread},
        {"mark": {"type": "point", "filled": True}, "encoding": {"y": score, "tooltip": shown}},
    ]
    if _are_numbers(points):
        layers.append({"mark": "line", "encoding": {"y": score}})
    return layers


def _are_numbers(points: Sequence[VegaNode]) -> bool:
    return all(_is_number(point["value"]) for point in points)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
