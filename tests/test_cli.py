"""Promises of the command line: it says what is wrong and what to do, without a traceback."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from cases import row, write_case
from escalation import __version__
from escalation.cli.main import main
from escalation.engine.assessment import assess
from escalation.maths import filtering
from escalation.reading import scenario

if TYPE_CHECKING:
    from pathlib import Path

ROWS = [row("fleet", "fleet", "2025-01-11"), row("shots", "shots", "2025-02-10")]
# Slow to import and not needed to assess a scenario.
HEAVY = {
    "IPython",
    "dask",
    "difflib",
    "distributed",
    "escalation.reading.editors",
    "jsonschema",
    "jupyter_client",
    "matplotlib",
    "nbconvert",
    "nbformat",
    "numpy.f2py",
    "numpy.testing",
    "pandas",
    "papermill",
    "pyarrow",
    "scipy",
    "scoringrules",
    "sklearn",
}


@pytest.fixture(name="path")
def _path(tmp_path: Path) -> Path:
    return write_case(tmp_path, ROWS)


def test_version_names_the_engine(capsys: pytest.CaptureFixture[str]) -> None:
    """`--version` says which path behind the seam is in use."""
    with pytest.raises(SystemExit) as end:
        main(["--version"])
    assert end.value.code == 0
    assert capsys.readouterr().out == f"escalation {__version__} (engine: {filtering.PATH})\n"


def test_assess_prints_what_the_package_computes(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The JSON of `assess` holds the numbers of `assess()` with the same arguments."""
    assert main(["assess", str(path), "--draws", "64", "--seed", "5", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    answer = assess(scenario.load(path), draws=64, seed=5)
    expected = answer.reach_by("high", 30)
    assert printed["reach"]["high"]["30"] == {
        "probability": expected.probability,
        "low": expected.low,
        "high": expected.high,
    }
    assert printed["as_of"] == "2025-03-02"


def test_the_table_is_for_people(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Labels, percentages with intervals, the horizon and how good the draws are."""
    assert main(["assess", str(path), "--draws", "64", "--horizon", "12w"]) == 0
    out = capsys.readouterr().out
    assert "A small case" in out
    assert re.search(r"\* High +.*\d+\s%", out)
    assert "84 days" in out
    assert "effective sample size" in out


def test_set_changes_an_assumption(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A changed assumption moves the answer; a name that is not there is an error that helps."""
    name = "ladder.moves.low -> high.intent.fight"

    def high(*more: str) -> float:
        assert main(["assess", str(path), "--draws", "64", "--json", *more]) == 0
        reach = json.loads(capsys.readouterr().out)["reach"]
        return float(reach["high"]["60"]["probability"])

    assert high("--set", f"{name}=3") > high()
    assert main(["assess", str(path), "--set", f"{name[:-1]}=3"]) == 1
    assert "did you mean" in capsys.readouterr().err
    assert main(["assess", str(path), "--set", "nothing"]) == 1
    assert "NAME=VALUE" in capsys.readouterr().err


def test_check_lists_problems_and_fails(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 0 for a clean file, 1 with every problem's file, line and column otherwise."""
    assert main(["check", str(path)]) == 0
    text = path.read_text(encoding="utf-8").replace("bluff -> fight", "bluf -> fight")
    path.write_text(text, encoding="utf-8")
    assert main(["check", str(path)]) == 1
    assert re.search(r"case\.yaml:\d+:\d+: .*did you mean 'bluff'", capsys.readouterr().out)


def test_nothing_to_check_is_no_success(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An empty folder is said to be empty; a folder or a table in a scenario's place is named."""
    assert main(["check", str(tmp_path)]) == 1
    assert "nothing to check: no scenario in this folder" in capsys.readouterr().out
    table = tmp_path / "observations.csv"
    table.write_text("id,indicator,occurred_on,reported_on\n", encoding="utf-8")
    assert main(["assess", str(table)]) != 0
    assert "name the YAML file that uses it" in capsys.readouterr().err
    assert main(["assess", str(tmp_path)]) != 0
    assert "is a folder; name a file in it" in capsys.readouterr().err
    assert main(["check", str(table)]) == 0
    assert "no reports: the assumptions decide alone" in capsys.readouterr().out


@pytest.mark.parametrize("horizon", ["99999999d", "4000y", "soon", "0d"])
def test_a_wrong_horizon_is_one_problem(
    horizon: str, tmp_path: Path, workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A horizon that cannot be used is said once, and nothing is said of what would follow."""
    shutil.copytree(workspace / "tests/data/tiny", tmp_path / "tiny")
    file = tmp_path / "tiny/baseline.yaml"
    text = re.sub("(?m)^horizon: .*$", f"horizon: {horizon}", file.read_text(encoding="utf-8"))
    file.write_text(text, encoding="utf-8")
    assert main(["check", str(file)]) == 1
    out = capsys.readouterr().out
    assert out.count(": horizon: ") == 1
    assert "beyond the horizon" not in out


def test_impossible_evidence_has_its_own_exit_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A report that cannot be under any draw ends with code 3 and names it."""
    zero = {"indicators": {"shots": {"seen": {"rung": {"low": 0, "high": 0, "deal": 0}}}}}
    path = write_case(tmp_path, ROWS, zero)
    assert main(["assess", str(path), "--draws", "16"]) == 3
    assert "report 'shots'" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ["assess", "x.yaml", "--as-of", "22.11.2025"],
        ["assess", "x.yaml", "--horizon", "soon"],
        ["assess", "x.yaml", "--draws", "0"],
        ["assess", "x.yaml", "--horizon", "99999999999d"],
        ["report", "x.yaml", "--timeout", "1e12"],
        ["report", "x.yaml", "--timeout", "nan"],
        ["report", "x.yaml", "--out", "s3://"],
        ["report", "x.yaml", "--out", "s3:///prefix"],
        ["report", "x.yaml", "--out", ""],
        ["prune", "--keep", "1", "--reports", "s3://bucket/reports"],
        ["archive", "s3://bucket/reports"],
        ["history", "x", "--reports", "s3://bucket/reports"],
        ["index", "--reports", "s3://bucket/reports"],
        ["nonsense"],
    ],
)
def test_wrong_usage_is_said(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """An argument that cannot be read ends with code 2 and says how to write it."""
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert end.value.code == 2
    assert "escalation" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--horizon", "99999999d", "the horizon must be at least one day, at most 3,650"),
        ("--as-of", "1980-01-01", "before the scenario starts"),
        ("--as-of", "9999-01-01", "more than 18,250 days after the scenario's start"),
    ],
)
def test_what_cannot_be_assessed_is_said(
    path: Path, capsys: pytest.CaptureFixture[str], option: str, value: str, said: str
) -> None:
    """A time too long to be computed, or before the beginning, is an error and no traceback."""
    assert main(["assess", str(path), "--draws", "16", option, value]) == 1
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("reader", "code", "said"),
    [("| true", 141, ""), (">/dev/full", 4, "escalation: [Errno 28] No space left on device\n")],
)
def test_what_nobody_reads_is_no_success(path: Path, reader: str, code: int, said: str) -> None:
    """A closed pipe ends a command as any other, a full disk is said; there is no traceback."""
    words = shlex.join([sys.executable, "-m", "escalation", "assess", str(path), "--draws", "16"])
    done = subprocess.run(
        ["/bin/bash", "-c", f"{words} {reader}; exit ${{PIPESTATUS[0]}}"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (code, said)


def test_data_stay_data_in_ascii(path: Path) -> None:
    """What an encoding does not have is escaped as JSON does."""
    text = path.read_text(encoding="utf-8").replace("A small case", "Ein kleiner Fall – ähem 🙂")
    path.write_text(text, encoding="utf-8")
    for words in (["--json"], []):
        done = subprocess.run(
            [sys.executable, "-m", "escalation", "assess", str(path), "--draws", "16", *words],
            env={**os.environ, "PYTHONIOENCODING": "ascii"},
            capture_output=True,
            check=True,
        )
        assert done.stdout.isascii()
    assert rb"Ein kleiner Fall \u2013 \u00e4hem \ud83d\ude42" in done.stdout


def test_schema_is_written(tmp_path: Path) -> None:
    """`schema --out` writes the JSON Schema that editors use."""
    assert main(["schema", "--out", str(tmp_path / "schema.json")]) == 0
    schema = json.loads((tmp_path / "schema.json").read_text(encoding="utf-8"))
    assert "latent" in schema["properties"]


def test_the_committed_schema_is_the_one_written(tmp_path: Path, workspace: Path) -> None:
    """Editors are pointed at `scenarios/scenario.schema.json`, and it is up to date."""
    assert main(["schema", "--out", str(tmp_path / "schema.json")]) == 0
    committed = workspace / "scenarios" / "scenario.schema.json"
    assert (tmp_path / "schema.json").read_text(encoding="utf-8") == committed.read_text(
        encoding="utf-8"
    )


def test_thin_sampling_and_long_silence_are_said(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Few effective draws, and weeks for which nothing is coded, draw a caution."""
    assert main(["assess", str(path), "--draws", "8", "--as-of", "2025-06-01"]) == 0
    out = capsys.readouterr().out
    assert re.search(r"Caution: only \d+ draws count", out)
    assert "nothing is coded for the last 111 days" in out


def test_assessing_imports_only_what_it_uses(path: Path, workspace: Path) -> None:
    """No plotting, statistics, notebook or cluster library is loaded to assess a scenario.

    Nor is SciPy, even for the founding case, which rests on base rates (gamma distributions).
    """
    for each in (path, workspace / "scenarios" / "venezuela" / "baseline.yaml"):
        code = (
            "import sys; from escalation.cli.main import main; "
            f"main(['assess', {str(each)!r}, '--draws', '16', '--json']); "
            "print('\\n' + ' '.join(sys.modules))"
        )
        run = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        )
        loaded = set(run.stdout.splitlines()[-1].split())
        assert not loaded & HEAVY
        assert "numpy" in loaded
