"""HTML that the notebooks show, with every text of a scenario escaped by construction.

`markupsafe` does the escaping: whatever is formatted into `Markup` is escaped unless it is
itself `Markup`. A text of a scenario goes through `text`, which also isolates its direction
(`<bdi>`: a right-to-left mark ends with the text) and drops control characters. Nothing goes
through Markdown, and JupyterLab is told to leave `$` alone.

>>> print(text("<b> & $x$"))
<bdi>&lt;b&gt; &amp; $x$</bdi>
>>> print(tag("p", "1 < 2", class_="note"))
<p class="note">1 &lt; 2</p>
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from markupsafe import Markup, escape

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

EMPTY = Markup()

# Control characters, and the marks that reorder whatever follows them.
_CONTROLS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
)


@dataclass(frozen=True, repr=False)
class Fragment:
    """A piece of HTML for a notebook to show.

    Attributes
    ----------
    html : Markup
    summary : str
        What stands for it where HTML cannot be shown.
    """

    html: Markup
    summary: str = "(shown as HTML)"

    def __repr__(self) -> str:
        return self.summary

    def _repr_html_(self) -> str:
        return tag("div", self.html, class_="escalation mathjax_ignore tex2jax_ignore")


def clean(value: object) -> str:
    """Return the text of a value without control and reordering characters."""
    return _CONTROLS.sub("", str(value))


def text(value: object) -> Markup:
    """Return an escaped text that cannot change the direction of what stands around it."""
    return Markup("<bdi>{}</bdi>").format(clean(value))


def tag(name: str, *children: object, **attributes: str | None) -> Markup:
    """Return an element; children and attributes are escaped unless they are Markup.

    An attribute whose name Python reserves ends in `_`; another `_` in it becomes `-`; an
    attribute that is None is left out.
    """
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(clean(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    inside = "".join(map(escape, children))
    return Markup(f"<{name}{given}>{inside}</{name}>")  # noqa: S704 (each part was escaped)


def table(
    headings: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    caption: str,
    kind: str = "",
) -> Markup:
    """Return a table whose first column heads its rows.

    Every cell carries the heading of its column in `data-label`, so that a narrow screen can
    show each row as a card.
    """
    head = tag("tr", *(tag("th", heading, scope="col") for heading in headings))
    body = EMPTY.join(_row(headings, row) for row in rows)
    return tag(
        "table",
        tag("caption", caption),
        tag("thead", head),
        tag("tbody", body),
        class_=kind or None,
    )


def _row(headings: Sequence[str], row: Sequence[object]) -> Markup:
    first, *rest = row
    cells = [
        tag("td", cell, data_label=heading)
        for heading, cell in zip(headings[1:], rest, strict=True)
    ]
    return tag("tr", tag("th", first, scope="row"), *cells)
