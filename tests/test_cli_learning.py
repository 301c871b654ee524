"""The commands: they run end to end on small inputs, and say what is missing."""

import argparse
from pathlib import Path

import pytest

from escalation.cli.learning import REFERENCE, add_commands
from escalation.errors import EscalationError, InvalidInputError, RunError


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


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("    data: mie\n", "    data: mye\n", r":\d+.*no data 'mye'; known are mie, icb2"),
        ("ends: 2014-12-31", "ends: someday", r":\d+:\d+: data.mie.ends"),
        ("tail: 180d", "tail: soon", r":\d+:\d+: tail: .*expected a duration"),
        ('"1898-"', '"long ago"', r":\d+:\d+: groups.major.*expected years"),
        ("event: {outfor: [1, 2]}", "event: {}", r":\d+.*needs climb, or else one column"),
        ("window: 42d", 'window: ""', r":\d+.*a landmark needs a window"),
        ("climb: [4, 5]", "climb: [5, 4]", r":\d+.*climbs from 5 to 4"),
    ],
)
def test_a_bad_rule_is_named_with_its_line(
    old: str, new: str, said: str, tmp_path: Path, workspace: Path
) -> None:
    """File, line and what is wrong, before any data are read."""
    text = (workspace / "scenarios/reference_rules.yaml").read_text(encoding="utf-8")
    rules = tmp_path / "rules.yaml"
    rules.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(InvalidInputError, match="rules.yaml" + said):
        run("fit-rates", str(rules), "--data", str(tmp_path))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("lag: soon\n", r"map.yaml:2.*lag.*expected a duration"),
        ("grade: Z9\n", r"map.yaml:2.*grade.*expected a grade such as B2"),
        ("", r"events.csv:2.*'2020-13-02' is not a date"),
    ],
)
def test_a_bad_import_is_named_with_its_line(text: str, said: str, tmp_path: Path) -> None:
    """The mapping's line, or the row's."""
    (tmp_path / "events.csv").write_text("start,action\n2020-13-02,190\n")
    (tmp_path / "map.yaml").write_text(f"schema: 1\n{text}rules: [{{indicator: strike}}]\n")
    with pytest.raises(InvalidInputError, match=said):
        run("import", "csv", str(tmp_path / "events.csv"), "--map", str(tmp_path / "map.yaml"))


def test_what_cannot_be_written_or_learned_is_said(tmp_path: Path) -> None:
    """A folder that is not there, and no case to learn from: a sentence and no traceback."""
    (tmp_path / "events.csv").write_text("start,action\n2020-12-02,190\n")
    (tmp_path / "map.yaml").write_text("schema: 1\nrules: [{indicator: strike}]\n")
    arguments = ("import", "csv", str(tmp_path / "events.csv"), "--map", str(tmp_path / "map.yaml"))
    with pytest.raises(EscalationError, match="cannot be written"):
        run(*arguments, "--out", str(tmp_path / "nowhere" / "rows.csv"))


def test_learning_from_nothing_is_refused(reference: Path, tmp_path: Path) -> None:
    """A split before the data leaves nothing to learn from."""
    arguments = ("learn", "--data", str(reference), "--split", "1700-01-01", "--out")
    with pytest.raises(RunError, match="nothing to learn"):
        run(*arguments, str(tmp_path / "learned"))
