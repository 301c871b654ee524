"""From an executed notebook to one HTML page that needs nothing else.

nbconvert renders it with the package's own template (`template/report/`): no script, no address
of any kind, a policy in the page that would forbid both, code folded away, contents from the
headings, type and colours for screen, telephone, dark rooms and paper.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from escalation.reporting.markup import clean

if TYPE_CHECKING:
    from nbformat import NotebookNode

TEMPLATES = Path(__file__).parent / "template"


def to_html(notebook: NotebookNode, title: str) -> str:
    """Return the page of an executed notebook.

    Parameters
    ----------
    notebook : NotebookNode
    title : str
        Of the page, for tabs and bookmarks; it is escaped.
    """
    from nbconvert.exporters.templateexporter import TemplateExporter
    from nbconvert.filters.highlight import Highlight2HTML

    exporter: Any = TemplateExporter(  # type: ignore[no-untyped-call]
        extra_template_basedirs=[str(TEMPLATES)],
        template_name="report",
        template_file="index.html.j2",
        file_extension=".html",
    )
    highlight = Highlight2HTML(pygments_lexer="python3")  # type: ignore[no-untyped-call]
    exporter.register_filter("highlight_code", highlight)
    exporter.register_filter("markdown2html", _markdown)
    html, _ = exporter.from_notebook_node(notebook, resources={"report_title": clean(title)})
    return str(html)


def _markdown(source: str) -> str:
    """Render the notebook's own Markdown, with no mark beside its headings."""
    from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath

    renderer = IPythonRenderer(escape=True, exclude_anchor_links=True)
    return str(MarkdownWithMath(renderer=renderer).render(source))
