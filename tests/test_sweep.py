"""What sweeps and scenario discovery promise (`escalation.sweeping`)."""

from __future__ import annotations

import json
import time
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cases import load_case, row, write_case
from chores import sweep_slowly
from escalation.engine.outcomes import outcomes, weighted_quantile
from escalation.engine.posterior import Scores
from escalation.engine.runners import Here, Processes, Result, Shared, Task, runner
from escalation.errors import InvalidInputError, InvalidValueError
from escalation.maths.sampling import normalise
from escalation.reading.ranges import Range, read_range
from escalation.reading.scenario import check
from escalation.sweeping.designs import Design, grid, latin
from escalation.sweeping.discovery import discover
from escalation.sweeping.store import read_sweep, run_sweep
from escalation.sweeping.sweep import Job, evaluate, join, prepare
from escalation.sweeping.words import regions, spread

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from escalation.reading.case import Scenario

ROWS = (
    row("fleet-1", "fleet", "2025-01-20"),
    row("threat-1", "threat", "2025-01-10", grade="B2"),
    row("shots-1", "shots", "2025-02-20", grade="B2"),
)
FIGHT = "ladder.moves.low -> high.intent.fight"
TURN = "latent.intent.moves.bluff -> fight.rate"


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Scenario:
    """The small case with some reports."""
    return load_case(tmp_path_factory.mktemp("case"), ROWS)


@pytest.fixture(scope="module")
def design(case: Scenario) -> Design:
    """A grid of 8 × 8 variants."""
    ranges = [(FIGHT, "0.1:3:8"), (TURN, "0.05:0.8:8")]
    return grid([read_range(name, text, case.assumptions) for name, text in ranges])


@pytest.fixture(scope="module")
def job(case: Scenario, design: Design) -> Job:
    """A sweep of the grid."""
    return prepare(case, design, samples=32, draws=128, horizon=40)


# --- designs


def test_grid_has_every_combination(design: Design) -> None:
    """A grid holds each combination once, both ends of each range exactly."""
    assert design.values.shape == (64, 2)
    assert len({tuple(each) for each in design.values}) == 64
    for column, each in zip(design.values.T, design.ranges, strict=True):
        assert (column.min(), column.max()) == (each.low, each.high)


def test_rates_are_even_in_the_logarithm(case: Scenario) -> None:
    """Rates and multipliers step by ratios, weights and probabilities by differences."""
    rate = read_range(TURN, "0.1:0.9:3", case.assumptions)
    assert rate.at(np.array([0.5])) == pytest.approx(0.3)
    weight = read_range("latent.intent.start.bluff", "0.1:0.9:3", case.assumptions)
    assert weight.at(np.array([0.5])) == pytest.approx(0.5)


@given(st.integers(1, 60), st.integers(0, 99))
def test_hypercube_covers_each_range(variants: int, seed: int) -> None:
    """In each range there is exactly one value in each stratum."""
    found = latin([Range("a", 0.0, 1.0), Range("b", 2.0, 5.0)], variants, seed)
    for column, each in zip(found.values.T, found.ranges, strict=True):
        share = (column - each.low) / (each.high - each.low)
        assert sorted((share * variants).astype(int)) == list(range(variants))


@pytest.mark.parametrize(
    ("text", "ends"),
    [("0.1:2:5", (0.1, 2, 5)), ("x1 to x4", (1, 4, None)), ("1e-2 : 3", (0.01, 3, None)),
     ("30d:90d:3", (30, 90, 3)), ("0.1 to 0.4", (0.1, 0.4, None))],
)  # fmt: skip
def test_ranges_are_read(case: Scenario, text: str, ends: tuple[float, float, int | None]) -> None:
    """Ranges are written with a colon or `to`, with or without the unit of the assumption."""
    found = read_range(FIGHT, text, case.assumptions)
    assert (found.low, found.high, found.points) == ends


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        (FIGHT, "0.5", "is no range"),
        (FIGHT, "2:1", "low end first"),
        (FIGHT, "0.1:2:1", "at least 2"),
        ("ladder.moves.low -> high.intent.figth", "1:2", "did you mean 'ladder"),
        ("latent.intent.start.bluff", "0.1:1.5", "between 0 and 1"),
    ],
)
def test_wrong_ranges_are_told(case: Scenario, name: str, text: str, told: str) -> None:
    """What is wrong with a range is said, with the nearest name there is."""
    with pytest.raises(InvalidValueError, match=told):
        read_range(name, text, case.assumptions)


