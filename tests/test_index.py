"""The page of all reports: it says what runs left, is closed, and is right with two writers."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import date, timedelta
from html.parser import HTMLParser
from pathlib import Path

import pytest

import shelves
from escalation.errors import InvalidInputError, RunError
from escalation.reporting import index, ledger
from escalation.reporting.disk import write_whole
from escalation.reporting.index import PAGE, refresh
from escalation.reporting.known import MEMORY
from escalation.reporting.runs import LAST
from escalation.reporting.shelf import Shelf
from escalation.reporting.sparkline import DOTS, Point, sparkline


class Page(HTMLParser):
    """What a browser would make of a page, in short."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.ids: list[str] = []
        self.words = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Collect."""
        given = dict(attrs)
        self.tags.append(tag)
        self.links += [given["href"] or ""] if tag == "a" else []
        self.ids += [given["id"] or ""] if "id" in given else []

    def handle_data(self, data: str) -> None:
        """Collect."""
        self.words += data


def page(out: Path) -> Page:
    """Return the page as it is."""
    return Page((out / PAGE).read_text(encoding="utf-8"))


def test_page_says_headline_change_cause_and_status(tmp_path: Path) -> None:
    """Of each scenario: the current answer, how far it moved and why, and every run."""
    shelves.add(tmp_path, as_of="2030-01-01", summary=shelves.answer(0.3))
    moved = shelves.since("2030-01-01", 0.3, 0.42, "2 new reports +13, 1 day passing −1")
    alerts = [{"text": "reach war above 40 %: 42 %", "raised": True}]
    now = shelves.answer(0.42, since=moved, alerts=alerts)
    shelves.add(tmp_path, as_of="2030-01-02", summary=now)
    assert refresh(tmp_path)
    words = page(tmp_path).words.replace("\N{NO-BREAK SPACE}", " ")
    for said in (
        "1 scenario, 2 runs",
        "A small case",
        "42 %",
        "21–71 % within 30 days",
        "+12 points since 1 Jan",
        "2 new reports +13, 1 day passing −1",
        "reach war above 40 %: 42 %",
        "current, made 2030-01-02 06:30 UTC",
        "no report before",
    ):
        assert said in words, said


def test_page_has_a_line_for_each_target_over_the_days(tmp_path: Path) -> None:
    """Two targets, three days: two pictures with three points each, which say so in words."""
    for number, chance in enumerate((0.1, 0.2, 0.4)):
        as_of = str(date(2030, 1, 1) + timedelta(number))
        shelves.add(tmp_path, as_of=as_of, summary=shelves.answer(chance))
    refresh(tmp_path)
    text = (tmp_path / PAGE).read_text(encoding="utf-8")
    assert text.count('class="spark"') == 2
    assert "War: from 10\N{NO-BREAK SPACE}% on 2030-01-01 to 40\N{NO-BREAK SPACE}%" in text
    assert text.count("<circle") == 6


def test_every_link_leads_somewhere(tmp_path: Path) -> None:
    """No link of the page is dead: of current, replaced, thinned, failed and torn runs."""
    shelves.add(tmp_path, key="a" * 64)
    shelves.add(tmp_path, key="b" * 64)
    thin = shelves.add(tmp_path, as_of="2030-01-01")
    (thin / "pruned.json").write_text('{"removed": ["report.html", "report.pdf"]}')
    (thin / "report.html").unlink()
    (thin / "report.pdf").unlink()
    shelves.fail(tmp_path)
    (shelves.add(tmp_path, "case two", "2030-01-05") / "result.json").unlink()
    shelves.add(tmp_path / "compare", "case one", "2030-01-05", title="2 scenarios side by side")
    (tmp_path / "scoreboard.html").write_text("")
    refresh(tmp_path)
    found = page(tmp_path)
    assert "scoreboard.html" in found.links
    remains = "case-base/failed/2030-01-03-f0f0f0f0f0f0/report.ipynb"
    assert found.links.count(remains) == 3, "in the list above, beside the scenario, and as a run"
    for link in found.links:
        if link.startswith("#"):
            assert link[1:] in found.ids
        else:
            assert (tmp_path / link.replace("%20", " ")).exists(), link
    assert "page removed to save space" in found.words
    assert "result.json is missing" in found.words


def test_page_is_closed_and_escapes_what_scenarios_say(tmp_path: Path) -> None:
    """No script, no address, nothing that a scenario, an error or a name could smuggle in."""
    evil = "<script>alert(1)</script>\u202e\"'><img src=x>"
    said = shelves.answer(title=evil, alerts=[{"text": evil, "raised": True}])
    said["headline"][0]["label"] = evil
    shelves.add(tmp_path, summary=said)
    shelves.fail(tmp_path, error=evil)
    shelves.add(tmp_path / "compare", "x", title=evil)
    refresh(tmp_path)
    text = (tmp_path / PAGE).read_text(encoding="utf-8")
    assert not {"script", "img", "link", "iframe"} & {*Page(text).tags}
    assert "//" not in re.sub(r"/\*.*?\*/", "", text).replace("<!DOCTYPE", "")
    assert "\u202e" not in text
    assert "default-src 'none'" in text or "default-src &#39;none&#39;" in text


def test_page_is_written_only_if_something_changed(tmp_path: Path) -> None:
    """Nothing new: nothing is read or written. A new run, a new link, a failure: it is."""
    shelves.add(tmp_path, key="a" * 64)
    assert refresh(tmp_path)
    assert not refresh(tmp_path)
    (tmp_path / "case-base" / LAST).write_text('{"status": "unchanged"}')
    assert not refresh(tmp_path), "an attempt that found nothing to do"
    shelves.add(tmp_path, key="b" * 64)
    assert refresh(tmp_path)
    link = tmp_path / "case-base/2030-01-02"
    link.unlink()
    link.symlink_to("runs/2030-01-02-aaaaaaaaaaaa")
    assert refresh(tmp_path), "earlier inputs again: the earlier run is current"
    assert not refresh(tmp_path)
    shelves.fail(tmp_path)
    assert refresh(tmp_path)
    assert "the last attempt" in page(tmp_path).words
    (tmp_path / "case-base" / LAST).write_text('{"status": "unchanged"}')
    assert refresh(tmp_path), "the failure was mended by going back"
    assert "the last attempt" not in page(tmp_path).words
    assert not refresh(tmp_path)
    assert refresh(tmp_path, force=True)


@pytest.mark.parametrize("days", [-3, 3])
def test_clock_is_not_trusted(tmp_path: Path, days: int) -> None:
    """The page has a time of the future, or a run one of the past: page and ledger have the run."""
    shelves.add(tmp_path)
    refresh(tmp_path)
    shelves.add(tmp_path, key="b" * 64)
    then = time.time() + days * 86400
    restored = [*(tmp_path / "case-base").rglob("*"), tmp_path / "case-base"]
    for path in [tmp_path / PAGE] if days > 0 else restored:
        os.utime(path, (then, then), follow_symlinks=False)
    assert refresh(tmp_path)
    assert "2 runs" in page(tmp_path).words
    assert len(ledger.read(tmp_path)) == 2
    assert not refresh(tmp_path)


def test_failure_is_shown_on_a_page_of_the_future(tmp_path: Path) -> None:
    """The clock went back: what has happened since is not older than the page."""
    shelves.add(tmp_path)
    refresh(tmp_path)
    later = time.time() + 86400
    os.utime(tmp_path / PAGE, (later, later))
    shelves.fail(tmp_path)
    assert refresh(tmp_path)
    assert "the last attempt" in page(tmp_path).words


def test_ledger_that_was_lost_is_begun_again(tmp_path: Path) -> None:
    """Moved away, as the error says: the next command begins a new chain."""
    shelves.add(tmp_path)
    refresh(tmp_path)
    (tmp_path / ledger.FILE).unlink()
    assert refresh(tmp_path)
    assert len(ledger.read(tmp_path)) == 1
    assert not refresh(tmp_path)


def test_ledger_that_cannot_be_read_is_told_each_time(tmp_path: Path) -> None:
    """The page is written all the same, and nobody forgets that its runs are in no ledger."""
    shelves.add(tmp_path)
    (tmp_path / ledger.FILE).write_text("{}\n")
    for _ in range(2):
        with pytest.raises(InvalidInputError, match="is no entry of the ledger"):
            refresh(tmp_path)
        assert "1 run" in page(tmp_path).words


def leftovers(out: Path) -> list[Path]:
    """Leave what a killed runner leaves."""
    folder = out / "case-base"
    (folder / "runs/.building-x1y2").mkdir()
    (folder / "runs/.building-x1y2/report.html").touch()
    (folder / ".2030-01-02-4711").symlink_to("runs/none")
    parts = [folder / ".last.json-a1b2c3d4", folder / "..known.json-a1_2c3d4"]
    for part in parts:
        part.touch()
        os.utime(part, (time.time() - 7200,) * 2)
    return [folder / "runs/.building-x1y2", folder / ".2030-01-02-4711", *parts]


def test_what_a_killed_runner_left_is_swept_up(tmp_path: Path) -> None:
    """Also by a command that has nothing to do; what else is hidden there stays."""
    shelves.add(tmp_path)
    refresh(tmp_path)
    (tmp_path / "case-base" / MEMORY).write_text("{}")
    left = leftovers(tmp_path)
    refresh(tmp_path)
    assert not [each for each in left if os.path.lexists(each)]
    assert (tmp_path / "case-base" / MEMORY).exists()
    assert (tmp_path / "case-base/.lock").exists()


def test_what_a_runner_is_at_is_not_swept_up(tmp_path: Path) -> None:
    """A report under way holds the lock, and a file just begun is somebody's."""
    shelves.add(tmp_path)
    left = leftovers(tmp_path)
    os.utime(left[2])
    with Shelf(tmp_path / "case-base", "", "").locked():
        refresh(tmp_path)
        assert [os.path.lexists(each) for each in left] == [True, True, True, False]


