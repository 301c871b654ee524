"""The backtest: no hindsight, questions at their close, baselines by hand."""

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import papermill
import pytest

from escalation.history import backtest_page
from escalation.history.backtest import (
    BASE,
    FORECASTERS,
    HORIZONS,
    LANDMARKS,
    MODEL,
    WATCH,
    Backtest,
    backtest,
    questions,
    split_cases,
)
from escalation.history.histories import Event, History, group
from escalation.history.recovery import simulate, truth

DAY = date(2000, 1, 1)
SPLIT = date(2003, 1, 1)
UNTIL = date(2007, 12, 31)


def shifted(history: History, days: int) -> History:
    """The same history, later."""
    step = timedelta(days=days)
    events = [
        Event(each.history, each.number, each.start + step, level=each.level, side=each.side)
        for each in history.events
    ]
    return group(events)[0]


@pytest.fixture(scope="module")
def result() -> Backtest:
    """A backtest on histories simulated from the model that forecasts them."""
    early = date(1900, 1, 1)
    made = simulate(truth(), 500, watch=WATCH, seed=9)
    cases = [shifted(each, (DAY - early).days + 3 * i) for i, each in enumerate(made)]
    return backtest(cases, truth()[None, :], split=SPLIT, until=UNTIL, seed=1)


def test_questions_are_asked_of_cases_not_yet_at_war() -> None:
    """Outcomes are what follows the landmark; a case at war, or that closes too late, is out."""

    def history(name: str, *acts: tuple[int, int]) -> History:
        return group([Event(name, n, DAY + timedelta(days=d), level=level, side="A")
                      for n, (d, level) in enumerate(acts)])[0]  # fmt: skip

    cases = [
        history("again", (0, 4), (20, 4)), history("before", (0, 3), (5, 4)),
        history("war", (0, 3), (5, 5)), history("later", (0, 3), (37, 5)),
    ]  # fmt: skip
    lines, _ = split_cases(cases, SPLIT, UNTIL)
    asked = questions(lines, 7, 30)
    found = dict(zip(asked.ids, asked.outcome.tolist(), strict=True))
    assert found == {
        "again": [True, True, False], "before": [False] * 3, "later": [True, True, True],
    }  # fmt: skip
    assert questions(lines, 90, 1500).ids == ()  # closes after the training data end


def test_learning_knows_nothing_of_the_test_years() -> None:
    """Training timelines end the day before the split, also for cases that went on."""
    event = [Event("a", 0, SPLIT - timedelta(days=10), level=3),
             Event("a", 1, SPLIT + timedelta(days=1), level=4)]  # fmt: skip
    training, test = split_cases(group(event), SPLIT, UNTIL)
    assert (training.days.tolist(), training.count.tolist(), test.size) == ([9], [1], 0)


def test_every_forecast_is_a_probability_and_levels_are_nested(result: Backtest) -> None:
    """P(war) ≤ P(force) ≤ P(display) for the model, and each ladder sums to 1."""
    assert len(result.forecasts) == len(LANDMARKS) * len(HORIZONS)
    for each in result.forecasts:
        above = each.exceedance[MODEL]
        assert ((above >= 0) & (above <= 1)).all()
        assert (np.diff(above, axis=1) <= 1e-12).all()
        for name in FORECASTERS:
            np.testing.assert_allclose(each.ladder(name).sum(axis=1), 1)


def test_the_base_rate_is_the_share_of_the_training_cases(result: Backtest) -> None:
    """Every case gets the same base rate, and it gains nothing on itself."""
    for each in result.forecasts:
        assert np.ptp(each.exceedance[BASE], axis=0).max() == 0
    assert {score.gain.mean for score in result.scores if score.forecaster == BASE} == {0}


def test_the_true_model_beats_the_base_rate(result: Backtest) -> None:
    """On data that it made, the model's mean loss is below the base rate's at every horizon."""
    gains = [
        each.gain.mean
        for each in result.scores
        if (each.target, each.landmark, each.measure, each.forecaster) == ("force", 0, "log", MODEL)
    ]
    assert len(gains) == len(HORIZONS)
    assert min(gains) > 0
    bins = result.reliability["force", 30, MODEL]
    assert all(abs(b.forecast - b.observed) < 0.25 for b in bins if b.count > 50)


def test_the_page_says_what_came_out(result: Backtest) -> None:
    """The page has a verdict, and a row for each forecaster and horizon of each measure."""
    text = backtest_page.page(result, "a simulation")
    assert "## What came out" in text
    assert text.count(f"| {MODEL} |") >= len(HORIZONS) * 5
    assert "nan" not in text


def test_the_notebook_gives_the_published_page(
    workspace: Path, reference: Path, tmp_path: Path
) -> None:
    """Run by papermill, the notebook writes the page; its baselines are the published ones."""
    published = workspace / "docs/backtest.md"
    parameters = {
        "data": str(reference),
        "learned_folder": str(workspace / "scenarios/learned"),
        "draws": 2,
        "page": str(tmp_path / "backtest.md"),
    }
    notebook = workspace / "notebooks/backtest.ipynb"
    done = papermill.execute_notebook(
        str(notebook), str(tmp_path / "run.ipynb"), parameters, progress_bar=False
    )
    assert any("1,258 cases learned from, 623 tested" in str(cell) for cell in done.cells)
    today = (tmp_path / "backtest.md").read_text(encoding="utf-8").splitlines()
    written = published.read_text(encoding="utf-8").splitlines()
    for name in ("| base rate |", "| persistence |"):
        rows = [line for line in today if name in line]
        assert rows
        assert rows == [line for line in written if name in line]
