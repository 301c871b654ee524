"""The commands: they run end to end on small inputs, and say what is missing."""

import argparse
from pathlib import Path

import pytest

from escalation.cli.learning import REFERENCE, add_commands
from escalation.errors import RunError


def run(*arguments: str) -> int:
    """Run one command."""
    parser = argparse.ArgumentParser()
    add_commands(parser.add_subparsers())
    options = parser.parse_args(arguments)
    return int(options.run(options))


def test_missing_data_say_how_to_name_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a data folder, the message names the option and the variable."""
    monkeypatch.delenv(REFERENCE, raising=False)
    with pytest.raises(RunError, match=f"--data DIR or set {REFERENCE}"):
        run("backtest")


def test_import_prints_rows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A small file and a mapping become rows on standard output."""
    (tmp_path / "events.csv").write_text("start,actor,target,action\n2020-01-02,A,B,190\n")
    (tmp_path / "map.yaml").write_text(
        'schema: 1\nrules: [{action: "19*", indicator: strike_on_territory}]\n'
    )
    assert (
        run("import", "csv", str(tmp_path / "events.csv"), "--map", str(tmp_path / "map.yaml")) == 0
    )
    assert "strike_on_territory-2020-01-02,strike_on_territory" in capsys.readouterr().out


def test_score_writes_the_scoreboard(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With nothing archived, the page is there and says so."""
    (tmp_path / "reports").mkdir()
    (tmp_path / "scenarios").mkdir()
    folders = ("--reports", str(tmp_path / "reports"), "--scenarios", str(tmp_path / "scenarios"))
    assert run("score", *folders, "--day", "2026-01-01") == 0
    assert "0 scored" in capsys.readouterr().out
    assert "Nothing has been scored yet" in (tmp_path / "reports/scoreboard.html").read_text()


def test_fit_rates_writes_classes(tmp_path: Path, workspace: Path, reference: Path) -> None:
    """Rules and data become a file of reference classes."""
    rules = str(workspace / "scenarios/reference_rules.yaml")
    out = tmp_path / "classes.yaml"
    assert run("fit-rates", rules, "--data", str(reference), "--out", str(out)) == 0
    assert "major_display_to_force:" in out.read_text()
