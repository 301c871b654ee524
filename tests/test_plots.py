"""The plots: they show the assessment's numbers, legibly, safely and in one visual language."""

import re
import subprocess
import sys
from dataclasses import replace
from itertools import combinations, pairwise
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib import colors
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from escalation import plots
from escalation.engine.assessment import Assessment, assess
from escalation.errors import InvalidValueError
from escalation.plots.reasons import waterfall
from escalation.plots.reliability import Counted
from escalation.plots.style import DARK, LIGHT, NARROW, WIDE, dark_of_light, ramp, spread
from escalation.plots.svg import svg
from escalation.reading import scenario
from escalation.reporting.reasons import Reasons, reasons

# The plots of an assessment; those of other results are tested with them.
NAMES = ["assumptions", "evidence", "highest", "ladder", "latent", "now", "reach", "timeline"]
REASONS = ["moved", "rests", "watchlist", "tornado"]
COUNTS = [Counted(0.05, 60, 2), Counted(0.1, 30, 4), Counted(0.4, 12, 5), Counted(0.7, 0, 0)]


@pytest.fixture(scope="module")
def answer(workspace: Path) -> Assessment:
    """The tiny case, assessed."""
    return assess(scenario.load(workspace / "tests/data/tiny/baseline.yaml"), draws=128)


@pytest.fixture(scope="module")
def why(answer: Assessment) -> Reasons:
    """The tiny case, explained."""
    return reasons(answer)


def figure_of(ax: Axes) -> Figure:
    """Return the figure of axes."""
    figure = ax.get_figure(root=True)
    assert figure is not None
    return figure


def luminance(colour: str) -> float:
    """WCAG 2's relative luminance."""
    parts = np.array(colors.to_rgb(colour))
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return float(linear @ (0.2126, 0.7152, 0.0722))


def contrast(one: str, other: str) -> float:
    """WCAG 2's contrast ratio."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("name", [*NAMES, *REASONS, "reliability"])
@pytest.mark.parametrize("mode", ["light", "dark"])
def test_every_plot_draws_on_the_axes_it_is_given(
    request: pytest.FixtureRequest, name: str, mode: str
) -> None:
    """A plot returns the axes given, described in words, in colours that suit their figure."""
    shown = result_for(request, name)
    with plots.style("dark" if mode == "dark" else "light"):
        ax = Figure().subplots()
    assert plots.named(name)(shown, ax) is ax
    assert len(str(ax.get_label())) > 40
    inks = {text.get_color() for text in texts(ax) if text.get_text()}
    assert (LIGHT.ink in inks) == (mode == "light")
    assert (DARK.ink in inks) == (mode == "dark")


def result_for(request: pytest.FixtureRequest, name: str) -> object:
    """Return what a plot of that name shows."""
    if name == "reliability":
        return COUNTS
    return request.getfixturevalue("why" if name in REASONS else "answer")


def texts(ax: Axes) -> list[Text]:
    """Return every text of the axes' figure that is shown."""
    found = (each for each in figure_of(ax).findobj() if isinstance(each, Text))
    return [text for text in found if text.get_visible()]


@pytest.mark.parametrize("name", [*NAMES, *REASONS, "reliability"])
@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_labels_do_not_overlap(request: pytest.FixtureRequest, name: str, width: float) -> None:
    """No two texts of a plot touch, on a page or on a telephone, and none leaves the figure."""
    with plots.style(width=width):
        ax = plots.named(name)(result_for(request, name))
        figure = figure_of(ax)
        FigureCanvasAgg(figure).draw()  # type: ignore[no-untyped-call]
        boxes = [
            (text.get_text(), text.get_window_extent())
            for text in texts(ax)
            if text.get_text().strip()
        ]
    page = figure.bbox
    for words, box in boxes:
        inside = box.x0 >= page.x0 - 2 and box.x1 <= page.x1 + 2
        assert inside, f"{words!r} leaves the figure"
    for (one, first), (other, second) in combinations(boxes, 2):
        across = min(first.x1, second.x1) - max(first.x0, second.x0)
        down = min(first.y1, second.y1) - max(first.y0, second.y0)
        assert min(across, down) < 1.5, f"{one!r} and {other!r} overlap"


def test_waterfall_adds_up_whatever_is_shown(why: Reasons) -> None:
    """Bars shown one by one and together add up to the whole; what is left out is counted."""
    for most in (0, 1, 3, 50):
        parts = waterfall(why, most)
        assert sum(jump for _, jump in parts) == pytest.approx(why.moved.total, abs=1e-9)
    assert waterfall(why, 1)[-1][0].endswith("other reports")


