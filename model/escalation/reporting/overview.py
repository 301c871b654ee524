"""The page of all reports: every scenario with every run, what it says and what came of it.

One closed page in the language of the reports: no script, no address of any other place. For each
scenario the current answer, how it went from day to day (`escalation.reporting.sparkline`), how
far it moved since the run before and why, what was raised, and what failed. Folded away below
stands every run. Whatever a scenario or an error says is escaped.

>>> "Nothing has been reported yet" in page(
...     [], [], links={}, now=datetime(2025, 11, 22, tzinfo=UTC)
... )
True
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING
from urllib.parse import quote

from markupsafe import Markup

from escalation.maths.words import percent, percent_range
from escalation.reading.naming import day, short_day
from escalation.reporting.ledger import KNOWN
from escalation.reporting.markup import EMPTY, clean, table, tag, text
from escalation.reporting.page import TEMPLATES
from escalation.reporting.sparkline import Point, sparkline

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

    from escalation.reporting.runs import Record, Run

    Data = Mapping[str, Any]

POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
FILES = {
    "report.html": "Page",
    "report.pdf": "Paper",
    "report.ipynb": "Notebook",
    "result.json": "Data",
    "forecast.csv": "Forecast rows",
}
HEADINGS = ("As of", "Headline", "Moved", "Why", "Status")
LEGEND = (
    "Each line is the probability as it was seen from day to day, between 0 and 100 %, in a shade "
    "that holds its central 90 %. A cross: a day whose report failed."
)
ABSENT = "\N{EN DASH}"


def page(
    scenarios: Sequence[Record],
    comparisons: Sequence[Record],
    *,
    links: Mapping[str, str],
    now: datetime,
) -> str:
    """Return the page.

    Parameters
    ----------
    scenarios, comparisons : sequence of Record
        In the order in which they are shown.
    links : Mapping[str, str]
        Other pages beside this one: file name → what it is called.
    now : datetime
        In UTC.
    """
    sections = [_section(each) for each in scenarios]
    if comparisons:
        sections.append(_comparisons(comparisons))
    body = tag("main", _top(scenarios, links, now), _contents(scenarios), EMPTY.join(sections))
    return f"<!DOCTYPE html>\n{tag('html', _head(), tag('body', body), lang='en')}\n"


def _head() -> Markup:
    names = ("report/style.css", "index/index.css")
    styles = "".join((TEMPLATES / each).read_text(encoding="utf-8") for each in names)
    meta = (
        ("viewport", "width=device-width, initial-scale=1"),
        ("color-scheme", "light dark"),
        ("referrer", "no-referrer"),
    )
    return tag(
        "head",
        Markup('<meta charset="utf-8">'),
        *(Markup('<meta name="{}" content="{}">').format(*each) for each in meta),
        Markup('<meta http-equiv="Content-Security-Policy" content="{}">').format(POLICY),
        tag("title", "Reports"),
        tag("style", Markup(styles)),  # noqa: S704 (the package's own)
    )


def _top(scenarios: Sequence[Record], links: Mapping[str, str], now: datetime) -> Markup:
    runs = [run for each in scenarios for run in each.runs]
    count = f"{_plural(len(scenarios), 'scenario')}, {_plural(len(runs), 'run')}; "
    parts = [tag("h1", "Reports")]
    parts.append(tag("p", f"{count}written {day(now)}, {now:%H:%M} UTC.", class_="dateline"))
    if scenarios:
        parts.append(tag("p", LEGEND, class_="dateline"))
    else:
        parts.append(tag("p", "Nothing has been reported yet: run escalation report SCENARIO."))
    if links:
        others = (tag("a", called, href=quote(name)) for name, called in links.items())
        parts.append(tag("p", Markup(" ").join(others), class_="links"))
    raised = [item for each in scenarios for item in _named(each, _raised(each))]
    if raised:
        parts.append(tag("div", tag("strong", "Alerts"), _list(raised), class_="alert"))
    faults = [item for each in scenarios for item in _named(each, _faults(each))]
    if faults:
        parts.append(tag("div", tag("strong", "To look at"), _list(faults), class_="fault"))
    return tag("section", *parts, class_="top")


def _list(items: Iterable[Markup]) -> Markup:
    return tag("ul", *(tag("li", each) for each in items))


def _plural(count: int, what: str) -> str:
    return f"{count} {what}{'s' if count != 1 else ''}"


def _contents(scenarios: Sequence[Record]) -> Markup:
    if not scenarios:
        return EMPTY
    entries = [
        tag("li", tag("a", text(_title(each)), tag("b", _now(each)), href=f"#{_anchor(each)}"))
        for each in scenarios
    ]
    return tag("nav", tag("p", "Scenarios"), tag("ol", *entries), aria_label="Contents")


def _anchor(record: Record) -> str:
    return quote(record.name, safe="")


def _current(record: Record) -> Run | None:
    """Return the run of the latest as-of day that says something."""
    return record.series[-1] if record.series else None


def _title(record: Record) -> str:
    current = _current(record)
    return str((current.answer if current else {}).get("title") or record.name)


def _now(record: Record) -> str:
    current = _current(record)
    first = _headlines(current)[:1] if current else []
    return percent(first[0]["probability"]) if first else ABSENT


def _headlines(run: Run) -> list[Data]:
    found: list[Data] = run.answer.get("headline", [])
    return found


def _section(record: Record) -> Markup:
    current = _current(record)
    title = text(_title(record))
    heading = tag("a", title, href=_report(record, current)) if current else title
    parts = [tag("h2", heading), _dateline(record, current)]
    parts += [tag("p", item, class_="alert") for item in _raised(record)]
    parts += [tag("p", item, class_="fault") for item in _faults(record)]
    if current:
        parts += [_cards(record, current), _why(current), _files(record, current)]
    count = _plural(len(record.runs), "run")
    rows = [_row(record, each) for each in reversed(record.runs)]
    first = _headlines(current)[:1] if current else []
    about = f"; headline: {first[0]['label']} within the horizon" if first else ""
    caption = clean(f"Every run, the latest as-of day first{about}")
    every = table(HEADINGS, rows, caption=caption, kind="runs")
    parts.append(tag("details", tag("summary", count), every))
    return tag("section", *parts, id=_anchor(record))


def _dateline(record: Record, current: Run | None) -> Markup:
    if current is None:
        return tag("p", text(record.name), class_="dateline")
    as_of = day(date.fromisoformat(current.as_of))
    said = f" · as of {as_of} · made {_moment(current.made)}"
    return tag("p", text(record.name), said, class_="dateline")


def _moment(made: str) -> str:
    """Say when a run was made, in UTC."""
    try:
        when = datetime.fromisoformat(made).astimezone(UTC)
    except ValueError:
        return ABSENT
    return f"{when:%Y-%m-%d %H:%M} UTC"


def _report(record: Record, run: Run) -> str:
    """Return the address of a run's page; of its folder, if it has none."""
    name = run.as_of if run.linked else run.name
    there = "report.html" if "report.html" in run.files else ""
    return f"{_place(record)}/{quote(name)}/{there}"


