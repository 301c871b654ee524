"""Reports: real papermill, a real kernel, and what is left behind, whatever happens meanwhile."""

import csv
import io
import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import date
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import papermill
import pytest

from desks import ASSESS, BASELINE, DRAWS, RUN, alive, desk_in, small, wait_for
from escalation.engine.assessment import Assessment, assess
from escalation.errors import ImpossibleEvidenceError, InvalidInputError, RunError
from escalation.maths.words import percent, say
from escalation.reading import scenario
from escalation.reporting import execution, progress, reasons_tables
from escalation.reporting.earlier import earlier
from escalation.reporting.pdf import to_pdf
from escalation.reporting.provenance import file_digest
from escalation.reporting.reasons import reasons
from escalation.reporting.record import COLUMNS
from escalation.reporting.report import ReportRun, run_report


@pytest.fixture
def desk(tmp_path: Path, workspace: Path) -> Path:
    """A workspace without reports."""
    return desk_in(tmp_path / "desk {0}", workspace)  # braces: papermill formats paths


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, workspace: Path) -> Path:
    """A workspace with a finished report of the small notebook."""
    desk = desk_in(tmp_path_factory.mktemp("finished"), workspace)
    run_small(desk, RUN + ASSESS)
    return desk


@pytest.fixture
def used(tmp_path: Path, finished: Path) -> Path:
    """A copy of that workspace."""
    return shutil.copytree(finished, tmp_path / "used", symlinks=True)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, workspace: Path) -> ReportRun:
    """The report of the tiny case, made once."""
    folder = desk_in(tmp_path_factory.mktemp("made"), workspace)
    earlier = {"as_of": date(2030, 2, 12), "notebook": small(folder, RUN + ASSESS)}
    run_report(folder / BASELINE, out=folder / "reports", draws=DRAWS, seed=1, **earlier)  # type: ignore[arg-type]
    both = ("html", "pdf")
    return run_report(folder / BASELINE, out=folder / "reports", draws=DRAWS, seed=1, formats=both)


@pytest.fixture(scope="module")
def answer(workspace: Path) -> Assessment:
    """The tiny case, assessed directly."""
    return assess(scenario.load(workspace / "tests/data/tiny/baseline.yaml"), draws=DRAWS, seed=1)


@pytest.fixture(scope="module")
def html(made: ReportRun) -> str:
    """The page of the report of the tiny case."""
    return (made.folder / "report.html").read_text(encoding="utf-8")


def run_small(desk: Path, *cells: str, formats: Sequence[str] = ("html",)) -> ReportRun:
    """Make a report with a notebook of these cells."""
    notebook, out = small(desk, *cells), desk / "reports"
    return run_report(desk / BASELINE, out=out, draws=DRAWS, notebook=notebook, formats=formats)


class Page(HTMLParser):
    """Every start tag of a page with its attributes, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep a start tag."""
        self.tags.append((tag, {key: value or "" for key, value in attrs}))

    def handle_data(self, data: str) -> None:
        """Keep a text."""
        self.text += data

    def all(self, name: str) -> list[dict[str, str]]:
        """Return the attributes of every element of that name."""
        return [attributes for tag, attributes in self.tags if tag == name]


def test_report_is_where_it_was_asked_for(made: ReportRun) -> None:
    """A run leaves its seven files in reports/<scenario>/<as-of>/."""
    assert made.fresh
    assert made.folder.parts[-3:] == ("reports", "tiny-baseline", "2030-03-01")
    files = {path.name for path in made.folder.iterdir()}
    pages = {"report.html", "report.ipynb", "report.pdf"}
    assert files == pages | {"forecast.csv", "result.json", "manifest.json", "inputs.zip"}


