"""Executed notebooks as pages that one opens with a browser: figures that move, and no network.

``python notebooks/html_pages.py NOTEBOOK...`` leaves beside each one a page of its name. Plotly
comes along in the page; the code of a cell is folded away under what the cell shows.
"""

from __future__ import annotations

import html
import json
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

FIGURE = "application/vnd.plotly.v1+json"
_PAGE = """<!doctype html>
<html lang="es"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
body {{ font: 16px/1.5 sans-serif; color: #1b2a32; max-width: 70rem; margin: 2rem auto;
  padding: 0 1rem }}
a {{ color: #0b7285 }} code, pre {{ font: 14px/1.4 monospace }}
pre, table {{ display: block; overflow-x: auto }}
details {{ margin: .5rem 0 }} summary {{ color: #5d6f7a; cursor: pointer; font-size: 13px }}
details pre {{ background: #f4f6f7; padding: .75rem }}
table {{ border-collapse: collapse; border: 0; margin: 1rem 0 }}
th, td {{ border: 0; border-bottom: 1px solid #e6ebee; padding: .25rem .75rem; text-align: left }}
blockquote {{ border-left: 3px solid #0b7285; margin-left: 0; padding-left: 1rem }}
.error {{ color: #b3382c }}
</style>{library}</head><body>
{body}
</body></html>
"""


def make_page(notebook: Mapping[str, Any], title: str) -> str:
    """Return an executed notebook as a page.

    ``notebook``: as nbformat 4 keeps it. ``title``: of the browser's window.
    """
    body = "\n".join(part for cell in notebook["cells"] for part in _cell_parts(cell))
    library = ""
    if "Plotly.newPlot(" in body:
        from plotly.offline import get_plotlyjs

        library = f"<script>{get_plotlyjs()}</script>"
    return _PAGE.format(title=html.escape(title), library=library, body=body)


def _cell_parts(cell: Mapping[str, Any]) -> Iterator[str]:
    source = _text(cell["source"])
    if cell["cell_type"] == "markdown":
        yield _markdown(source)
    elif cell["cell_type"] == "code":
        for k, output in enumerate(cell["outputs"]):
            yield _output(output, f"{cell['id']}-{k}")
        code = f"<pre><code>{html.escape(source)}</code></pre>"
        yield f"<details><summary>código</summary>{code}</details>"


def _output(output: Mapping[str, Any], name: str) -> str:
    """Return what a cell shows in the richest way that a page has."""
    if output["output_type"] == "stream":
        return f"<pre>{html.escape(_text(output['text']))}</pre>"
    if output["output_type"] == "error":
        trace = re.sub(r"\x1b\[[0-9;]*m", "", "\n".join(output["traceback"]))
        return f'<pre class="error">{html.escape(trace)}</pre>'
    data = output["data"]
    if FIGURE in data:
        return _figure(data[FIGURE], name)
    if "text/html" in data:
        # Of tables nothing is lost; for a figure to come, Plotly would be there once more.
        return re.sub(r"(?is)<script\b.*?</script>", "", _text(data["text/html"])).strip()
    if "text/markdown" in data:
        return _markdown(_text(data["text/markdown"]))
    if "image/png" in data:
        return f'<img alt="" src="data:image/png;base64,{_text(data["image/png"]).strip()}">'
    return f"<pre>{html.escape(_text(data.get('text/plain', '')))}</pre>"


def _figure(figure: Mapping[str, Any], name: str) -> str:
    config = {**figure.get("config", {}), "responsive": True}
    config.pop("plotlyServerURL", None)
    parts = [figure["data"], figure["layout"], config]
    # A text of the figure could end the script.
    values = ", ".join(json.dumps(part).replace("<", "\\u003c") for part in parts)
    return f'<div id="{name}"></div><script>Plotly.newPlot("{name}", {values})</script>'


def _markdown(text: str) -> str:
    """Return Markdown as HTML; a link to a notebook leads to its page."""
    from markdown_it import MarkdownIt

    page = MarkdownIt("commonmark", {"html": False}).enable("table").render(text)
    return re.sub(r'href="([^":]+)\.ipynb"', r'href="\1.html"', page)


def _text(text: str | list[str]) -> str:
    return text if isinstance(text, str) else "".join(text)


def main(paths: list[str]) -> int:
    """Write the page of each notebook beside it; return the exit status."""
    for path in map(Path, paths):
        page = make_page(json.loads(path.read_text(encoding="utf-8")), path.stem)
        path.with_suffix(".html").write_text(page, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
