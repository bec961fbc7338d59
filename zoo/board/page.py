"""The board as one HTML page that needs no network: a table that sorts."""

import html
from collections.abc import Sequence

from zoo.board.page_study import as_sections
from zoo.board.table import Row, marks_of
from zoo.records.statistics import Contrast

PAGE_NAME = "index.html"

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 80rem; padding: 0 1rem;
  color: #1b1f24; background: #fff }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums }
th, td { padding: .35rem .6rem; border-bottom: 1px solid #d8dee4; text-align: right }
th:nth-child(-n+4), td:nth-child(-n+4) { text-align: left }
th { cursor: pointer; position: sticky; top: 0; background: #f6f8fa }
th[aria-sort=ascending]::after { content: " \\2191" }
th[aria-sort=descending]::after { content: " \\2193" }
tr.teacher { background: #f6f8fa }
td.nothing { color: #b35900 }
"""

_SORT = """
for (const head of document.querySelectorAll("th")) head.addEventListener("click", () => {
  const table = head.closest("table"), body = table.tBodies[0];
  const down = head.getAttribute("aria-sort") === "ascending";
  const place = [...head.parentNode.children].indexOf(head);
  const value = row => {
    const text = row.children[place].dataset.value;
    return text === "" || Number.isNaN(Number(text)) ? text : Number(text);
  };
  const rows = [...body.rows].sort((a, b) => {
    const [x, y] = [value(a), value(b)];
    if (x === "" || y === "") return (x === "") - (y === "");
    const order = x < y ? -1 : x > y ? 1 : 0;
    return down ? -order : order;
  });
  for (const other of table.querySelectorAll("th")) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", down ? "descending" : "ascending");
  body.append(...rows);
});
"""


def as_page(rows: Sequence[Row], suite: str, studies: Sequence[str] = ()) -> str:
    """The whole page, with the Markdown tables of `studies` below; same input, same bytes."""
    runtimes = sorted({runtime for row in rows for runtime in row.runtimes})
    heads = [
        "entry", "method", "task", "metric", "score", "rank", "can resolve", "constant answer",
        "to teacher", "to twin", "parameters", "MFLOP", "int8 MB", "int8 change",
        *(f"{runtime} time" for runtime in runtimes), *(f"{runtime} ms" for runtime in runtimes),
    ]  # fmt: skip
    table = "\n".join(_line(row, runtimes) for row in rows)
    title = f"distilzoo: {html.escape(suite)}"
    return (
        f'<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n<title>{title}</title>\n'
        f"<style>{_STYLE}</style>\n<h1>{title}</h1>\n<p>{_EXPLANATION}</p>\n"
        f"<table>\n<thead><tr>{''.join(f'<th>{html.escape(head)}</th>' for head in heads)}"
        f"</tr></thead>\n<tbody>\n{table}\n</tbody>\n</table>\n"
        f"{as_sections(studies)}<script>{_SORT}</script>\n</html>\n"
    )


_EXPLANATION = (
    "Scores x 100 with their 95 % interval over examples and, where there are several, seeds."
    " Differences to teacher and twin are paired; p is corrected for all tests of the board. Rank:"
    " the places it may hold among students. Can resolve: the smallest difference these examples"
    " show. Time is this model's over its teacher's, taken in turns in one process, with a 95 %"
    " interval: below 1 is faster; ms are medians. Click a column to sort; point at a score for its"
    " digest, at a time for its shape. ‡ made of an earlier spec, or by an earlier version."
)


def _line(row: Row, runtimes: Sequence[str]) -> str:
    split = "" if row.split == "dev" else f" {row.split.removeprefix('dev_')}"
    nothing = "" if row.beats_majority else ' class="nothing"'
    digest = f"run {row.digest}, {row.examples} examples, seeds {', '.join(map(str, row.seeds))}"
    score = (
        f'<td{nothing} title="{html.escape(digest)}" data-value="{_value(row.score)}">'
        f"{_percent(row.score)}{_between(row.score_low, row.score_high, 100, 1)}</td>"
    )
    cells = [
        _cell(f"{row.entry}{marks_of([row])}"),
        _cell(row.method),
        _cell(f"{row.task}{split}"),
        _cell(row.primary),
        score,
        _rank(row),
        _number(row.resolution, _percent(row.resolution)),
        _number(row.majority, _percent(row.majority)),
        _difference(row.to_teacher, row.against_teacher),
        _difference(row.to_twin, row.against_twin),
        _number(row.parameters, f"{row.parameters:,}" if row.parameters else ""),
        _number(row.flops, f"{(row.flops or 0) / 1e6:,.1f}"),
        _megabytes(row),
        _change(row),
        *(_runtime(row, runtime) for runtime in runtimes),
        *(_milliseconds(row, runtime) for runtime in runtimes),
    ]
    kind = ' class="teacher"' if row.method == "teacher" else ""
    return f"<tr{kind}>{''.join(cells)}</tr>"


def _rank(row: Row) -> str:
    if row.rank is None:
        return _number(None, "")
    first, last = row.rank
    return _number(first, str(first) if first == last else f"{first}-{last}")


def _difference(value: float | None, contrast: Contrast | None) -> str:
    if value is None:
        return _number(None, "")
    text = f"{100 * value:+.1f}"
    if contrast is not None:
        text += f"{_between(contrast.low, contrast.high, 100, 1)} p {contrast.p_holm:.2g}"
    return _number(value, text)


def _megabytes(row: Row) -> str:
    cell = row.exports.get("int8")
    return _number(cell.bytes if cell else None, f"{cell.bytes / 1e6:.2f}" if cell else "")


def _change(row: Row) -> str:
    """What int8 does to the primary metric."""
    cell = row.exports.get("int8")
    if cell is None or cell.change is None:
        return _number(None, "")
    return _number(cell.change, f"{100 * cell.change:+.1f} ({cell.flips} of {cell.compared} flip)")


def _runtime(row: Row, runtime: str) -> str:
    cell = row.runtimes.get(runtime)
    if cell is None or cell.ratio is None:
        return _number(None, "")
    text = f"{cell.ratio:.2f}{_between(cell.ratio_low, cell.ratio_high, 1, 2)}"
    return f'<td title="batch x length {cell.cell}" data-value="{cell.ratio}">{text}</td>'


def _milliseconds(row: Row, runtime: str) -> str:
    cell = row.runtimes.get(runtime)
    if cell is None or cell.latency_ms_p50 is None:
        return _number(None, "")
    busy = " (busy machine)" if cell.busy else ""
    return _number(cell.latency_ms_p50, f"{cell.latency_ms_p50:.3g}{busy}")


def _between(low: float | None, high: float | None, times: float, digits: int) -> str:
    """An interval in brackets, behind a number; nothing where it is not known."""
    if low is None or high is None:
        return ""
    return f" [{times * low:.{digits}f}, {times * high:.{digits}f}]"


def _cell(text: str) -> str:
    return f'<td data-value="{html.escape(text)}">{html.escape(text)}</td>'


def _number(value: float | None, text: str) -> str:
    return f'<td data-value="{_value(value)}">{text if value is not None else ""}</td>'


def _value(value: float | None) -> str:
    return "" if value is None else str(value)


def _percent(value: float | None) -> str:
    return "undefined" if value is None else f"{100 * value:.1f}"
