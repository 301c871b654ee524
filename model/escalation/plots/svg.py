"""From a figure to SVG that belongs in a page: small, without addresses, light and dark.

Matplotlib's SVG is a file of its own. To stand in an HTML page it loses its prologue, its
namespaces (HTML needs none, and they are spelt as addresses) and its metadata; its ids get a
prefix, as a page has many figures; its type becomes the page's; and each colour of the palette is
followed by `light-dark(…)`, which a browser that knows it uses instead. Text stays text: crisp,
small, searchable, and shaped by the browser in whatever direction it runs.
"""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import matplotlib as mpl

from escalation.plots.style import dark_of_light

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import LayoutEngine

_NAMESPACE = re.compile(r"\{[^}]*\}")
_REFERENCE = re.compile(r"(?<=url\(#)[^)]+|(?<=^#).+")
_DECIMALS = re.compile(r"(?<=\d\.\d\d)\d+")  # those to drop
_AROUND_COMMANDS = re.compile(r"\s+(?=[A-Za-z])|(?<=[A-Za-z])\s+")
_DROPPED = {"metadata", "style"}  # elements
_GEOMETRY = {"d", "transform", "x", "y", "width", "height", "points"}
_METADATA = dict.fromkeys(("Creator", "Date", "Format", "Type"))


def svg(figure: Figure, name: str, alt: str) -> str:
    """Return a figure as an SVG element.

    Parameters
    ----------
    figure : Figure
    name : str
        Prefix of its ids: unique in the page.
    alt : str
        What it shows, for those who cannot see it.
    """
    buffer = io.StringIO()
    _settle(figure)
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": name, "text.parse_math": False}):
        figure.savefig(buffer, format="svg", metadata=_METADATA)
    root = ET.fromstring(buffer.getvalue())  # noqa: S314 (it was written two lines above)
    box = root.attrib["viewBox"]
    _slim(root, _Names(name, root), dark_of_light())
    root.attrib = {
        "viewBox": box,
        "role": "img",
        "aria-label": alt,
        "style": "stroke-linejoin:round;stroke-linecap:butt",
    }
    return ET.tostring(root, encoding="unicode")


def _settle(figure: Figure) -> None:
    """Lay the figure out now, once: a figure with any layout engine is drawn twice when saved."""
    layout = figure.get_layout_engine()
    if layout is None:
        return
    if len(figure.axes) == 1:
        _fit(figure.axes[0], figure, layout)
    else:
        layout.execute(figure)
    figure.set_layout_engine(None)


def _fit(ax: Axes, figure: Figure, layout: LayoutEngine) -> None:
    """Give the only axes of a figure all the room that their labels leave; twice as fast."""
    pads = layout.get()
    whole = figure.bbox
    inner = ax.get_window_extent()
    outer = ax.get_tightbbox(for_layout_only=True)
    if outer is None:
        return
    dots = figure.dpi
    left = inner.x0 - outer.x0 + pads["w_pad"] * dots
    right = outer.x1 - inner.x1 + pads["w_pad"] * dots
    below = inner.y0 - outer.y0 + pads["h_pad"] * dots
    above = outer.y1 - inner.y1 + pads["h_pad"] * dots
    ax.set_position(
        (
            left / whole.width,
            below / whole.height,
            1 - (left + right) / whole.width,
            1 - (below + above) / whole.height,
        )
    )


class _Names:
    """Renames the ids that something refers to; the others go."""

    def __init__(self, prefix: str, root: ET.Element) -> None:
        self.prefix = prefix
        values = (value for each in root.iter() for value in each.attrib.values())
        self.used = {match for value in values for match in _REFERENCE.findall(value)}

    def refer(self, value: str) -> str:
        return _REFERENCE.sub(lambda match: f"{self.prefix}-{match[0]}", value)


def _slim(element: ET.Element, names: _Names, darker: dict[str, str]) -> None:
    """Clean an element and all in it, and drop what draws nothing."""
    element.tag = _local(element.tag)
    for child in element:
        _slim(child, names, darker)
    pairs = ((_local(key), value) for key, value in element.attrib.items())
    clean = {key: _value(key, value, names, darker) for key, value in pairs}
    element.attrib = {key: value for key, value in clean.items() if value}
    element[:] = [inner for child in element for inner in _unwrapped(child)]
    if element.tag != "text":
        element.text = None
        element.tail = None


def _unwrapped(child: ET.Element) -> list[ET.Element]:
    """Return an element, or what is in it where it only groups, or nothing."""
    child.tail = None
    if child.tag in _DROPPED or (child.tag == "defs" and not len(child)):
        return []
    return list(child) if child.tag == "g" and not child.attrib else [child]


def _local(name: str) -> str:
    return _NAMESPACE.sub("", name)


def _value(key: str, value: str, names: _Names, darker: dict[str, str]) -> str:
    """Return the value of an attribute; empty if it may go."""
    if key == "id":
        return f"{names.prefix}-{value}" if value in names.used else ""
    if key == "style":
        return names.refer(_style(value, darker))
    if key in {"href", "clip-path"}:
        return names.refer(value)
    if key == "transform" and value.startswith("rotate(-0 "):
        return ""
    if key == "d":
        value = _AROUND_COMMANDS.sub("", value)
    return _DECIMALS.sub("", value) if key in _GEOMETRY else value


def _style(value: str, darker: dict[str, str]) -> str:
    """Return declarations with the dark colour after the light one, and without the type."""
    declarations = []
    for declaration in value.split(";"):
        key, _, what = (part.strip() for part in declaration.partition(":"))
        if key and key != "font-family":
            declarations.append(f"{key}:{what}")
        if what in darker:
            declarations.append(f"{key}:light-dark({what},{darker[what]})")
    return ";".join(declarations)
