"""Studies on the suite's page: their Markdown tables as HTML."""

import html
from collections.abc import Sequence

_STYLE = """
table.study th:nth-child(n+2), table.study td:nth-child(n+2) { text-align: right }
"""


def as_sections(studies: Sequence[str]) -> str:
    """A section per study, from its Markdown; nothing where there are none."""
    if not studies:
        return ""
    sections = "".join(_section(text.splitlines()) for text in studies)
    return f"<style>{_STYLE}</style>\n<h2>Studies</h2>\n{sections}"


def _section(lines: Sequence[str]) -> str:
    title = html.escape(lines[0].removeprefix("# "))
    head, _, *body = [line.strip("|").split("|") for line in lines if line.startswith("|")]
    notes = [html.escape(line) for line in lines[1:] if line and not line.startswith("|")]
    heads = "".join(f"<th>{html.escape(cell.strip())}</th>" for cell in head)
    rows = "\n".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in body)
    return (
        f'<h3>{title}</h3>\n<table class="study">\n<thead><tr>{heads}</tr></thead>\n<tbody>\n'
        f"{rows}\n</tbody>\n</table>\n<p>{'<br>'.join(notes)}</p>\n"
    )


def _cell(text: str) -> str:
    """A cell that sorts by its first number, which a spread or a difference may follow."""
    shown = text.strip()
    value = shown.split(" ")[0].replace(",", "")
    return f'<td data-value="{html.escape(value)}">{html.escape(shown)}</td>'