def test_page_and_runs_are_as_private_as_the_umask_says(tmp_path: Path) -> None:
    """Whoever keeps what they write to themselves keeps their reports to themselves."""
    before = os.umask(0o077)
    try:
        run = shelves.add(tmp_path)
        refresh(tmp_path)
    finally:
        os.umask(before)
    for path in (run, tmp_path / PAGE, tmp_path / ledger.FILE):
        assert path.stat().st_mode & 0o077 == 0, path


def test_run_published_while_the_page_is_written_is_seen_next_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page has the time of reading: what comes later is newer than it."""
    shelves.add(tmp_path)
    written = write_whole

    def late(path: Path, text: str, *, when: int) -> None:
        if not (tmp_path / "case-late").exists():
            shelves.add(tmp_path, "case-late")
        written(path, text, when=when)

    monkeypatch.setattr(index, "write_whole", late)
    refresh(tmp_path)
    assert "case-late" not in page(tmp_path).ids
    assert refresh(tmp_path)
    assert "case-late" in page(tmp_path).ids


def test_page_that_cannot_be_written_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Disk full: the old page stands whole, nothing is left beside it, and the error says where."""
    shelves.add(tmp_path)
    refresh(tmp_path)
    before = (tmp_path / PAGE).read_bytes()
    names = {each.name for each in tmp_path.iterdir()}

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(RunError, match=r"index\.html cannot be written: No space left"):
        refresh(tmp_path, force=True)
    assert (tmp_path / PAGE).read_bytes() == before
    assert {each.name for each in tmp_path.iterdir()} == names