def test_result_says_what_assess_says(made: ReportRun, answer: Assessment, html: str) -> None:
    """Numbers and words of result.json and of the page are those of `assess` called directly."""
    result = json.loads((made.folder / "result.json").read_text(encoding="utf-8"))
    shown = re.sub(r"<[^>]+>", " ", html)
    assert [each["target"] for each in result["headline"]] == list(answer.scenario.targets)
    for each in result["headline"]:
        assert [within["days"] for within in each["within"]] == [7, 30, 60]
        for within in each["within"]:
            estimate = answer.reach_by(each["target"], within["days"])
            assert within["probability"] == pytest.approx(estimate.probability, rel=1e-5)
            assert within["low"] == pytest.approx(estimate.low, rel=1e-5)
            assert within["high"] == pytest.approx(estimate.high, rel=1e-5)
            assert within["words"] == say(estimate.probability)
            assert f"{percent(estimate.probability)}" in shown
    for factor in answer.scenario.factors:
        for name, estimate in answer.now(factor.name).items():
            found = result["factors"][factor.name]["now"][name]["probability"]
            assert found == pytest.approx(estimate.probability, rel=1e-5)
    names = {each["name"] for each in result["assumptions"]}
    assert names == set(answer.scenario.assumptions)
    assert result["diagnostics"]["effective_sample_size"] == pytest.approx(
        answer.diagnostics.ess, rel=1e-5
    )


def test_result_is_strict_json(made: ReportRun) -> None:
    """No NaN or infinity, which JSON does not have."""

    def refuse(name: str) -> float:
        raise ValueError(name)

    text = (made.folder / "result.json").read_text(encoding="utf-8")
    json.loads(text, parse_constant=refuse)


def explanations(made: ReportRun) -> dict[str, Any]:
    """Return what result.json says of why."""
    result = json.loads((made.folder / "result.json").read_text(encoding="utf-8"))
    found: dict[str, Any] = result["explanations"]
    return found


def test_waterfall_adds_up_to_the_headline(made: ReportRun, answer: Assessment) -> None:
    """Jumps of the contributions, and of the steps, lead from the start to the headline."""
    moved = explanations(made)["moved"]
    odds = np.log(moved["start"] / (1 - moved["start"]))
    for each in ("contributions", "steps"):
        jumps = [
            part.get("jump", part.get("sign", 0) + part.get("effect", 0)) for part in moved[each]
        ]
        end = 1 / (1 + np.exp(-(odds + sum(jumps))))
        assert end == pytest.approx(answer.reach_by("shots").probability, rel=1e-5)


def test_sobol_indices_are_in_the_data_and_on_the_page(made: ReportRun, html: str) -> None:
    """Each bar of the tornado has a first-order and a total index, with its sampling error."""
    found = explanations(made)
    shares = {each["name"]: each for each in found["sobol"]["indices"]}
    for held in found["tornado"]["bars"]:
        each = shares[held["name"]]
        assert 0 <= each["first_order"] <= 1
        assert 0 <= each["total"] <= 1
        assert 0 <= each["total_error"] < 0.2
    most = found["sobol"]["indices"][0]
    assert most["total"] > 5 * most["total_error"] > 0
    assert "Shares of the variance of the probability" in html


def test_every_alert_says_in_a_line_what_it_is(made: ReportRun) -> None:
    """Raised or not, an alert has a text, and is raised if its probability is above its limit."""
    alerts = json.loads((made.folder / "result.json").read_text(encoding="utf-8"))["alerts"]
    assert alerts
    for each in alerts:
        assert each["raised"] == (each["probability"] > each["above"])
        assert f"within {each['within_days']} days" in each["text"]
        assert ("not above" in each["text"]) != each["raised"]


def test_likelihood_and_confidence_are_said_apart(made: ReportRun, html: str) -> None:
    """Each target has a sentence of likelihood, one of confidence, and base rates if counted."""
    said = explanations(made)["judgements"]
    assert [each["target"] for each in said] == ["shots", "treaty"]
    for each in said:
        assert "confidence" not in each["likelihood"]
        assert "%" not in each["confidence"]["sentence"]
        assert len(each["confidence"]["criteria"]) == 5
        assert each["confidence"]["sentence"] in html
    (rate,) = said[0]["base_rates"]
    assert rate["events"] == 12
    assert not rate["into_target"]
    assert 0.1 < rate["probability"] < 0.25
    assert said[1]["base_rates"] == []
    assert "not of reaching the target from where this case stands" in html
    assert "No counted base rate stands behind" in html