def test_wrong_designs_are_told() -> None:
    """A design of nothing, of one thing twice, of too much or of unknown steps is refused."""
    a = Range("a", 0.0, 1.0, points=10_000)
    for ranges in ([], [a, a], [Range("a", 0.0, 1.0)], [a, Range("b", 0.0, 1.0, points=10_000)]):
        with pytest.raises(InvalidValueError):
            grid(ranges)


@pytest.mark.parametrize(
    ("block", "at", "told"),
    [
        ("{vary: {TURN.rat: 0.1:1:3}}", "TURN.rat", "did you mean 'latent"),
        ("{vary: {TURN.rate: 1:0.1:3}}", "TURN", "low end first"),
        ("{vary: {TURN.rate: much}}", "TURN", "is no range; write LOW:HIGH:N"),
        ("{vary: {TURN.rate: 0.1:1}}", "vary", "a grid needs how many values"),
        ("{vary: {TURN.rate: 0.1:1:3000000}}", "vary", "(got 3,000,000)"),
        ("{vary: {TURN.rate: 0.1:1}, variants: 2000000}", "variants", "(got 2,000,000)"),
        ("{vary: {TURN.rate: 0.1:1}, variants: 9, samples: 99999}", "samples", "at most 65,536"),
    ],
)
def test_check_finds_wrong_sweeps(tmp_path: Path, block: str, at: str, told: str) -> None:
    """`escalation check` finds what is wrong with a sweep in a file, with line and column."""
    path = write_case(tmp_path)
    before = path.read_text()
    line = f"sweep: {block}".replace("TURN", TURN.removesuffix(".rate"))
    path.write_text(f"{before}{line}\n")
    (problem,) = [each for each in check(path) if not each.warning]
    assert told in problem.message
    column = line.index(at.replace("TURN", TURN.removesuffix(".rate"))) + 1
    assert (problem.line, problem.column) == (before.count("\n") + 1, column)


def test_a_right_sweep_is_read(tmp_path: Path) -> None:
    """A sweep that can be made passes, in a Latin hypercube without numbers of values."""
    block: dict[str, Any] = {
        "vary": {TURN: "0.1 to 1", FIGHT: "0.1:1:5"},
        "variants": 50,
        "samples": 8,
    }
    assert load_case(tmp_path, changes={"sweep": block}).sweep is not None


# --- evaluation


def test_a_variant_is_itself_alone(job: Job) -> None:
    """A variant's numbers depend on nothing but it; in the same block, to the bit."""
    whole = evaluate(job, range(64))
    for variant in (0, 17, 63):
        alone = evaluate(job, range(variant, variant + 1))
        for name in ("probability", "low", "high", "ess", "log_evidence"):
            np.testing.assert_allclose(
                getattr(alone, name)[0], getattr(whole, name)[variant], rtol=1e-11
            )
    again = evaluate(job, range(64))
    np.testing.assert_array_equal(again.probability, whole.probability)


def test_against_each_variant_from_its_own_prior(case: Scenario, design: Design) -> None:
    """Reweighed posterior draws give what a variant's own prior draws give, within their errors."""
    job = prepare(case, design, samples=512, draws=512, horizon=40)
    scores = Scores(job.plan.assumptions, 5)
    z = scores.prior(1024)
    for variant in (5, 42):
        mine = evaluate(job, range(variant, variant + 1))
        values = scores.values(z)
        for name, value in zip(design.names, design.values[variant], strict=True):
            values[name] = np.full(z.shape[1], value)
        found = outcomes(job.plan, values, job.targets)
        weights, log_mean = normalise(found.loglik)
        assert mine.log_evidence[0] == pytest.approx(log_mean, abs=0.1)
        for row_, _target in enumerate(job.targets):
            reached = found.reached[-1, row_]
            assert mine.probability[0, -1, row_] == pytest.approx(weights @ reached, abs=0.01)
            assert mine.low[0, -1, row_] == pytest.approx(
                weighted_quantile(reached, weights, 0.05), abs=0.03
            )


def test_pinning_nothing_new_changes_nothing(case: Scenario) -> None:
    """A variant that pins a fixed number at its own value is the scenario itself."""
    name = "ladder.moves.high -> low.rate"
    same = Design("grid", (Range(name, 0.1, 0.3, 2),), np.array([[0.2]]))
    job = prepare(case, same, samples=64, draws=64, horizon=40)
    found = evaluate(job, range(1))
    assert found.ess[0] == pytest.approx(64)
    assert found.log_evidence[0] == pytest.approx(job.log_evidence)