ADD = """
import sys
from pathlib import Path
import shelves
from escalation.reporting.index import refresh
out, name = Path(sys.argv[1]), sys.argv[2]
for number in range(1, 13):
    shelves.add(out, f"{name}-{number}")
    refresh(out)
"""


def test_two_writers_at_once_leave_a_page_with_everything(tmp_path: Path) -> None:
    """Two runners add and refresh at the same time: whole page, all runs, one chain."""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
    writers = [
        subprocess.Popen([sys.executable, "-c", ADD, str(tmp_path), name], env=environment)
        for name in ("left", "right")
    ]
    while any(each.poll() is None for each in writers):
        if (tmp_path / PAGE).exists():
            assert (tmp_path / PAGE).read_text(encoding="utf-8").endswith("</html>\n")
        time.sleep(0.01)
    assert [each.returncode for each in writers] == [0, 0]
    assert {f"{name}-{number}" for name in ("left", "right") for number in range(1, 13)} <= {
        *page(tmp_path).ids
    }
    entries = ledger.read(tmp_path)
    assert (len(entries), ledger.broken(entries)) == (24, None)


def test_thousands_of_runs_take_seconds(tmp_path: Path) -> None:
    """3,000 runs of ten scenarios: the page in a few seconds, an unchanged one at once."""
    for scenario in range(10):
        first = shelves.add(tmp_path, f"case-{scenario}", "2029-12-31")
        for number in range(299):
            as_of = str(date(2030, 1, 1) + timedelta(number))
            copy = first.with_name(f"{as_of}-{number:012}")
            copy.mkdir()
            for each in first.iterdir():
                os.link(each, copy / each.name)
            manifest = (copy / "manifest.json").read_text().replace("2029-12-31", as_of)
            (copy / "manifest.json").unlink()
            (copy / "manifest.json").write_text(manifest)
            (copy.parent.parent / as_of).symlink_to(f"runs/{copy.name}")
    begun = time.monotonic()
    refresh(tmp_path)
    written = time.monotonic()
    assert not refresh(tmp_path)
    done = time.monotonic()
    assert page(tmp_path).words.count("current, made") == 3000
    assert written - begun < 20, "a busy machine's limit; it takes about 3 s"
    assert done - written < 0.2