def _place(record: Record) -> str:
    """Return the address of the folder of a scenario or a comparison."""
    parts = record.folder.parts[-2:]
    return quote("/".join(parts if parts[0] == "compare" else parts[1:]))


def _raised(record: Record) -> list[Markup]:
    """Alerts that the current answer raises."""
    current = _current(record)
    alerts = current.answer.get("alerts", []) if current else []
    return [text(each["text"]) for each in alerts if each["raised"]]


def _named(record: Record, said: Iterable[Markup]) -> list[Markup]:
    """What is said of a scenario, for a list of several."""
    name = tag("a", text(_title(record)), href=f"#{_anchor(record)}")
    return [Markup("{}: {}").format(name, each) for each in said]


def _faults(record: Record) -> list[Markup]:
    """Say what came of the last attempt if it failed, and which current report is torn."""
    found = []
    if record.failing:
        failed = f"the last attempt ({_moment(str(record.last.get('tried', '')))}) failed: "
        parts = [failed, text(record.failing), _remains(record, record.remains)]
        found.append(tag("span", *parts, data_failing=_anchor(record)))
    for run in record.runs:
        if run.linked and run.status == "torn" and run.reason != KNOWN:
            torn = f"the report of {run.as_of} is torn: "
            again = "; run escalation report again to replace it"
            found.append(tag("span", torn, text(run.reason), again))
    return found


def _remains(record: Record, run: Run | None) -> Markup:
    """Return a link to the notebook of a run that is not whole, if there is one."""
    if run is None or "report.ipynb" not in run.files:
        return EMPTY
    href = f"{_place(record)}/{quote(run.name)}/report.ipynb"
    return Markup(" ({})").format(tag("a", "what there is of it", href=href))


def _cards(record: Record, current: Run) -> Markup:
    shown = [_card(record, each, current) for each in _headlines(current)]
    return tag("ul", *shown, class_="cards trends")


