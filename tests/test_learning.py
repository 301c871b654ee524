"""The latent-intent model: the fast likelihood is the filter's, and known parameters come back."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest

from escalation.errors import InvalidInputError
from escalation.history import learned, learning
from escalation.history.learning import NAMES, PRIORS, Fit, model, values
from escalation.history.recovery import END, Recovery, page, recover, simulate, truth
from escalation.history.timelines import Timelines, timelines
from escalation.reading import scenario

WATCH = 120


@cache
def fitted() -> tuple[Timelines, Fit]:
    """A small fit to simulated histories."""
    lines = timelines(simulate(truth(), 100, watch=WATCH, seed=3), watch=WATCH, until=END)
    return lines, learning.fit(lines, seed=5, starts=2, draws=400, keep=200)


def test_the_fast_likelihood_is_the_filter_s() -> None:
    """From event to event, or day by day through `filtering`: the same, history by history."""
    lines = timelines(simulate(truth(), 25, watch=60, seed=1), watch=60, until=END)
    rng = np.random.default_rng(2)
    for z in (np.zeros(len(PRIORS)), rng.normal(size=len(PRIORS))):
        at = model(z)
        fast, _ = learning.log_likelihood(at, lines)
        np.testing.assert_allclose(fast, learning.by_filter(at, lines), rtol=1e-10, atol=1e-9)


def test_what_comes_later_does_not_change_what_was_known() -> None:
    """The state on a day depends on the events up to it alone."""
    lines = timelines(simulate(truth(), 25, watch=60, seed=1), watch=60, until=END)
    shorter = timelines(simulate(truth(), 25, watch=60, seed=1), watch=20, until=END)
    at = model(truth())
    states = {}
    for name, each in (("cut", lines.until(20)), ("short", shorter)):
        _, state = learning.log_likelihood(at, each)
        states[name] = dict(zip(each.ids, state, strict=True))
    for key, state in states["short"].items():
        np.testing.assert_allclose(states["cut"][key], state, atol=1e-12)


def test_scores_and_values_are_inverse() -> None:
    """A parameter in its unit and its normal score say the same."""
    z = np.random.default_rng(1).normal(size=len(PRIORS))
    np.testing.assert_allclose(learning.scores(values(z)), z, atol=1e-6)


def study(error: np.ndarray) -> Recovery:
    """A study whose fits are off by so many deviations, each of them 0.2."""
    deviation = np.full(error.shape, 0.2)
    return Recovery(truth(), truth() + deviation * error, deviation, 200)


def test_known_parameters_come_back() -> None:
    """Where the data rule, the posterior is centred on the truth and as wide as it should be.

    Three data sets of the stated size; with a sound fit one seed in a hundred fails at most.
    """
    result = recover(3, seed=20251122)
    assert result.ruled.sum() >= 12
    assert result.failing() == ()


def test_a_sound_study_seldom_fails_and_a_bad_one_does() -> None:
    """Of 400 sound studies about 1 % fail; fits off by 3 sd, or twice too sure, always do."""
    rng = np.random.default_rng(4)
    sound = [rng.standard_normal((6, len(NAMES))) for _ in range(400)]
    assert sum(bool(study(error).failing()) for error in sound) <= 12  # P(more) < 0.1 % at 1 %
    shifted, sure = sound[0].copy(), sound[1].copy()
    shifted[:, 3] += 3.0
    sure[:, 5] *= 4.0
    assert NAMES[3] in study(shifted).failing()
    assert NAMES[5] in study(sure).failing()
    assert NAMES[5] in page(study(sure))


def test_the_fit_says_how_it_converged() -> None:
    """The best start is no worse than the truth; starts, draws and contraction are reported."""
    lines, fit = fitted()
    at_truth = learning.log_likelihood(model(truth()), lines)[0].sum() - 0.5 * truth() @ truth()
    assert fit.log_posterior > at_truth
    assert len(fit.starts) == 2
    assert fit.starts[0] == fit.log_posterior
    assert fit.draws.shape == (200, len(PRIORS))
    assert fit.ess >= learning.TRUSTED_SHARE * fit.evaluations
    assert fit.filter_gap < 1e-9
    assert max(fit.contraction.values()) > 0.8


def test_learned_files_can_be_used(tmp_path: Path, workspace: Path) -> None:
    """What is written loads as a scenario without an error, and the draws read back."""
    _, fit = fitted()
    folder = tmp_path / "scenarios" / "learned"
    paths = learned.write(folder, fit, "A test.", workspace / "scenarios/catalogue.yaml")
    case = scenario.load(folder / "confrontation.yaml")
    assert {"over", "rest", "press", "push"} == {state.id for state in case.latent[0].states}
    median = fit.quantiles()["force -> war"][1]
    prior = case.assumptions["ladder.moves.force -> war.rate"].prior
    assert float(prior.quantile(np.array([0.5]))[0]) == pytest.approx(median, rel=0.2)
    np.testing.assert_allclose(learned.read_draws(folder / "draws.csv"), fit.draws, atol=1e-5)
    assert "contraction" in paths[-1].read_text(encoding="utf-8")


def test_draws_of_another_model_are_refused(tmp_path: Path) -> None:
    """A file whose columns are not this model's parameters says to learn again."""
    file = tmp_path / "draws.csv"
    file.write_text("a,b\n1,2\n")
    with pytest.raises(InvalidInputError, match="learn again"):
        learned.read_draws(file)


def test_the_committed_model_is_one_that_this_code_reads(workspace: Path) -> None:
    """scenarios/learned loads, and its draws are of this model."""
    folder = workspace / "scenarios/learned"
    if not folder.is_dir():
        pytest.skip("nothing learned yet")
    assert learned.read_draws(folder / "draws.csv").shape[1] == len(PRIORS)
    assert scenario.load(folder / "confrontation.yaml").ladder.name == "rung"
