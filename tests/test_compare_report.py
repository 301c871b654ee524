"""What the commands and notebooks of comparisons and sweeps promise."""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path
from typing import Any

import nbformat
import pytest

from cases import row, write_case
from escalation.cli.compare import add_commands
from escalation.comparing.compare import compare
from escalation.comparing.report import run_comparison
from escalation.errors import EscalationError, InvalidInputError
from escalation.plots.style import dark_of_light
from escalation.reading.scenario import load

ROWS = (row("fleet-1", "fleet", "2025-01-20"), row("shots-1", "shots", "2025-02-20", grade="B2"))
HOSTILE = "<script>alert(1)</script> $x$"
TURN = "latent.intent.moves.bluff -> fight.rate"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two scenarios of one case, the other with a hostile title."""
    folder = tmp_path_factory.mktemp("work") / "scenarios" / "small"
    folder.mkdir(parents=True)
    first = write_case(folder, ROWS)
    second = folder / "fierce.yaml"
    second.write_text(
        f"extends: case.yaml\ntitle: '{HOSTILE}'\nlatent:\n  intent:\n    moves:\n"
        "      bluff -> fight: {rate: 0.4 to 0.9, why: angry}\n"
    )
    return [first, second]


def run(*arguments: object) -> int:
    """Run one of the commands."""
    parser = argparse.ArgumentParser()
    add_commands(parser.add_subparsers())
    options = parser.parse_args([str(each) for each in arguments])
    return int(options.run(options))


def test_report(files: list[Path], tmp_path: Path) -> None:
    """The report says what `compare` says, shows no hostile text, and is made once."""
    options: dict[str, Any] = {
        "draws": 64,
        "plausibility": {"fierce": 1},
        "formats": ("html", "pdf"),
    }
    made = run_comparison(files, **options, out=tmp_path)
    assert made.folder == tmp_path / "compare" / "small" / "2025-03-02"
    page = (made.folder / "report.html").read_text()
    data = json.loads((made.folder / "result.json").read_text())
    found = compare([load(path) for path in files], draws=64)
    gap = found.gap("small-case", "small-fierce", "high")
    told = next(g for g in data["gaps"] if g["target"] == "high" and g["days"] == 60)
    assert told["difference"] == pytest.approx(gap.difference, rel=1e-5)
    assert data["blend"]["plausibility"] == {"small-case": 0, "small-fierce": 1}
    assert "<script>alert" not in page
    assert not re.search(r"""(?:src|href)=["']?(?:https?:)?//""", page)
    assert page.count("<svg") >= 3
    again = run_comparison(files, **options, out=tmp_path)
    assert made.fresh
    assert not again.fresh
    (high, deal) = made.manifest["headline"]
    assert (high["target"], deal["target"], high["days"]) == ("high", "deal", 60)
    assert high["probability"] == pytest.approx(found.reach("small-case", "high").probability)
    (apart,) = high["differences"]
    assert apart["name"] == "small-fierce"
    assert apart["difference"] == pytest.approx(gap.difference, rel=1e-5)
    _on_paper(made.folder / "report.pdf", f"{len(found.names)} scenarios side by side")


def _on_paper(path: Path, words: str) -> None:
    """Check that a PDF is tagged, numbers its pages and says what the page says."""
    pypdf = pytest.importorskip("pypdf")
    paper = pypdf.PdfReader(path)
    assert paper.trailer["/Root"]["/MarkInfo"]["/Marked"]
    said = [page.extract_text() for page in paper.pages]
    assert words in said[0]
    for number, text in enumerate(said, 1):
        assert f"{number} / {len(said)}" in text


def test_failed_report_leaves_no_other(files: list[Path], tmp_path: Path) -> None:
    """A comparison that cannot be made says where its remains are, and links nothing."""
    with pytest.raises(EscalationError, match=r"no scenario 'nobody'.*what there is of it"):
        run_comparison(files, draws=64, plausibility={"nobody": 1}, out=tmp_path)
    assert not (tmp_path / "compare" / "small" / "2025-03-02").exists()