def test_report_before_is_compared(made: ReportRun) -> None:
    """What changed since the last report adds up from its headline to this one."""
    since = explanations(made)["since"]
    assert since["as_of"] == "2030-02-12"
    split = since["split"]
    assert [each["kind"] for each in split["parts"]] == ["time", "reports", "retractions", "edits"]
    assert sum(each["jump"] for each in split["parts"]) == pytest.approx(split["total"], abs=1e-6)
    assert split["parts"][0]["what"] == ["17 days"]
    assert split["before"] == pytest.approx(since["shifts"][0]["before"], rel=1e-4)


def test_report_before_that_cannot_be_made_again_still_counts(used: Path) -> None:
    """Without its files its stored headlines are compared, and the page says why no more."""
    run = used / "reports/tiny-baseline/2030-03-01"
    (run / "inputs.zip").unlink()
    found = earlier(run.resolve())
    assert found is not None
    assert found.assessment is None
    assert found.obstacle == "the files it was made from were not kept"
    stored = json.loads((run / "result.json").read_text(encoding="utf-8"))["headline"][0]
    assert found.headline["shots"] == stored["within"][-1]["probability"]


def test_first_report_says_that_it_is_the_first(answer: Assessment) -> None:
    """No earlier run: said so."""
    why = reasons(answer)
    assert why.since is None
    assert "no earlier report" in str(reasons_tables.since(why).html)


def alternatives(node: Any) -> list[str]:  # noqa: ANN401 (pypdf has many kinds)
    """Alternative texts of the figures in a tree of tags."""
    node = node.get_object()
    if isinstance(node, list):
        return [text for each in node for text in alternatives(each)]
    if not hasattr(node, "get"):
        return []
    own = [str(node.get("/Alt", ""))] if node.get("/S") == "/Figure" else []
    return own + (alternatives(node["/K"]) if "/K" in node else [])


def test_pdf_is_the_page_on_paper(made: ReportRun, answer: Assessment, html: str) -> None:
    """Headline, page numbers, tags, language; no address, script or file."""
    pypdf = pytest.importorskip("pypdf")
    path = made.folder / "report.pdf"
    paper = pypdf.PdfReader(path)
    pages = [page.extract_text() for page in paper.pages]
    text = " ".join(" ".join(pages).split())
    assert "Harbour dispute" in pages[0]
    assert percent(answer.reach_by("shots").probability) in pages[0].replace("\n", " ")
    assert f"1 / {len(pages)}" in pages[0]
    assert f"{len(pages)} / {len(pages)}" in pages[-1]
    assert "Analytic confidence in this judgement is" in text
    assert "Grounds of this confidence" in text
    assert "Code of this section" not in text
    texts = alternatives(paper.trailer["/Root"]["/StructTreeRoot"])
    assert len(texts) == html.count('class="wide"')
    assert all(len(each) > 20 for each in texts)
    root = paper.trailer["/Root"]
    assert root["/MarkInfo"]["/Marked"]
    assert root["/Lang"].startswith("en")
    assert "://" not in text
    data = path.read_bytes()
    assert not [name for name in (b"/JavaScript", b"/URI", b"/EmbeddedFile") if name in data]


