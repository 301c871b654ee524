"""The track record: forecasts are scored at their close, under each definition, never before."""

from datetime import date
from pathlib import Path

import pytest

from escalation.errors import InvalidInputError
from escalation.history.scoreboard import archived, happened, of_runs, page, table
from escalation.history.scoring import (
    Forecast,
    ResolutionFile,
    parse_forecasts,
    read_resolutions,
    score,
)

HEADER = "origin_date,target,horizon_days,target_date,output_type,output_type_id,value\n"
ROWS = (
    "2020-01-01,reach war,30,2020-01-31,pmf,yes,0.7\n"
    "2020-01-01,reach war,30,2020-01-31,pmf,no,0.3\n"
    "2020-01-01,on ladder,30,2020-01-31,pmf,war,0.6\n"
    "2020-01-01,reach peace,30,2020-01-31,pmf,yes,0.2\n"
    "2020-01-01,reach peace,30,2020-01-31,pmf,no,0.8\n"
)
RESOLUTIONS = """\
schema: 1
case: case
known_through: {through}
reached:
  war:
    - {{happened_on: 2020-01-10, known_on: 2020-01-11, definition: broad, source: "A, 2020-01-11"}}
    - {{happened_on: 2020-02-10, known_on: 2020-02-11, definition: strict, source: "B, 2020-02-11"}}
"""


def forecasts() -> tuple[Forecast, ...]:
    """What the rows above say."""
    return parse_forecasts(HEADER + ROWS, "case", Path("forecast.csv"))


def what(tmp_path: Path, through: str) -> dict[str, ResolutionFile]:
    """What happened, known through a day."""
    file = tmp_path / "resolutions.yaml"
    file.write_text(RESOLUTIONS.format(through=through), encoding="utf-8")
    return {"case": read_resolutions(file)}


def test_an_early_yes_waits_for_the_scheduled_close(tmp_path: Path) -> None:
    """War came on day 10; the forecast of day 30 is pending until then."""
    known = what(tmp_path, "2020-12-31")
    before = score(forecasts(), known, date(2020, 1, 30))
    assert (len(before.scored), before.pending) == (0, 2)
    assert len(score(forecasts(), known, date(2020, 2, 28)).scored) == 3


def test_yes_and_no_wait_alike(tmp_path: Path) -> None:
    """What is not known through the close is unresolved, also where a yes is known already."""
    record = score(forecasts(), what(tmp_path, "2020-01-20"), date(2021, 1, 1))
    assert (len(record.scored), record.unresolved) == (0, 2)


def test_each_definition_is_scored(tmp_path: Path) -> None:
    """Broadly it came, strictly it did not by then, and peace did not."""
    record = score(forecasts(), what(tmp_path, "2020-12-31"), date(2021, 1, 1))
    found = {(each.forecast.target, each.definition): each.outcome for each in record.scored}
    assert found == {
        ("reach peace", "as written"): False,
        ("reach war", "broad"): True,
        ("reach war", "strict"): False,
    }
    losses = {(line.target, line.definition): line.brier for line in record.lines}
    assert losses["reach war", "broad"] == pytest.approx(0.09)
    assert losses["reach war", "strict"] == pytest.approx(0.49)


def test_what_had_happened_before_is_no_question(tmp_path: Path) -> None:
    """A forecast made after the thing is left out under that definition."""
    text = "2020-01-15,reach war,30,2020-02-14,pmf,yes,0.9\n"
    late = parse_forecasts(HEADER + text, "case", Path("f.csv"))
    record = score(late, what(tmp_path, "2020-12-31"), date(2021, 1, 1))
    assert [(each.definition, each.outcome) for each in record.scored] == [("strict", True)]


def test_climatology_has_no_hindsight() -> None:
    """The baseline counts only other cases' like forecasts that had closed by the origin."""
    quiet = ResolutionFile.model_validate({"schema": 1, "case": "x", "known_through": "2022-01-01"})
    text = "".join(f"20{y}-01-01,reach war,30,20{y}-01-31,pmf,yes,0.1\n" for y in (19, 20, 21))
    made = [each for case in ("a", "b") for each in parse_forecasts(HEADER + text, case, Path("f"))]
    record = score(made, {"a": quiet, "b": quiet}, date(2022, 1, 1))
    first = {each.forecast.origin.year: each.climatology for each in record.scored}
    assert first[2019] == 0.5
    assert first[2020] == pytest.approx(0.5 / 2)
    assert first[2021] == pytest.approx(0.5 / 3)


def test_other_hubverse_files_are_read() -> None:
    """A file with target_end_date and no horizon is scored alike; quantile rows are passed over."""
    text = (
        "origin_date,target,target_end_date,output_type,output_type_id,value,team\n"
        "2020-01-01,reach war,2020-01-31,pmf,yes,0.4,x\n"
        "2020-01-01,cases,2020-01-31,quantile,0.5,17,x\n"
    )
    (each,) = parse_forecasts(text, "case", Path("f.csv"))
    assert (each.horizon, each.probability) == (30, {"yes": 0.4})


def test_bad_rows_are_named() -> None:
    """A probability of 7, a horizon that does not fit, and a lacking column say where."""
    with pytest.raises(InvalidInputError, match=r"f.csv:2.*no probability"):
        parse_forecasts(HEADER + ROWS.replace("0.7", "7"), "case", Path("f.csv"))
    with pytest.raises(InvalidInputError, match="not 31 days"):
        parse_forecasts(HEADER + ROWS.replace(",30,", ",31,"), "case", Path("f.csv"))
    with pytest.raises(InvalidInputError, match="lacks the columns"):
        parse_forecasts("a,b\n", "case", Path("f.csv"))


def test_the_scoreboard_is_closed_and_says_all(tmp_path: Path) -> None:
    """Archived runs are found with their case; the page loads nothing and escapes names."""
    run = tmp_path / "reports" / "case-base" / "2020-01-01"
    run.mkdir(parents=True)
    (run / "forecast.csv").write_text(HEADER + ROWS.replace("reach war", "reach <war>"))
    case = tmp_path / "scenarios" / "case"
    case.mkdir(parents=True)
    (case / "resolutions.yaml").write_text(RESOLUTIONS.format(through="2020-12-31"))
    made = archived(tmp_path / "reports")
    known = of_runs(happened(tmp_path / "scenarios"), {each.case for each in made})
    assert set(known) == {"case-base"}
    record = score(made, known, date(2021, 1, 1))
    text = page(record)
    assert "://" not in text
    assert "reach &lt;war&gt;" in text
    assert "2 scored" in "\n".join(table(record))


def test_the_founding_case_has_no_hindsight(workspace: Path) -> None:
    """Nothing after 22 November 2025 is resolved for the founding case."""
    file = workspace / "scenarios/venezuela/resolutions.yaml"
    if file.exists():
        assert not read_resolutions(file).reached
