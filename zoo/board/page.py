"""The board as one HTML page that needs no network: a table that sorts."""

import html
from collections.abc import Sequence

from zoo.board.page_study import as_sections
from zoo.board.table import Row

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
        "entry", "method", "task", "metric", "score", "constant answer", "to teacher", "to twin",
        "parameters", "int8 MB", *(f"{runtime} time" for runtime in runtimes),
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
    "Scores x 100. Time is this model's over its teacher's, taken in turns in one process, with a"
    " 95 % interval: below 1 is faster. Click a column to sort; point at a score for its digest."
)


def _line(row: Row, runtimes: Sequence[str]) -> str:
    split = "" if row.split == "dev" else f" {row.split.removeprefix('dev_')}"
    nothing = "" if row.beats_majority else ' class="nothing"'
    digest = f"run {row.digest}, {row.examples} examples, seeds {', '.join(map(str, row.seeds))}"
    score = (
        f'<td{nothing} title="{html.escape(digest)}" data-value="{_value(row.score)}">'
        f"{_percent(row.score)}</td>"
    )
    cells = [
        _cell(row.entry),
        _cell(row.method),
        _cell(f"{row.task}{split}"),
        _cell(row.primary),
        score,
        _number(row.majority, _percent(row.majority)),
        _number(row.to_teacher, _percent(row.to_teacher)),
        _number(row.to_twin, _percent(row.to_twin)),
        _number(row.parameters, f"{row.parameters:,}" if row.parameters else ""),
        _number(row.onnx_int8_bytes, f"{(row.onnx_int8_bytes or 0) / 1e6:.2f}"),
        *(_runtime(row, runtime) for runtime in runtimes),
    ]
    kind = ' class="teacher"' if row.method == "teacher" else ""
    return f"<tr{kind}>{''.join(cells)}</tr>"


def _runtime(row: Row, runtime: str) -> str:
    cell = row.runtimes.get(runtime)
    if cell is None or cell.ratio is None:
        return _number(None, "")
    text = f"{cell.ratio:.2f}"
    if cell.ratio_low is not None and cell.ratio_high is not None:
        text += f" [{cell.ratio_low:.2f}, {cell.ratio_high:.2f}]"
    return _number(cell.ratio, text)


def _cell(text: str) -> str:
    return f'<td data-value="{html.escape(text)}">{html.escape(text)}</td>'


def _number(value: float | None, text: str) -> str:
    return f'<td data-value="{_value(value)}">{text if value is not None else ""}</td>'


def _value(value: float | None) -> str:
    return "" if value is None else str(value)


def _percent(value: float | None) -> str:
    return "undefined" if value is None else f"{100 * value:.1f}"
