"""Pictures of an assessment: each a function from a result to matplotlib axes.

A plot is a function `plot_x(result, ax=None, …) -> Axes` in any module of this package; it is
found by its name, and `picture("x", result)` shows it in a report. It draws for the width of the
figure at hand, takes its colours from the figure's background, and says in words what it shows
in the label of its axes (`ax.get_label()`): the alternative text of the picture. The look of them
all is in `escalation.plots.style`. Nothing here uses pyplot or any global state.

    with style("dark"):
        axes = named("reach")(assessment)
    axes.figure.savefig("reach.svg")

>>> {"assumptions", "highest", "ladder", "now", "reach", "timeline"} <= set(names())
True
"""

from __future__ import annotations

import importlib
import pkgutil
from typing import TYPE_CHECKING

from markupsafe import Markup

from escalation.errors import InvalidValueError
from escalation.plots.reliability import Counted
from escalation.plots.style import NARROW, WIDE, root, style
from escalation.plots.svg import svg
from escalation.reporting.markup import EMPTY, Fragment, clean, tag

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from matplotlib.axes import Axes

    Plot = Callable[..., Axes]

__all__ = ["named", "names", "picture", "rehearse", "style"]

PREFIX = "plot_"


def names() -> Mapping[str, Plot]:
    """Return every plot by its name without `plot_`."""
    found = {}
    for module in pkgutil.iter_modules(__path__, f"{__name__}."):
        for name, value in vars(importlib.import_module(module.name)).items():
            if name.startswith(PREFIX) and value.__module__ == module.name:
                found[name.removeprefix(PREFIX)] = value
    return found


def named(name: str) -> Plot:
    """Return the plot of that name.

    Raises
    ------
    InvalidValueError
        If there is none.
    """
    plots = names()
    if name not in plots:
        known = ", ".join(sorted(plots))
        raise InvalidValueError(f"no plot '{name}'; there are {known}")
    return plots[name]


def picture(name: str, result: object, caption: object = "", **options: object) -> Fragment:
    """Show a plot in a notebook and in the report made of it: for a page and for a telephone.

    Parameters
    ----------
    name : str
        That of the function, without `plot_`.
    result : object
        What it plots.
    caption : str or Markup
        What to know when reading it.
    options
        Further arguments of the plot.
    """
    parts, alt = [], ""
    for kind, width in (("wide", WIDE), ("narrow", NARROW)):
        with style(width=width):
            axes = named(name)(result, **options)
            alt = clean(axes.get_label())
            drawn = svg(root(axes), f"{name}-{kind}", alt)
        shown = "display:none" if kind == "narrow" else None
        parts.append(tag("div", Markup(drawn), class_=kind, style=shown))  # noqa: S704 (our SVG)
    figure = tag(
        "figure",
        *parts,
        tag("figcaption", caption) if caption else EMPTY,
        style="margin:0;background:light-dark(#ffffff,#14171b)",
    )
    return Fragment(figure, alt)


def rehearse() -> None:
    """Draw a picture that nobody sees: all plots, fonts and colours are there for the next ones."""
    picture("reliability", [Counted(0.5, 2, 1)])