def test_arrows_end_where_the_watch_list_says(why: Reasons) -> None:
    """Each indicator's arrows go from the headline to `if_seen` and, open, to `if_unseen`."""
    ax = plots.named("watchlist")(why)
    heads = [
        float(np.asarray(line.get_xdata())[0])
        for line in ax.lines
        if line.get_marker() in {">", "<"}
    ]
    wanted = [
        end for each in why.watch for end in (each.if_seen, each.if_unseen) if end is not None
    ]
    assert heads == pytest.approx(wanted)


def test_reliability_shows_shares_and_their_doubt() -> None:
    """Each dot is the share that happened, inside a line that is longer the fewer there were."""
    ax = plots.named("reliability")(COUNTS)
    dots = [line for line in ax.lines if line.get_marker() == "o"]
    shares = [each.happened / each.forecasts for each in COUNTS if each.forecasts]
    assert [np.asarray(dot.get_ydata())[0] for dot in dots] == pytest.approx(shares)
    spans = [np.asarray(line.get_ydata()) for line in ax.lines if line.get_marker() == "None"]
    for span, share in zip(spans[1:], shares, strict=True):
        assert span[0] <= share <= span[1]
    assert "0 of 0" not in str(ax.get_label())


def test_reach_shows_the_first_passage_probabilities(answer: Assessment) -> None:
    """Each panel of `reach` has the mean as its line and the interval as its band."""
    ax = plots.named("reach")(answer)
    panels = [panel for panel in figure_of(ax).axes if panel is not ax]
    assert len(panels) == len(answer.scenario.targets)
    for panel, target in zip(panels, answer.scenario.targets, strict=True):
        mean, low, high = answer.reach.of(target)
        np.testing.assert_array_equal(panel.lines[0].get_ydata(), mean)
        box = panel.collections[0].get_datalim(panel.transData)
        assert box.y0 == pytest.approx(low.min())
        assert box.y1 == pytest.approx(high.max())
        assert panel.get_ylim()[1] >= high.max()


def test_ladder_areas_add_up_to_one(answer: Assessment) -> None:
    """The areas of `ladder` lie on each other, from 0 to 1, a state each."""
    ax = plots.named("ladder")(answer)
    edges = [area.get_datalim(ax.transData) for area in ax.collections]
    assert len(edges) == len(answer.scenario.ladder.states)
    assert edges[0].y0 == pytest.approx(0)
    assert edges[-1].y1 == pytest.approx(1)


@pytest.mark.parametrize("name", ["now", "highest"])
def test_rows_show_estimates_highest_rung_on_top(answer: Assessment, name: str) -> None:
    """`now` and `highest` put a dot at each probability, in the order of the ladder."""
    estimates = answer.now("rung") if name == "now" else answer.highest
    ax = plots.named(name)(answer)
    dots = [line for line in ax.lines if line.get_marker() == "o"]
    found = [
        (float(np.ravel(dot.get_ydata())[0]), float(np.ravel(dot.get_xdata())[0])) for dot in dots
    ]
    assert sorted(x for _, x in found) == sorted(e.probability for e in estimates.values())
    rungs = [estimates[state.id].probability for state in answer.scenario.rungs]
    assert [x for y, x in sorted(found) if y >= 0] == rungs


def test_evidence_shows_every_known_report_and_no_other(answer: Assessment) -> None:
    """`evidence` has a mark for each report known on the as-of day; withdrawn ones are gone."""
    ax = plots.named("evidence")(answer)
    marks = [line for line in ax.lines if line.get_marker() in {"o", "D"}]
    known = [each for each in answer.scenario.observations if each.known(answer.as_of)]
    assert len(marks) == len(known) < len(answer.scenario.observations)
    scheduled = [line for line in marks if line.get_marker() == "D"]
    assert len(scheduled) == sum(each.scheduled for each in known)


def test_latent_shows_the_factor_asked_for(answer: Assessment) -> None:
    """`latent` names every state of its factor, with its share today."""
    ax = plots.named("latent")(answer, factor="mood")
    said = " ".join(text.get_text() for text in texts(ax))
    assert "Crowds in the streets" in said
    assert "Quiet at home" in said