def test_impossible_variants_say_so(case: Scenario) -> None:
    """Where a variant cannot explain the evidence, its numbers are none, and others stand."""
    name = "indicators.fleet.seen.intent.fight"
    both = ("indicators.fleet.seen.intent.bluff", name)
    made = Design(
        "grid",
        tuple(Range(each, 0.0, 0.5, 2) for each in both),
        np.array([[0.0, 0.0], [0.2, 0.5]]),
    )
    job = prepare(case, made, samples=16, draws=64, horizon=10)
    found = evaluate(job, range(2))
    assert found.log_evidence[0] == -np.inf
    assert np.isnan(found.probability[0]).all()
    assert np.isfinite(found.probability[1]).all()


def test_monotone_over_a_rate(case: Scenario, design: Design) -> None:
    """With nothing seen, the likelier the attack the likelier the rung, all along the grid."""
    job = prepare(case, design, samples=16, draws=64, horizon=40, as_of=case.start)
    found = evaluate(job, range(64)).probability[:, -1, job.targets.index("high")].reshape(8, 8)
    assert (np.diff(found, axis=0) > 0).all()


# --- on disk


class Stopping:
    """Does some tasks and is then killed."""

    workers = 1

    def __init__(self, after: int) -> None:
        self.after = after
        self.done = 0

    def map(
        self,
        function: Callable[[Shared, Task], Result],
        shared: Shared,
        tasks: Sequence[Task],
    ) -> Iterator[tuple[int, Result]]:
        """Yield some results, and stop as a kill would."""
        for number, task in enumerate(tasks):
            if number == self.after:
                raise KeyboardInterrupt
            self.done += 1
            yield number, function(shared, task)


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of four variants."""
    monkeypatch.setattr("escalation.sweeping.sweep.BLOCK_DRAWS", 128)


@pytest.mark.usefixtures("small_blocks")
def test_taken_up_where_it_was_killed(job: Job, tmp_path: Path) -> None:
    """A sweep that is killed goes on where it stopped, and ends as if it had not been."""
    with pytest.raises(KeyboardInterrupt):
        run_sweep(job, tmp_path / "a", Stopping(5))
    rest = Stopping(99)
    told: list[tuple[int, int]] = []
    found = run_sweep(job, tmp_path / "a", rest, lambda done, total: told.append((done, total)))
    assert rest.done == 16 - 5
    assert (told[0], told[-1]) == ((20, 64), (64, 64))
    whole = run_sweep(job, tmp_path / "b", Here())
    assert found.path.read_bytes() == whole.path.read_bytes()
    assert {each.name for each in found.path.parent.iterdir()} == {"sweep.json", "sweep.parquet"}
    again = Stopping(0)
    assert run_sweep(job, tmp_path / "a", again).path == found.path, "nothing is left to do"


@pytest.mark.usefixtures("small_blocks")
def test_taken_up_after_a_real_kill(job: Job, tmp_path: Path) -> None:
    """A process killed without warning leaves whole blocks only, and another ends its work."""
    process = get_context("spawn").Process(target=sweep_slowly, args=(job, str(tmp_path / "a"), 4))
    process.start()
    parts: list[Path] = []
    while len(parts) < 3:
        assert process.is_alive()
        time.sleep(0.02)
        parts = list(tmp_path.glob("a/*/*/parts/*.parquet"))
    process.kill()
    process.join()
    left = {path: path.stat().st_mtime_ns for path in tmp_path.glob("a/*/*/parts/*.parquet")}
    assert 3 <= len(left) < 16
    rest = Stopping(99)
    found = run_sweep(job, tmp_path / "a", rest)
    assert rest.done == 16 - len(left)
    whole = run_sweep(job, tmp_path / "b", Here())
    assert found.path.read_bytes() == whole.path.read_bytes()


def test_other_inputs_get_another_folder(
    case: Scenario, design: Design, job: Job, tmp_path: Path
) -> None:
    """A sweep is never mixed with one of other inputs."""
    other = prepare(case, design, samples=16, draws=128, horizon=40)
    folders = {run_sweep(each, tmp_path, Here()).path.parent for each in (job, other)}
    assert len(folders) == 2


def test_table_is_tidy(job: Job, tmp_path: Path) -> None:
    """One row for each variant, day and target, with the design beside the numbers."""
    parquet = pytest.importorskip("pyarrow.parquet")
    found = run_sweep(job, tmp_path, Here())
    rows = parquet.read_table(found.path).to_pylist()
    assert len(rows) == 64 * len(job.days) * len(job.targets)
    blocks = join([evaluate(job, each) for each in job.blocks()])
    last = rows[-1]
    assert list(last) == [
        "variant", FIGHT, TURN, "target", "days", "probability", "low", "high",
        "ess", "log_evidence",
    ]  # fmt: skip
    assert (last["variant"], last["days"], last["target"]) == (63, 40, job.targets[-1])
    assert (last[FIGHT], last[TURN]) == tuple(job.design.values[63])
    assert last["probability"] == blocks.probability[63, -1, -1]
    about = json.loads((found.path.parent / "sweep.json").read_text())
    assert about["samples"] == 32
    np.testing.assert_array_equal(found.block.probability, blocks.probability)
    np.testing.assert_array_equal(found.design.values, job.design.values)
    assert found.days == job.days


def test_no_sweep_there(tmp_path: Path) -> None:
    """What is no finished sweep is told with its path."""
    path = tmp_path / "sweep.parquet"
    path.write_text("nothing")
    with pytest.raises(InvalidInputError, match=r"sweep\.parquet.*no finished sweep"):
        read_sweep(path)


@pytest.mark.usefixtures("small_blocks")
def test_processes_give_the_same_bits(job: Job, tmp_path: Path) -> None:
    """Several processes give the same file as one, to the bit."""
    with runner(workers=2) as two:
        assert isinstance(two, Processes)
        found = run_sweep(job, tmp_path / "two", two)
    alone = run_sweep(job, tmp_path / "one", Here())
    np.testing.assert_array_equal(found.block.probability, alone.block.probability)
    assert found.path.read_bytes() == alone.path.read_bytes()


# --- discovery


def test_a_box_is_found() -> None:
    """A region with straight sides is found, and its measures are those of fresh variants."""
    rng = np.random.default_rng(3)
    values = rng.random((3000, 4))
    holds = (values[:, 1] > 0.4) & (values[:, 3] < 0.7)
    found = discover(values, holds, ("a", "b", "c", "d"))
    (box,) = found.boxes
    first, second = box.limits
    assert (first.name, second.name) == ("b", "d")
    assert (first.below, second.above) == (None, None)
    assert first.above == pytest.approx(0.4, abs=0.01)
    assert second.below == pytest.approx(0.7, abs=0.01)
    assert box.density > 0.97
    assert box.coverage > 0.97


def test_noise_has_no_region() -> None:
    """Where nothing varied decides, no region is made up of it: its density is told honestly."""
    rng = np.random.default_rng(4)
    found = discover(rng.random((3000, 5)), rng.random(3000) < 0.3, tuple("abcde"))
    assert found.boxes == ()
    assert found.coverage == 0


def test_all_or_nothing() -> None:
    """Where it holds everywhere or nowhere, there is nothing to divide."""
    values = np.random.default_rng(0).random((100, 2))
    for holds in (np.ones(100, bool), np.zeros(100, bool)):
        assert discover(values, holds, ("a", "b")).boxes == ()
    with pytest.raises(InvalidValueError, match="at least"):
        discover(values[:10], np.ones(10, bool), ("a", "b"))


def test_regions_are_said_in_words(job: Job, tmp_path: Path) -> None:
    """A region is said with what its assumptions are about, their values and units."""
    found = run_sweep(job, tmp_path, Here())
    middle = float(np.median(found.probability("high")))
    text = "\n".join(regions(found, "high", middle))
    assert text.startswith("In 50\N{NO-BREAK SPACE}% of the variants, High within 40 days is above")
    assert "Ladder: low → high, if intent is fight is above" in text
    assert "per 30 days" in text
    assert regions(found, "high", 0.9999) == [
        "High within 40 days is above >99\N{NO-BREAK SPACE}% in no variant."
    ]
    assert "64 variants" in spread(found, "high")[0]


def test_unknown_questions_are_refused(job: Job, tmp_path: Path) -> None:
    """A target or day that was not kept is refused, with those that were."""
    found = run_sweep(job, tmp_path, Here())
    with pytest.raises(InvalidValueError, match="it has 30, 40"):
        found.probability("high", 7)
    with pytest.raises(InvalidValueError, match="it has high, deal"):
        found.probability("low")