def _card(record: Record, each: Data, current: Run) -> Markup:
    target = each["target"]
    points = [
        Point(date.fromisoformat(run.as_of), other["probability"], other["low"], other["high"])
        for run in record.series
        for other in _headlines(run)
        if other["target"] == target
    ]
    there = {point.day for point in points}
    failed = (date.fromisoformat(run.as_of) for run in record.runs if run.status == "failed")
    missing = sorted(set(failed) - there)
    within = f"{percent_range(each['low'], each['high'])} within {each['days']} days"
    return tag(
        "li",
        tag("span", text(each["label"]), class_="label"),
        tag("strong", percent(each["probability"])),
        tag("span", each["words"], class_="word"),
        tag("span", within, class_="interval"),
        tag("span", _moved_since(current, target), class_="change"),
        sparkline(points, missing, name=each["label"]),
        class_="off-ramp" if each["off_ramp"] else None,
    )


def _moved_since(run: Run, target: str) -> str:
    since = run.answer.get("since")
    shift = (since or {}).get("shifts", {}).get(target)
    if not since or not shift:
        return "no report before"
    when = short_day(date.fromisoformat(since["as_of"]))
    moved = points(shift)
    return f"{moved} since {when}" if moved != "0" else f"as on {when}"


def points(shift: Sequence[float]) -> str:
    """Say a difference of probabilities in points."""
    moved = round(100 * (shift[1] - shift[0]))
    sign = "+" if moved > 0 else "\N{MINUS SIGN}" if moved < 0 else ""
    return f"{sign}{_plural(abs(moved), 'point')}" if moved else "0"


def _why(run: Run) -> Markup:
    """Say why the first headline moved."""
    since, first = run.answer.get("since"), _headlines(run)[:1]
    if not since or not first:
        return EMPTY
    when = day(date.fromisoformat(since["as_of"]))
    said = since["cause"] or f"the causes cannot be told apart: {since['obstacle']}"
    label = text(first[0]["label"])
    return tag("p", label, f" since {when}, in points: ", text(said), ".", class_="note")


def _files(record: Record, run: Run) -> Markup:
    folder = f"{_place(record)}/{quote(run.as_of)}"
    there = (
        tag("a", called, href=f"{folder}/{name}")
        for name, called in FILES.items()
        if name in run.files
    )
    return tag("p", Markup(" ").join(there), class_="links")


def _row(record: Record, run: Run) -> list[Markup | str]:
    first = _headlines(run)[:1]
    since = run.answer.get("since") or {}
    shift = since.get("shifts", {}).get(first[0]["target"]) if first else None
    headline: Markup | str = ABSENT
    if first:
        interval = percent_range(first[0]["low"], first[0]["high"])
        headline = f"{percent(first[0]['probability'])} ({interval})"
    return [
        tag("a", run.as_of, href=_report(record, run)) if run.counts else run.as_of,
        headline,
        points(shift) if shift else ABSENT,
        text(since.get("cause", "")),
        _status(record, run),
    ]


def _status(record: Record, run: Run) -> Markup:
    made = _moment(run.made)
    if run.counts:
        state = "current" if run.linked else "replaced"
        state += ", page removed to save space" if run.status == "thinned" else ""
        return tag("span", f"{state}, made {made}")
    return tag("span", f"{run.status}, begun {made}: ", text(run.reason), _remains(record, run))


def _comparisons(records: Sequence[Record]) -> Markup:
    rows = [row for record in records for row in _comparison_rows(record)]
    headings = ("Comparison", "As of", "What differs", "Status")
    shown = table(headings, rows, caption="Scenarios side by side", kind="runs")
    return tag("section", tag("h2", "Comparisons"), shown, id="comparisons")


def _comparison_rows(record: Record) -> Iterable[list[Markup | str]]:
    for run in reversed(record.runs):
        name = text(run.manifest.get("title") or record.name)
        yield [
            tag("a", name, href=_report(record, run)) if run.counts else name,
            run.as_of,
            text("; ".join(_differences(run))) or ABSENT,
            _status(record, run),
        ]


def _differences(run: Run) -> list[str]:
    """Say how far each scenario is from the first one, for the first target."""
    try:
        said = []
        for first in run.manifest.get("headline", [])[:1]:
            said = [f"{first['label']}, {first['first']}: {percent(first['probability'])}"]
            said += [f"{each['name']} {points([0, each['difference']])}"
                     for each in first["differences"]]  # fmt: skip
    except (KeyError, TypeError, ValueError, AttributeError):
        return []
    return said
