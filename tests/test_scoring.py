"""The track record: forecasts are scored at their close, under each definition, never before."""

import json
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest
import scoringrules

from escalation.errors import InvalidInputError
from escalation.history.forecasts import Forecast, parse_forecasts
from escalation.history.outcomes import (
    ResolutionFile,
    highest,
    on_ladder,
    reached,
    read_resolutions,
)
from escalation.history.scoreboard import archived, happened, of_runs, page, table
from escalation.history.scoring import score

HEADER = "origin_date,target,horizon_days,target_date,output_type,output_type_id,value\n"
ROWS = (
    "2020-01-01,reach war,30,2020-01-31,pmf,yes,0.7\n"
    "2020-01-01,reach war,30,2020-01-31,pmf,no,0.3\n"
    "2020-01-01,where it ends,30,2020-01-31,pmf,war,0.6\n"
    "2020-01-01,where it ends,30,2020-01-31,pmf,peace,0.4\n"
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
    with pytest.raises(InvalidInputError, match=r"f.csv:2.*add up to 0.9, not to 1"):
        parse_forecasts(HEADER + ROWS.replace("0.7", "0.6"), "case", Path("f.csv"))
    with pytest.raises(InvalidInputError, match=r"f.csv:3.*'yes' of 'reach war' stands twice"):
        parse_forecasts(HEADER + ROWS.replace("no,0.3", "yes,0.3"), "case", Path("f.csv"))
    with pytest.raises(InvalidInputError, match=r"f.csv:2.*'soon' is not a date"):
        parse_forecasts(HEADER + ROWS.replace("2020-01-31", "soon"), "case", Path("f.csv"))
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
    assert "2 scored yes or no" in text
    assert "1 of a kind that is not scored" in "\n".join(table(record))


def test_the_founding_case_has_no_hindsight(workspace: Path) -> None:
    """Nothing after 22 November 2025 is resolved for the founding case."""
    file = workspace / "scenarios/venezuela/resolutions.yaml"
    if file.exists():
        assert not read_resolutions(file).reached


LADDER = ("calm", "sea", "land", "war")
SPELLS = """\
schema: 1
case: case
known_through: 2020-12-31
ladder: [calm, sea, land, war]
reached:
  sea:
    - {happened_on: 2020-01-10, left_on: 2020-02-20, known_on: 2020-01-10, source: A}
  land:
    - {happened_on: 2020-01-20, left_on: 2020-01-25, known_on: 2020-01-20, source: A}
    - {happened_on: 2020-02-01, left_on: 2020-02-03, known_on: 2020-02-01, definition: raids, source: A}
  talks:
    - {happened_on: 2020-02-20, known_on: 2020-02-20, source: A}
"""  # noqa: E501 (a row of a file)


def spells(tmp_path: Path) -> ResolutionFile:
    """A case that climbed to land by one definition for five days, by another for two."""
    file = tmp_path / "resolutions.yaml"
    file.write_text(SPELLS, encoding="utf-8")
    return read_resolutions(file)


def placed(target: str, close: str, shares: tuple[float, ...], case: str = "case") -> Forecast:
    """A forecast over the rungs and an off-ramp, made on 2020-01-01."""
    origin, day = date(2020, 1, 1), date.fromisoformat(close)
    said = dict(zip((*LADDER, "talks"), shares, strict=True))
    return Forecast(case, origin, target, (day - origin).days, day, said, Path("f"))


def test_where_a_case_stood_follows_from_its_spells(tmp_path: Path) -> None:
    """On the day, and at the highest since the origin, under each definition of the rungs."""
    what, origin, now = spells(tmp_path), date(2020, 1, 1), date(2021, 1, 1)

    def both(close: str) -> tuple[dict[str, int], dict[str, int]]:
        day = date.fromisoformat(close)
        return on_ladder(what, origin, day, now), highest(what, origin, day, now)

    assert both("2020-01-05") == ({"as written": 0, "land: raids": 0},) * 2
    assert both("2020-01-22") == ({"as written": 2, "land: raids": 1},) * 2
    assert both("2020-01-31") == (
        {"as written": 1, "land: raids": 1}, {"as written": 2, "land: raids": 1},
    )  # fmt: skip
    assert both("2020-03-01")[0] == {"as written": 0, "land: raids": 0}  # talks: off the ladder
    late = highest(what, date(2020, 1, 26), date(2020, 1, 31), now)
    assert late == {"as written": 1, "land: raids": 1}  # what was over by the origin is out


def test_a_state_that_was_left_may_be_reached_again(tmp_path: Path) -> None:
    """While it stands there is no question; once it is over there is one."""
    what, now = spells(tmp_path), date(2021, 1, 1)

    def asked(state: str, origin: str) -> dict[str, bool]:
        return reached(what, state, date.fromisoformat(origin), date(2020, 2, 28), now)

    assert asked("land", "2020-01-22") == {"raids": True}
    assert asked("land", "2020-01-28") == {"as written": False, "raids": True}
    assert asked("sea", "2020-01-15") == {}


def test_the_ladder_is_scored_as_scoringrules_scores_it(tmp_path: Path) -> None:
    """RPS of each reading, off-ramp with the lowest rung, against the library and by hand."""
    said = (0.3, 0.25, 0.2, 0.15, 0.1)
    asked = [placed("on ladder", "2020-01-31", said), placed("highest rung", "2020-01-31", said)]
    record = score(asked, {"case": spells(tmp_path)}, date(2021, 1, 1))
    pooled = np.array([0.4, 0.25, 0.2, 0.15])
    for target, reading, place in (
        ("on ladder", "as written", 1), ("on ladder", "land: raids", 1),
        ("highest rung", "as written", 2), ("highest rung", "land: raids", 1),
    ):  # fmt: skip
        (line,) = (
            each for each in record.ranked_lines
            if (each.target, each.definition) == (target, reading)
        )  # fmt: skip
        exact = float(((np.cumsum(pooled) - (np.arange(4) >= place)) ** 2).sum())
        assert line.rps == pytest.approx(exact, abs=1e-12)
        assert line.rps == pytest.approx(
            float(scoringrules.rps_score(place + 1, pooled)), abs=1e-12
        )
        even = float(scoringrules.rps_score(place + 1, np.full(4, 0.25)))
        assert line.skill_even == pytest.approx(1 - exact / even)
        assert line.skill_climatology == pytest.approx(line.skill_even)  # no other case: even
        assert line.skill_stays == pytest.approx(1 - exact / place)  # RPS of "calm": one a rung
        assert line.count == 1
    assert "highest rung" in "\n".join(table(record))
    assert "Where on the ladder" in page(record)


def test_ladder_climatology_counts_other_cases_that_had_closed(tmp_path: Path) -> None:
    """Shares of the rungs, half a case of each added."""
    what = spells(tmp_path)
    flat = (0.2,) * 5
    first = placed("on ladder", "2020-01-31", flat, "other")
    later = placed("on ladder", "2020-01-31", flat)
    later = replace(later, origin=date(2020, 2, 10), close=date(2020, 3, 11))
    record = score([first, later], {"case": what, "other": what}, date(2021, 1, 1))
    shares = {each.forecast.case: each.climatology for each in record.ranked}
    assert shares["other"] == (0.25,) * 4
    assert shares["case"] == pytest.approx([0.5 / 4, 2.5 / 4, 0.5 / 4, 0.5 / 4])  # two readings


def test_without_a_ladder_in_the_resolutions_the_ladder_waits(tmp_path: Path) -> None:
    """Spells alone do not say that all are listed."""
    asked = [placed("on ladder", "2020-01-31", (0.2,) * 5)]
    record = score(asked, what(tmp_path, "2020-12-31"), date(2021, 1, 1))
    assert (len(record.ranked), record.unresolved) == (0, 1)


def test_impossible_days_are_named(tmp_path: Path) -> None:
    """Left before it happened: the file, the line and both days."""
    file = tmp_path / "resolutions.yaml"
    file.write_text(SPELLS.replace("left_on: 2020-01-25", "left_on: 2020-01-15"), encoding="utf-8")
    with pytest.raises(InvalidInputError, match=r"resolutions.yaml:8.*left on 2020-01-15"):
        read_resolutions(file)


def test_a_forecast_made_after_its_target_date_is_none(tmp_path: Path) -> None:
    """It is counted, and scored only if asked for; of two in time the later one counts."""
    run = tmp_path / "case" / "runs"
    for name, started, share in (("a", "2020-01-02", 0.7), ("b", "2020-01-03", 0.6),
                                 ("c", "2020-06-01", 0.99)):  # fmt: skip
        (run / name).mkdir(parents=True)
        text = HEADER + f"2020-01-01,reach war,30,2020-01-31,pmf,yes,{share}\n"
        (run / name / "forecast.csv").write_text(text)
        (run / name / "manifest.json").write_text(json.dumps({"started": f"{started}T10:00:00"}))
    (tmp_path / "case" / "2020-01-01").symlink_to("runs/b")
    (run / ".building-x").mkdir()
    (run / ".building-x" / "forecast.csv").write_text("torn")
    made = archived(tmp_path)
    assert len(made) == 3
    record = score(made, what(tmp_path, "2020-12-31"), date(2021, 1, 1))
    assert (record.late, record.replaced) == (1, 1)
    assert {each.probability for each in record.scored} == {0.6}
    every = score(made, what(tmp_path, "2020-12-31"), date(2021, 1, 1), late=True)
    assert {each.probability for each in every.scored} == {0.99}
    assert "made after their target date" in page(record)


def test_a_file_of_somebody_else_is_scored(tmp_path: Path) -> None:
    """Other column names, another target: its own name stands in the resolutions."""
    text = (
        "reference_date,target,horizon,target_end_date,output_type,output_type_id,value\n"
        "2020-01-01,ceasefire broken,4,2020-01-31,pmf,yes,0.4\n"
        "2020-01-01,ceasefire broken,4,2020-01-31,pmf,no,0.6\n"
    )
    file = tmp_path / "resolutions.yaml"
    file.write_text(
        "schema: 1\ncase: c\nknown_through: 2020-12-31\nreached:\n  ceasefire broken:\n"
        "    - {happened_on: 2020-01-20, known_on: 2020-01-20, source: A}\n"
    )
    asked = parse_forecasts(text, "c", Path("f.csv"))
    record = score(asked, {"c": read_resolutions(file)}, date(2021, 1, 1))
    assert record.lines[0].brier == pytest.approx(0.36)