def test_no_text_is_taken_for_mathematics(answer: Assessment) -> None:
    """A dollar sign in anyone's text is a dollar sign, and marks of direction are dropped."""
    case = answer.scenario
    ladder = replace(
        case.ladder,
        states=tuple(replace(each, label=f"\u202e${each.id}$") for each in case.ladder.states),
    )
    hostile = replace(answer, scenario=replace(case, ladder=ladder))
    for name in ("reach", "ladder", "now"):
        ax = plots.named(name)(hostile)
        found = [text for text in texts(ax) if "$" in text.get_text()]
        assert found
        assert not any(text.get_parse_math() or "\u202e" in text.get_text() for text in found)


def test_a_plot_that_is_not_there_is_an_error() -> None:
    """The message names the plots that there are."""
    with pytest.raises(InvalidValueError, match="no plot 'pie'; there are assumptions"):
        plots.named("pie")


@pytest.mark.parametrize("name", NAMES)
def test_svg_stands_in_a_page(answer: Assessment, name: str) -> None:
    """A picture is well-formed, describes itself, has ids of its own, no address, no type face."""
    html = str(plots.picture(name, answer, "A caption").html)
    assert "://" not in html
    assert "font-family" not in html
    pictures = [ET.fromstring(each) for each in re.findall(r"<svg.*?</svg>", html, re.DOTALL)]  # noqa: S314
    assert len(pictures) == 2
    ids = [
        each.attrib["id"] for picture in pictures for each in picture.iter() if "id" in each.attrib
    ]
    assert len(ids) == len(set(ids))
    for picture in pictures:
        assert picture.attrib["role"] == "img"
        assert len(picture.attrib["aria-label"]) > 40
        assert [each for each in picture.iter("text") if each.text]
    used = set(re.findall(r"url\(#([^)]+)\)", html)) | set(re.findall(r'href="#([^"]+)"', html))
    assert used <= set(ids)


def test_svg_escapes_and_keeps_hostile_text() -> None:
    """Markup, mathematics and marks of direction in a label come out as the text they are."""
    figure = Figure()
    ax = figure.subplots()
    hostile = '<script>alert(1)</script> | $x^2$ & "q"'
    ax.set_title(hostile, parse_math=False)
    root = ET.fromstring(svg(figure, "x", hostile))  # noqa: S314 (the test's own)
    assert hostile in [each.text for each in root.iter("text")]
    assert root.attrib["aria-label"] == hostile
    assert not list(root.iter("script"))


def test_every_colour_has_its_dark_twin(answer: Assessment) -> None:
    """In a picture each colour is followed by `light-dark`, so that one file serves both."""
    pairs = dark_of_light()
    html = str(plots.picture("timeline", answer).html)
    lone = re.findall(r"(?:fill|stroke):(#[0-9a-f]{6})(?!;(?:fill|stroke):light-dark\(\1,)", html)
    assert not lone
    for light, dark in re.findall(r"light-dark\((#[0-9a-f]{6}),(#[0-9a-f]{6})\)", html):
        assert pairs.get(light, dark) == dark


@pytest.mark.parametrize(("mode", "sign"), [(LIGHT, -1), (DARK, 1)])
def test_ordered_states_survive_a_grey_printer(mode: object, sign: int) -> None:
    """Along a ramp lightness only falls (light) or only rises (dark), by visible steps."""
    for anchors in (LIGHT, DARK)[mode is DARK].ladder, (LIGHT, DARK)[mode is DARK].latent:
        for count in range(2, 8):
            shades = [luminance(colour) for colour in ramp(anchors, count)]
            steps = [sign * (later - earlier) for earlier, later in pairwise(shades)]
            assert min(steps) > 0.01, (count, steps)


@pytest.mark.parametrize("mode", [LIGHT, DARK])
def test_text_has_contrast(mode: object) -> None:
    """Ink and soft ink reach WCAG's 4.5 on the paper; so do the colours of headline numbers."""
    shades = DARK if mode is DARK else LIGHT
    for colour in (shades.ink, shades.soft, shades.climb, shades.off_ramp):
        assert contrast(colour, shades.paper) >= 4.5


@given(st.lists(st.floats(0, 100), min_size=1, max_size=8))
def test_spread_labels_keep_their_order_and_distance(wanted: list[float]) -> None:
    """Labels never overlap where there is room, keep their order, and stay inside."""
    heights = [10.0] * len(wanted)
    places = spread(sorted(wanted), heights, 0, 100)
    assert all(later - earlier >= 10 - 1e-9 for earlier, later in pairwise(places))
    assert min(places) >= 5 - 1e-9
    assert max(places) <= 95 + 1e-9


def test_pyplot_is_never_imported() -> None:
    """The plots need no global figure, window system or half a second of imports."""
    code = "import sys, escalation.plots as p; p.names(); print('matplotlib.pyplot' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