def test_folder_without_reports(tmp_path: Path) -> None:
    """No folder, no page; an empty folder gets a page that says what to do."""
    assert not refresh(tmp_path / "nowhere")
    assert refresh(tmp_path)
    assert "Nothing has been reported yet" in page(tmp_path).words


def points(*values: float) -> list[Point]:
    """Points on successive days."""
    first = date(2030, 1, 1)
    return [Point(first + timedelta(n), p, p / 2, (1 + p) / 2) for n, p in enumerate(values)]


def numbers(path: str) -> list[tuple[float, float]]:
    """Read the places of a path."""
    return [(float(x), float(y)) for x, y in re.findall(r"([\d.]+) ([\d.]+)", path)]


def path_of(svg: str, kind: str) -> str:
    """Return the path of a class."""
    found = re.search(rf'<path d="([^"]*)" class="{kind}"', svg)
    assert found
    return found[1]


def test_sparkline_keeps_to_the_scale_of_a_probability() -> None:
    """0 stands on the ground line, 1 on the upper one, and days are evenly spaced."""
    svg = sparkline(points(0.0, 0.5, 1.0), [], name="War")
    assert numbers(path_of(svg, "line")) == [(4.0, 54.0), (100.0, 30.0), (196.0, 6.0)]
    assert len(numbers(path_of(svg, "band"))) == 6


@pytest.mark.parametrize("count", [DOTS, DOTS + 1])
def test_few_days_have_a_dot_each(count: int) -> None:
    """Many days would be beads on a string: then only the last one has a dot."""
    svg = sparkline(points(*[0.3] * count), [], name="War")
    assert svg.count("<circle") == (count if count <= DOTS else 1)


def test_long_line_is_thinned_to_the_last_of_each_place() -> None:
    """Three years of days are no more than a point for each two units of width."""
    values = [n / 1100 for n in range(1100)]
    line = numbers(path_of(sparkline(points(*values), [], name="War"), "line"))
    assert len(line) <= 99
    assert line[0] == (4.0, 54.0)
    assert line[-1] == (196.0, 6.0)


def test_failed_days_have_a_cross() -> None:
    """A day without a report is seen, also when it is the last one."""
    later: Callable[[int], date] = lambda n: date(2030, 1, 1) + timedelta(n)  # noqa: E731
    svg = sparkline(points(0.3), [later(2)], name="War")
    assert svg.count('class="cross"') == 1
    assert "1 days failed" not in svg
    assert "a day failed" in svg
    assert "3 Jan" in svg
