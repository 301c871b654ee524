"""The page of a report on paper: PDF with page numbers and tags for screen readers.

It is made from the very page (`page.to_html`), so it cannot say anything else. What is folded
away on the page but for the grounds of a confidence, and what is drawn for telephones or for dark
rooms, is left out before it is laid out: it is in `report.html` and `result.json`. WeasyPrint lays
it out; that needs Pango, which pip does not bring.
(`docs/decisions/0007-paper-by-weasyprint.md`.)

>>> on_paper('<svg aria-label="Two lines"><g style="fill:#fff;fill:light-dark(#fff,#000)"/></svg>')
'<svg aria-label="Two lines"><title>Two lines</title><g style="fill:#fff"/></svg>'
"""

from __future__ import annotations

import logging
import re
import warnings
from pathlib import Path
from typing import Any

from escalation.errors import RunError

HELP = (
    "install Pango (Debian and Ubuntu: apt-get install libpango-1.0-0 libpangoft2-1.0-0; macOS: "
    "brew install pango), or ask for --format html"
)
VARIANT = "pdf/ua-1"
PAPER = Path(__file__).parent / "template/report/paper.css"
_LEFT_OUT = re.compile(
    r'<div class="narrow" style="display:none">.*?</svg></div>'
    r'|<details(?! class="grounds").*?</details>'
    r"|<nav .*?</nav>"
    r"|;[a-z-]+:light-dark\([^)]*\)",
    re.DOTALL,
)
_PICTURE = re.compile(r'<svg [^>]*?aria-label="([^"]*)"[^>]*>')
_UNFOLDED = {"details": "div", "summary": "p"}
_FOLD = re.compile(r"(</?)(details|summary)\b")


def print_page(page: Path) -> str:
    """Write a page's PDF beside it; return why there is none, if it cannot be made."""
    try:
        data = to_pdf(page.read_text(encoding="utf-8"))
    except RunError as error:
        return str(error)
    page.with_suffix(".pdf").write_bytes(data)
    return ""


def to_pdf(html: str) -> bytes:
    """Return the page as PDF.

    Parameters
    ----------
    html : str
        As `page.to_html` makes it.

    Raises
    ------
    RunError
        If WeasyPrint, or Pango that it needs, is not there.
    """
    weasyprint = _weasyprint()
    logging.getLogger("weasyprint").setLevel(logging.ERROR)  # it warns of CSS meant for screens
    rules = PAPER.read_text(encoding="utf-8")
    page = on_paper(html).replace("</style>", f"{rules}</style>", 1)
    # No protocol is allowed: a report is made of itself alone, and may not follow any address.
    made = weasyprint.HTML(
        string=page, url_fetcher=weasyprint.urls.URLFetcher(allowed_protocols=())
    )
    return bytes(made.write_pdf(pdf_variant=VARIANT))


def on_paper(html: str) -> str:
    """Return what of a page is printed: nothing folded, and each picture titled by its text."""
    shown = _LEFT_OUT.sub("", html)
    titled = _PICTURE.sub(lambda found: f"{found[0]}<title>{found[1]}</title>", shown)
    return _FOLD.sub(lambda found: found[1] + _UNFOLDED[found[2]], titled)


def _weasyprint() -> Any:  # noqa: ANN401 (it ships no types)
    try:
        with warnings.catch_warnings():  # of a library of the system that later versions will need
            warnings.simplefilter("ignore", DeprecationWarning)
            import weasyprint
    except (ImportError, OSError) as error:  # OSError: a library of the system is missing
        reason = str(error).splitlines()[0]
        raise RunError(f"no PDF was made ({reason}): {HELP}") from error
    return weasyprint