def test_compare_command(files: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    """The table names every scenario, its differences and what explains them; JSON is strict."""
    assert run("compare", *files, "--draws", 64, "--plausibility", "case=1") == 0
    table = capsys.readouterr().out
    assert "small-fierce beside small-case, in points" in table
    assert f"{TURN}: 0.1 to 0.3 per 30d" in table
    assert "blend" in table
    assert run("compare", *files, "--draws", 64, "--json", "--no-explain") == 0
    data = json.loads(capsys.readouterr().out)
    assert [each["name"] for each in data["scenarios"]] == ["small-case", "small-fierce"]


def test_all_problems_at_once(tmp_path: Path) -> None:
    """What is wrong with any of the scenarios is told for all of them."""
    for name in ("a.yaml", "b.yaml"):
        (tmp_path / name).write_text("schema: 1\n")
    with pytest.raises(InvalidInputError) as told:
        run("compare", tmp_path / "a.yaml", tmp_path / "b.yaml")
    assert {each.path.name for each in told.value.problems} == {"a.yaml", "b.yaml"}


def test_sweep_command_and_report(
    files: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A sweep ends with its region in words, its file, and a report that says the same."""
    code = run(
        "sweep", files[0], "--variants", 90, "--vary", f"{TURN}=0.05:2",
        "--vary", "ladder.moves.low -> high.intent.fight=0.1:3", "--samples", 8, "--draws", 64,
        "--workers", 1, "--above", 0.5, "--out", tmp_path, "--report",
    )  # fmt: skip
    assert code == 0
    *told, table, page = capsys.readouterr().out.strip().splitlines()
    assert table.endswith("sweep.parquet")
    assert any("if intent is fight is above" in line for line in told)
    notebook = nbformat.read(page.replace(".html", ".ipynb"), as_version=4)  # type: ignore[no-untyped-call]
    shown = str(notebook)
    assert "if intent is fight is above" in shown
    drawn = re.findall(r"fill:\s*(#\w{6})", Path(page).read_text())
    assert set(drawn) <= set(dark_of_light()), "every colour of the map has a dark twin"
    _on_paper(Path(page).with_suffix(".pdf"), "A small case")
    assert str(tmp_path) not in re.sub(r"sweep = .*", "", shown)


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (["--target", "low"], "'low' cannot be a target; these can: high, deal"),
        (["--vary", "nothing=1:2:3"], "no assumption 'nothing'"),
        (["--vary", f"{TURN}:1:2"], "write NAME=LOW:HIGH:N"),
    ],
)
def test_wrong_sweeps_end_before_they_begin(
    files: list[Path], tmp_path: Path, more: list[str], told: str
) -> None:
    """What is wrong with a sweep is told before anything is evaluated or written."""
    with pytest.raises(EscalationError, match=re.escape(told)):
        run("sweep", files[0], "--vary", f"{TURN}=0.05:2:3", "--out", tmp_path, *more)
    assert not list(tmp_path.iterdir())


def test_wrong_options(files: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    """A probability of 7 is wrong usage."""
    with pytest.raises(SystemExit):
        run("sweep", files[0], "--above", "7")
    assert "is not a probability between 0 and 1" in capsys.readouterr().err


def test_sweep_block(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What is varied may stand in the scenario's own file; the command goes before it."""
    path = write_case(tmp_path, ROWS)
    with path.open("a") as file:
        file.write(f"sweep:\n  samples: 4\n  vary:\n    {TURN}: 0.05:2:3\n")
        file.write("    ladder.moves.high -> low.rate: 0.1:0.4:2\n")
    plain = ("--draws", 64, "--workers", 1, "--out", tmp_path / "out")
    assert run("sweep", path, *plain) == 0
    assert "over 6 variants" in capsys.readouterr().out
    assert run("sweep", path, *plain, "--vary", f"{TURN}=0.05:2:4") == 0
    assert "over 4 variants" in capsys.readouterr().out
    assert run("sweep", path, *plain, "--variants", 5) == 0
    assert "over 5 variants" in capsys.readouterr().out