def test_page_without_pango_is_whole_and_says_so(
    used: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No PDF can be made: a warning in one line, and everything else."""
    monkeypatch.setitem(sys.modules, "weasyprint", None)
    run = run_small(used, RUN + ASSESS, formats=("html", "pdf"))
    assert run.fresh
    assert "no PDF was made" in run.warning
    assert "\n" not in run.warning
    assert not (run.folder / "report.pdf").exists()
    assert (run.folder / "report.html").is_file()


def test_paper_fetches_nothing() -> None:
    """A page that asks for a file of this machine does not get it on paper."""
    pytest.importorskip("weasyprint")
    pypdf = pytest.importorskip("pypdf")
    image = '<img alt="" src="file:///etc/passwd"><style>@import "file:///etc/passwd"</style>'
    page = f'<html lang="en"><title>x</title><style></style><p>Here</p>{image}'
    paper = pypdf.PdfReader(io.BytesIO(to_pdf(page)))
    assert "Here" in paper.pages[0].extract_text()
    assert "root" not in paper.pages[0].extract_text()


def test_forecast_has_hubverse_columns(made: ReportRun, answer: Assessment) -> None:
    """Tidy rows; each probability mass function adds up to 1; dates fit the days ahead."""
    rows = list(csv.DictReader(io.StringIO((made.folder / "forecast.csv").read_text())))
    assert tuple(rows[0]) == COLUMNS
    sums: dict[tuple[str, str], float] = {}
    for row in rows:
        assert row["origin_date"] == "2030-03-01"
        ahead = date.fromisoformat(row["target_date"]) - date.fromisoformat(row["origin_date"])
        assert ahead.days == int(row["horizon_days"])
        assert row["output_type"] == "pmf"
        key = row["target"], row["horizon_days"]
        sums[key] = sums.get(key, 0) + float(row["value"])
    assert all(total == pytest.approx(1, abs=1e-6) for total in sums.values())
    assert {days for _, days in sums} == {"7", "14", "30", "60"}
    (shots,) = (
        row
        for row in rows
        if row["target"] == "reach shots"
        and row["horizon_days"] == "30"
        and row["output_type_id"] == "yes"
    )
    assert float(shots["value"]) == pytest.approx(answer.reach_by("shots", 30).probability)
    assert ("highest rung", "60") in sums


def test_page_needs_nothing_from_anywhere(html: str) -> None:
    """No address, script, style sheet, font or picture from outside; and a policy against them."""
    assert "://" not in html
    page = Page(html)
    tags = {tag for tag, _ in page.tags}
    assert not tags & {"script", "link", "iframe", "object", "embed", "base", "img"}
    assert not [key for _, attributes in page.tags for key in attributes if key.startswith("on")]
    for _, attributes in page.tags:
        assert attributes.get("href", "#").startswith("#")
        assert "src" not in attributes
    assert not re.findall(r"url\((?!#)|@import", html)
    (policy,) = (
        each
        for each in page.all("meta")
        if "content-security" in each.get("http-equiv", "").lower()
    )
    assert "default-src 'none'" in policy["content"]


def test_page_is_accessible(html: str) -> None:
    """One main heading, described figures, unique ids, links that lead somewhere, a language."""
    page = Page(html)
    assert len(page.all("h1")) == 1
    assert page.all("html")[0]["lang"] == "en"
    pictures = page.all("svg")
    assert len(pictures) >= 20
    assert all(each["role"] == "img" and len(each["aria-label"]) > 40 for each in pictures)
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    links = [each["href"] for each in page.all("a")]
    assert len(links) >= 8
    assert {link.removeprefix("#") for link in links} <= set(ids)
    assert all(each.get("scope") for each in page.all("th"))
    assert len(page.all("caption")) == len(page.all("table"))


def test_code_is_one_click_away(html: str) -> None:
    """The page shows no code until asked, and then all of it."""
    folded = re.findall(r'<details class="code">.*?</details>', html, re.DOTALL)
    assert len(folded) >= 8
    outside = re.sub(r'<details class="code">.*?</details>', "", html, flags=re.DOTALL)
    assert "picture(" not in outside
    code = re.sub(r"<[^>]+>", "", " ".join(folded))
    assert "notebook.begin(" in code


def test_manifest_vouches_for_everything(made: ReportRun) -> None:
    """Every output's digest is right; every input is there by digest or value."""
    manifest = json.loads((made.folder / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["status"] == "complete"
    for name, digest in manifest["outputs"].items():
        assert file_digest(made.folder / name) == digest
    desk = made.folder.parents[2]
    inputs = manifest["inputs"]
    assert set(inputs["files"]) == {
        f"scenarios/tiny/{name}.yaml" for name in ("baseline", "catalogue", "reference_classes")
    }
    for name, digest in inputs["files"].items():
        assert file_digest(desk / name) == digest
    assert inputs["observations"]["known"] == 5
    assert inputs["parameters"] == {"as_of": "2030-03-01", "draws": DRAWS, "seed": 1}
    assert str(desk) not in json.dumps(manifest)


def test_executed_notebook_shows_no_folder_of_this_machine(made: ReportRun) -> None:
    """What is handed on does not tell where it was made."""
    text = (made.folder / "report.ipynb").read_text(encoding="utf-8")
    assert str(made.folder.parents[2]) not in text


def test_same_inputs_are_a_no_op(made: ReportRun) -> None:
    """The second run touches nothing, and says so; so does one after a report of a later day."""
    desk = made.folder.parents[2]
    before = {path: path.stat().st_mtime_ns for path in made.folder.iterdir()}
    rows = desk / "scenarios/tiny/observations.csv"
    text = rows.read_text(encoding="utf-8")
    rows.write_text(text + "row-9,harsh_speech,,2030-04-01,,,,,,,Radio,Later\n", encoding="utf-8")
    again = run_report(
        desk / BASELINE, out=desk / "reports", draws=DRAWS, seed=1, formats=("html", "pdf")
    )
    rows.write_text(text, encoding="utf-8")
    assert not again.fresh
    assert again.manifest == made.manifest
    assert {path: path.stat().st_mtime_ns for path in again.folder.iterdir()} == before


def test_changed_inputs_keep_the_old_run(used: Path) -> None:
    """A new run takes its place and the old one is kept; when the change goes, so does the new."""
    link = used / "reports/tiny-baseline/2030-03-01"
    old = link.resolve()
    case = used / BASELINE
    text = case.read_text(encoding="utf-8")
    case.write_text(text.replace("fight: 0.2", "fight: 0.3"), encoding="utf-8")
    second = run_small(used, RUN + ASSESS)
    assert second.fresh
    assert link.resolve() != old
    assert (old / "result.json").is_file()
    case.write_text(text, encoding="utf-8")
    third = run_small(used, RUN + ASSESS)
    assert not third.fresh  # the old run is linked again, not made again
    assert link.resolve() == old


def test_edited_or_torn_file_is_made_again(used: Path) -> None:
    """A report whose files are not as they were made does not count as there."""
    link = used / "reports/tiny-baseline/2030-03-01"
    with (link / "result.json").open("a") as file:
        file.write(" ")
    assert run_small(used, RUN + ASSESS).fresh
    assert json.loads((link / "manifest.json").read_text())["status"] == "complete"


def test_hostile_texts_do_no_harm(desk: Path) -> None:
    """Markup, mathematics, tables and marks of direction in a scenario are shown as text."""
    hostile = '</title><script>alert(1)</script> | $x$ <img src=x onerror=alert(1)> \u202e & "q"'
    case = desk / BASELINE
    text = case.read_text(encoding="utf-8")
    text = text.replace("title: Harbour dispute", f"title: {json.dumps(hostile)}")
    text = text.replace("label: Shots fired,", f"label: {json.dumps(hostile)},")
    case.write_text(text, encoding="utf-8")
    notes = desk / "scenarios/tiny/observations.csv"
    rows = notes.read_text(encoding="utf-8")
    notes.write_text(rows.replace("Same ships", "<b onclick=x>&</b>"), encoding="utf-8")
    run = run_report(case, out=desk / "reports", draws=DRAWS, formats=("html", "pdf"))
    html = (run.folder / "report.html").read_text(encoding="utf-8")
    page = Page(html)
    assert not {"script", "img", "iframe"} & {tag for tag, _ in page.tags}
    assert not [key for _, each in page.tags for key in each if key.startswith("on")]
    assert len(page.all("title")) == 1
    assert "<script>alert(1)</script> | $x$ <img src=x onerror=alert(1)>" in page.text
    assert "<b onclick=x>&</b>" in page.text
    assert "\u202e" not in page.text
    pypdf = pytest.importorskip("pypdf")
    paper = pypdf.PdfReader(run.folder / "report.pdf")
    assert "<script>alert(1)</script>" in paper.pages[0].extract_text().replace("\n", "")
    assert b"/JavaScript" not in (run.folder / "report.pdf").read_bytes()


def test_failed_run_leaves_the_last_report_and_its_own_remains(used: Path) -> None:
    """A cell that fails: a clear error, the partial notebook with it, the old report in place."""
    good = used / "reports/tiny-baseline/2030-03-01"
    old = good.resolve()
    with pytest.raises(
        RunError, match=r"tiny-baseline as of 2030-03-01: .*ValueError: no luck"
    ) as error:
        run_small(used, "raise ValueError('no luck')")
    assert good.resolve() == old
    (remains,) = (used / "reports/tiny-baseline/failed").iterdir()
    assert "no luck" in (remains / "report.ipynb").read_text(encoding="utf-8")
    assert json.loads((remains / "manifest.json").read_text())["status"] == "failed"
    assert error.value.exit_code == 5


def test_impossible_evidence_keeps_its_own_error(desk: Path) -> None:
    """What the kernel raises on purpose comes out as itself, with its exit code."""
    cell = "from escalation.errors import *\nraise ImpossibleEvidenceError('row 3')"
    with pytest.raises(ImpossibleEvidenceError, match="row 3"):
        run_small(desk, cell)


def test_dead_kernel_is_a_clear_error(desk: Path) -> None:
    """A kernel that dies ends the run at once."""
    with pytest.raises(RunError, match="kernel"):
        run_small(desk, "import os\nos._exit(1)")


def test_hung_cell_is_stopped(desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cell that takes too long ends the run: the limit is not lost on the way to the kernel."""
    monkeypatch.setattr(execution, "CELL_SECONDS", 1)
    begun = time.monotonic()
    with pytest.raises(RunError):
        run_small(desk, "import time\ntime.sleep(120)")
    assert time.monotonic() - begun < 60


def test_inputs_that_change_meanwhile_are_found_out(desk: Path) -> None:
    """A report is never published under a digest that it was not made from."""
    path = desk / "scenarios/tiny/catalogue.yaml"
    edit = f"open({str(path)!r}, 'a').write('# changed\\n')"
    with pytest.raises(RunError, match="changed while the report was made: files"):
        run_small(desk, RUN + ASSESS, edit)


def test_killed_run_changes_nothing_and_the_next_repairs(used: Path) -> None:
    """kill -9 in the middle: the old report stays, its kernel goes, the next run sweeps up."""
    shelf = used / "reports/tiny-baseline"
    old = (shelf / "2030-03-01").resolve()
    slow = "import os, time\nopen('begun', 'w').write(str(os.getpid()))\ntime.sleep(300)"
    with start(used, small(used, slow)) as runner:
        (kernel,) = wait_for(lambda: [path.read_text() for path in shelf.glob("runs/.b*/begun")])
        runner.kill()
    assert (shelf / "2030-03-01").resolve() == old
    assert list(shelf.glob("runs/.building-*"))
    wait_for(lambda: not alive(int(kernel)))
    assert run_small(used, RUN + ASSESS, "'another source'").fresh
    assert not list(shelf.glob("runs/.building-*"))
    assert (old / "report.html").is_file()


def start(desk: Path, notebook: Path) -> "subprocess.Popen[str]":
    """Start making a report in a process of its own."""
    code = (
        "import sys; from escalation.reporting.report import run_report; "
        f"run = run_report(sys.argv[1], out=sys.argv[2], notebook=sys.argv[3], draws={DRAWS}); "
        "print(run.fresh)"
    )
    paths = [str(each) for each in (desk / BASELINE, desk / "reports", notebook)]
    command = [sys.executable, "-c", code, *paths]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_two_runners_at_once_make_it_once(desk: Path) -> None:
    """The second waits for the first and finds its work done."""
    notebook = small(desk, RUN + ASSESS)
    runners = [start(desk, notebook) for _ in range(2)]
    said = sorted(runner.communicate()[0].strip() for runner in runners)
    assert said == ["False", "True"]
    assert len(list((desk / "reports/tiny-baseline/runs").iterdir())) == 1


def test_invalid_scenario_is_found_before_anything_runs(desk: Path) -> None:
    """Errors of the files come with file and line, and leave no trace in reports/."""
    case = desk / BASELINE
    case.write_text(case.read_text(encoding="utf-8") + "nonsense: 1\n", encoding="utf-8")
    with pytest.raises(InvalidInputError, match="nonsense"):
        run_report(case, out=desk / "reports")
    assert not (desk / "reports").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda cells: cells.pop(0), "exactly one cell must have the tag 'parameters', not 0"),
        (lambda cells: cells[1].update(metadata=cells[0].metadata), "tag 'parameters', not 2"),
        (lambda cells: cells[0].update(source="scenario = ''"), "has no 'as_of'"),
    ],
)
def test_parameters_are_strict(desk: Path, change: object, message: str) -> None:
    """No cell of parameters, two of them, or one that does not know a parameter: refused."""
    path = small(desk, RUN + ASSESS)
    notebook = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
    assert callable(change)
    change(notebook.cells)
    path.write_text(json.dumps(notebook), encoding="utf-8")
    with pytest.raises(RunError, match=message):
        run_report(desk / BASELINE, out=desk / "reports", draws=DRAWS, notebook=path)


def test_plain_papermill_with_texts_for_parameters(desk: Path, workspace: Path) -> None:
    """The notebook runs without our runner: every parameter a text, as schedulers pass them."""
    folder = desk / "elsewhere"
    folder.mkdir()
    papermill.execute_notebook(
        str(workspace / "notebooks/scenario_report.ipynb"),
        str(folder / "out.ipynb").replace("{", "{{").replace("}", "}}"),
        parameters={
            "scenario": BASELINE,
            "as_of": "'2030-02-10'",
            "draws": "64",
            "seed": '"3"',
            "out": ".",
        },
        kernel_name="python3",
        cwd=folder,
        progress_bar=False,
    )
    result = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    assert result["as_of"] == "2030-02-10"
    assert result["diagnostics"]["seed"] == 3


def test_notebook_is_committed_clean(workspace: Path) -> None:
    """One cell of parameters, no outputs, no counts, no cell of code longer than ten lines."""
    path = workspace / "notebooks/scenario_report.ipynb"
    notebook = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert sum("parameters" in cell.metadata.get("tags", []) for cell in code) == 1
    assert not any(cell.outputs or cell.execution_count for cell in code)
    assert max(len(cell.source.splitlines()) for cell in code) <= 10
    assert "papermill" not in notebook.metadata


class Terminal(io.StringIO):
    """A terminal that keeps what is written to it."""

    def isatty(self) -> bool:
        """Say that it is one."""
        return True


def test_progress_shows_on_a_terminal_only() -> None:
    """The bar follows what the notebook prints, and a log file is not filled with it."""
    terminal, log = Terminal(), io.StringIO()
    for stream in (terminal, log):
        with progress.bar("tiny", stream=stream) as shown:
            shown.step("starting")
            shown.write("assessed 50%\r")
    assert "40%" in terminal.getvalue()  # half of the assessing, which is most of a run
    assert not log.getvalue()
