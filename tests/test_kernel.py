"""Promises of the compiled kernel and of the way to it, beyond those every path keeps."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import expm

from escalation.maths import compiled, filtering
from escalation.maths.ctmc import Chain
from escalation.maths.filtering import Evidence
from oracles import Size, chain_of, every_path, every_state, infer, log_likelihood, random_batch

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from escalation.maths.filtering import Batch, Inference, Questions

    Array = NDArray[np.float64]

built = pytest.mark.skipif(not compiled.AVAILABLE, reason="the extension was not built")

SIZES = st.builds(
    Size,
    states=st.integers(1, 9),
    members=st.integers(1, 37),
    days=st.integers(0, 12),
    horizon=st.integers(0, 9),
    segments=st.integers(1, 3),
    events=st.integers(0, 9),
    fastest=st.sampled_from([0.5, 3.0, 50.0]),
    ragged=st.booleans(),
)
OUTPUTS = ("filtered", "smoothed", "forecast", "passage")


def questions_of(batch: Batch) -> Questions:
    """All that can be asked: every state, one set, and the set of all."""
    horizon = len(batch.chain.segment) - len(batch.evidence.killing_segment)
    return every_state(batch, horizon, [batch.chain.states - 1], range(batch.chain.states))


def harsh(batch: Batch, seed: int) -> Batch:
    """Some rates and silences zero, some members' reports impossible, some all but impossible."""
    rng = np.random.default_rng(seed)
    chain, seen = batch.chain, batch.evidence
    likelihood = np.where(rng.random(seen.likelihood.shape) < 0.1, 0.0, seen.likelihood)
    likelihood = np.where(rng.random(likelihood.shape) < 0.1, likelihood * 1e-300, likelihood)
    return replace(
        batch,
        chain=replace(chain, rates=chain.rates * (rng.random(chain.rates.shape) < 0.8)),
        evidence=replace(
            seen,
            killing=seen.killing * (rng.random(seen.killing.shape) < 0.5),
            likelihood=likelihood,
        ),
    )


def numbers(inference: Inference) -> list[NDArray[Any]]:
    """Every array of an inference."""
    likelihood = inference.likelihood
    return [
        likelihood.loglik,
        likelihood.increment,
        likelihood.impossible,
        likelihood.filtered,
        *(getattr(inference, name) for name in OUTPUTS),
    ]


def by_kernel(
    batch: Batch, questions: Questions, threads: int = 0, chunk: int = 1024, variant: str = ""
) -> Inference:
    """An inference by the kernel, on so many threads, in chunks of so many members."""
    prepared = compiled.prepare(batch, questions)
    prepared.run(threads=threads, chunk=chunk, variant=variant)
    return filtering.Inference(prepared.likelihood, *prepared.outputs)


@built
@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), size=SIZES)
def test_the_kernel_is_the_numpy_path(seed: int, size: Size) -> None:
    """1e-12, whatever the shape, the rates and the evidence, impossible members included."""
    batch = harsh(random_batch(seed, size), seed)
    questions = questions_of(batch)
    kernel, plain = (infer(batch, questions, path) for path in ("kernel", "numpy"))
    np.testing.assert_array_equal(kernel.likelihood.impossible, plain.likelihood.impossible)
    for one, other in zip(numbers(kernel), numbers(plain), strict=True):
        assert not np.isnan(one).any()
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-12)


@every_path
def test_impossible_evidence_of_one_member_leaves_the_others_alone(path: str) -> None:
    """A member whose report cannot be has −inf and the report's number, its neighbours nothing."""
    size = Size(states=4, members=20, events=4)
    batch = random_batch(5, size)
    seen = batch.evidence
    day = np.array([[0], [2], [2], [6]], dtype=np.int32)
    seen = replace(seen, event_day=day, event_table=np.array([[0], [1], [2], [1]], np.int32))
    none = seen.likelihood.copy()
    none[seen.table[2], 7] = 0.0
    sound = log_likelihood(replace(batch, evidence=seen), path)
    struck = log_likelihood(replace(batch, evidence=replace(seen, likelihood=none)), path)
    assert struck.loglik[7] == -np.inf
    assert struck.increment[2, 7] == -np.inf
    assert struck.impossible.tolist() == [-1] * 7 + [2] + [-1] * 12
    others = np.arange(20) != 7
    np.testing.assert_array_equal(struck.loglik[others], sound.loglik[others])
    np.testing.assert_array_equal(struck.filtered[:, others], sound.filtered[:, others])


@every_path
def test_likelihoods_of_1e_minus_300_are_numbers(path: str) -> None:
    """Reports all but impossible in the only states that can be, day after day, are no NaN."""
    batch = random_batch(1, Size(states=3, members=2, days=9, events=9))
    start = np.array([[1.0, 0.5], [0.0, 0.5], [0.0, 0.0]])
    seen = replace(
        batch.evidence,
        likelihood=np.array([[1e-300], [1e-300], [1.0]]),
        table=np.array([[0, 1, 2]], dtype=np.int32),
        log_scale=np.zeros((1, 1)),
        event_day=np.array([[1], [1], [2], [3], [4], [5], [6], [9], [9]], dtype=np.int32),
        event_table=np.zeros((9, 1), dtype=np.int32),
    )
    still = replace(batch.chain, rates=np.zeros_like(batch.chain.rates))
    batch = replace(batch, start=start, chain=still, evidence=seen)
    answer = infer(batch, questions_of(batch), path)
    assert all(np.isfinite(values).all() for values in numbers(answer))
    np.testing.assert_allclose(answer.likelihood.increment, np.log(1e-300), rtol=1e-12)
    np.testing.assert_array_equal(answer.filtered[:, 2], 0.0)


@every_path
def test_five_years_ahead(path: str) -> None:
    """Occupancy and passage after 1,825 days are those of one matrix exponential."""
    ladder = [
        [-0.004, 0.004, 0.0, 0.0],
        [0.01, -0.013, 0.003, 0.0],
        [0.0, 0.02, -0.0201, 0.0001],
        [0.0, 0.0, 0.05, -0.05],
    ]
    generator = np.array(ladder)
    evidence = Evidence.none(1)
    start = np.array([[1.0], [0.0], [0.0], [0.0]])
    batch = filtering.Batch(
        start, chain_of(generator[None], 1826), evidence, np.ones(1, dtype=np.int32)
    )
    answer = infer(batch, every_state(batch, 1825, [3]), path)
    np.testing.assert_allclose(
        answer.forecast[-1, :, 0], (start.T @ expm(generator * 1826))[0], rtol=0, atol=1e-11
    )
    absorbing = np.vstack([generator[:3], np.zeros(4)])
    day_one = (start.T @ expm(generator))[0]
    np.testing.assert_allclose(
        answer.passage[[1, 900, 1825], 0, 0],
        [(day_one @ expm(absorbing * days))[3] for days in (1, 900, 1825)],
        rtol=1e-9,
    )


@built
@pytest.mark.parametrize("ragged", [False, True])
def test_threads_and_chunks_do_not_change_a_bit(ragged: bool) -> None:
    """The same bits on one thread or three, in chunks of any size."""
    size = Size(states=7, members=203, days=20, horizon=9, events=8, ragged=ragged)
    batch = random_batch(11, size)
    questions = questions_of(batch)
    whole = numbers(by_kernel(batch, questions, threads=1, chunk=1024))
    for threads, chunk in ((1, 16), (2, 1024), (3, 32), (2, 16)):
        again = numbers(by_kernel(batch, questions, threads=threads, chunk=chunk))
        for one, other in zip(whole, again, strict=True):
            np.testing.assert_array_equal(one, other)


@built
def test_little_work_starts_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few draws are done where they are asked for: threads would cost more than they save."""
    few = random_batch(13, Size(states=5, members=40, days=20))
    many = random_batch(13, Size(states=5, members=40_000, days=20))
    monkeypatch.setattr(compiled, "_processors", lambda: 2)
    started = []

    class Pool(ThreadPoolExecutor):
        def __init__(self, workers: int) -> None:
            started.append(workers)
            super().__init__(workers)

    monkeypatch.setattr(compiled, "ThreadPoolExecutor", Pool)
    compiled.log_likelihood(few)
    assert started == []
    compiled.log_likelihood(many)
    assert started == [2]


@built
def test_a_log_likelihood_does_not_know_its_neighbours() -> None:
    """Of draws of one timeline, each has the same bits in any company."""
    batch = random_batch(12, Size(states=6, members=50, days=30, events=0, fastest=20.0))
    every = log_likelihood(batch, "kernel")
    for member in (0, 17, 49):
        alone = log_likelihood(batch.part(slice(member, member + 1)), "kernel")
        assert alone.loglik[0] == every.loglik[member]
        np.testing.assert_array_equal(alone.filtered[:, 0], every.filtered[:, member])


@built
def test_instruction_sets_agree() -> None:
    """Every instruction set that runs here gives the same numbers to rounding."""
    batch = random_batch(13, Size(states=8, members=40, days=15, horizon=8, events=6, ragged=True))
    questions = questions_of(batch)
    first, *others = (
        numbers(by_kernel(batch, questions, variant=name)) for name in compiled.VARIANTS
    )
    for other in others:
        for one, two in zip(first, other, strict=True):
            np.testing.assert_allclose(one, two, rtol=1e-12, atol=1e-13)
    with pytest.raises(ValueError, match="does not run here"):
        by_kernel(batch, questions, variant="abacus")


# --- what is refused


SPOILED: dict[str, Callable[[Batch], Batch]] = {
    "start": lambda batch: replace(batch, start=batch.start[:-1]),
    "days": lambda batch: replace(batch, days=batch.days + 1),
    "rates": lambda batch: replace(batch, chain=replace(batch.chain, rates=-batch.chain.rates)),
    "source": lambda batch: replace(
        batch, chain=replace(batch.chain, source=batch.chain.source + batch.chain.states)
    ),
    "row": lambda batch: replace(batch, chain=replace(batch.chain, row=batch.chain.row - 9)),
    "segment": lambda batch: replace(
        batch, chain=replace(batch.chain, segment=batch.chain.segment[:-1])
    ),
    "multipliers": lambda batch: replace(
        batch, chain=replace(batch.chain, multipliers=np.full((2, 2, 1), np.nan))
    ),
    "killing": lambda batch: evidence(batch, killing=batch.evidence.killing[:, :-1]),
    "killing_segment": lambda batch: evidence(
        batch, killing_segment=batch.evidence.killing_segment + 9
    ),
    "event_day": lambda batch: evidence(batch, event_day=batch.evidence.event_day[::-1]),
    "event_table": lambda batch: evidence(batch, event_table=batch.evidence.event_table * 1.0),
    "table": lambda batch: evidence(batch, table=batch.evidence.table + 1),
    "likelihood": lambda batch: evidence(batch, likelihood=batch.evidence.likelihood * np.inf),
    "log_scale": lambda batch: evidence(batch, log_scale=batch.evidence.log_scale[:-1]),
}


def evidence(batch: Batch, **changes: NDArray[Any]) -> Batch:
    """The batch with its evidence changed."""
    fields = {**vars(batch.evidence), **changes}
    return replace(batch, evidence=Evidence(**fields))


@every_path
@pytest.mark.parametrize("name", SPOILED)
@pytest.mark.filterwarnings("ignore:invalid value encountered")
def test_arrays_that_do_not_fit_are_refused_by_name(path: str, name: str) -> None:
    """A wrong shape, type, index or number is an error that says which array it is in."""
    batch = random_batch(3, Size(states=4, members=3, events=4))
    spoiled = SPOILED[name](batch)
    with pytest.raises(ValueError, match=name):
        infer(spoiled, questions_of(batch), path)


@every_path
def test_questions_that_do_not_fit_are_refused(path: str) -> None:
    """Questions for another number of states, or beyond the chain's days, are errors."""
    batch = random_batch(3, Size(states=4, members=3))
    asked = questions_of(batch)
    with pytest.raises(ValueError, match="passage"):
        infer(batch, replace(asked, passage=asked.passage[:, :-1]), path)
    with pytest.raises(ValueError, match="segment"):
        infer(batch, replace(asked, horizon=asked.horizon + 1), path)


@built
@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_the_kernel_never_trusts_an_index(data: st.DataObject) -> None:
    """Any integer put anywhere in its arrays is refused, or makes numbers: never a crash."""
    batch = random_batch(3, Size(states=4, members=3, events=4, ragged=True))
    given_arrays = list(compiled.prepare_arrays(batch, questions_of(batch))[0])
    places = [at for at, array in enumerate(given_arrays) if array.size]
    at = data.draw(st.sampled_from(places))
    spoiled = given_arrays[at].copy()
    where = data.draw(st.integers(0, spoiled.size - 1))
    edges = st.sampled_from([-(2**31), -2, -1, 0, 1, 2, 5, 99, 2**31 - 1])
    spoiled.flat[where] = data.draw(edges)
    given_arrays[at] = spoiled
    try:
        checked = compiled.problem(tuple(given_arrays), 3, True)
        compiled.run(checked, 0, batch.size, compiled.VARIANTS[0])
    except ValueError:
        pass


@built
def test_the_kernel_checks_what_it_is_handed() -> None:
    """Arrays of another type, order, length or owner are refused before they are read."""
    batch = random_batch(3, Size(states=4, members=3, events=4))
    good = compiled.prepare_arrays(batch, questions_of(batch))[0]
    read_only = good[-1].copy()
    read_only.flags.writeable = False
    wrong: list[tuple[Any, ...]] = [
        good[:-1],
        (good[0].astype(np.float32), *good[1:]),
        (np.asfortranarray(good[0]), *good[1:]),
        (good[0][:, :-1].copy(), *good[1:]),
        (None, *good[1:]),
        (*good[:-1], read_only),
    ]
    for arrays in wrong:
        with pytest.raises((ValueError, TypeError, BufferError)):
            compiled.problem(arrays, 3, True)
    checked = compiled.problem(good, 3, True)
    for first, last in ((-1, 2), (2, 1), (0, 4)):
        with pytest.raises(ValueError, match="members"):
            compiled.run(checked, first, last, compiled.VARIANTS[0])


# --- which path, and what it costs


def python(program: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a program in a fresh interpreter."""
    return subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


ABSENT = "import sys; sys.modules['escalation.maths._kernel'] = None\n"


@pytest.mark.skipif(
    shutil.which("cc") is None
    or not Path(sysconfig.get_path("include"), "Python.h").exists()
    or "ESCALATION_NO_KERNEL" in os.environ,
    reason="there is no C compiler, no Python.h, or ESCALATION_NO_KERNEL is set",
)
def test_where_there_is_a_compiler_there_is_a_kernel() -> None:
    """The slower path is not used in silence because a build went wrong."""
    assert compiled.AVAILABLE, "install again with 'pip install -v' and read why it was not built"


def test_without_the_extension_numpy_serves() -> None:
    """Where the extension is absent the import succeeds, and the NumPy path is the one in use."""
    shown = python(f"{ABSENT}from escalation.maths import filtering as f; print(f.PATHS, f.PATH)")
    assert shown.stdout.split() == ["('numpy',)", "numpy"], shown.stderr


def test_a_path_asked_for_by_name_is_used_or_refused() -> None:
    """ESCALATION_PATH chooses; what is not here is an error of the package, with a way out."""
    program = (
        "from escalation import errors; from escalation.maths import filtering as f\n"
        "import numpy as np\n"
        "from escalation.maths.ctmc import Chain\n"
        "chain = Chain.constant([0], [1], [[0.5]], 2)\n"
        "batch = f.Batch(np.ones((2, 1)) / 2, chain, f.Evidence.none(1), np.ones(1, np.int32))\n"
        "try: print(f.PATH, f.log_likelihood(batch).loglik[0] == 0)\n"
        "except errors.EscalationError as error: print('refused', error)\n"
    )
    assert python(program, ESCALATION_PATH="numpy").stdout.startswith("numpy")
    refused = python(ABSENT + program, ESCALATION_PATH="kernel").stdout
    assert refused.startswith("refused")
    assert "compiler" in refused


@built
def test_many_draws_need_little_memory() -> None:
    """65,536 log-likelihoods need their inputs and outputs, and 30 MB beside them."""
    program = (
        "import resource, sys, numpy as np\n"
        "sys.path.insert(0, 'tests')\n"
        "from dataclasses import replace\n"
        "from oracles import Size, random_batch\n"
        "from escalation.maths import filtering\n"
        "def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024\n"
        "size = Size(states=24, members=65536, days=60, horizon=0, events=20, fastest=0.3)\n"
        "batch = random_batch(1, size)\n"
        "filtering.log_likelihood(batch.part(slice(0, 64)), path='kernel')\n"
        "before = peak(); filtering.log_likelihood(batch, path='kernel'); print(peak() - before)\n"
    )
    shown = python(program, OPENBLAS_NUM_THREADS="1")
    assert float(shown.stdout) < 54, shown.stderr


@built
@given(st.integers(0, 2**32 - 1), st.sampled_from([1, 3, 20]), st.sampled_from([0.1, 3.0, 40.0]))
@settings(max_examples=30)
def test_centred_series_keep_the_digits_of_improbable_states(
    seed: int, days: int, killed: float
) -> None:
    """Nothing turns negative; a state that is killed at once has all its digits, a move away."""
    rng = np.random.default_rng(seed)
    states, members = 7, 20
    rungs = np.arange(states - 1)
    rates = 10 ** rng.uniform(-6, -1, (2 * len(rungs), members))
    chain = Chain.constant([*rungs, *(rungs + 1)], [*(rungs + 1), *rungs], rates, states, days=days)
    start = np.zeros((states, members))
    start[0] = 1.0
    killing = killed * rng.random((1, states, members))
    killing[0, :2] = [[0.0], [killed]]
    evidence = replace(
        Evidence.none(days), killing=killing, killing_segment=np.zeros(days, dtype=np.int32)
    )
    batch = filtering.Batch(start, chain, evidence, np.full(members, days, dtype=np.int32))
    twin = log_likelihood(batch, path="numpy")
    found = log_likelihood(batch, path="kernel")
    assert found.filtered.min() > 0
    assert np.allclose(found.filtered, twin.filtered, rtol=0, atol=1e-14)
    assert twin.filtered[1].min() < 1e-3
    np.testing.assert_allclose(found.filtered[:2], twin.filtered[:2], rtol=1e-12)
    np.testing.assert_allclose(found.loglik, twin.loglik, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("path", filtering.PATHS)
@pytest.mark.parametrize("killed", [0.0, 1500.0])
def test_smoothing_stands_any_number_of_parts(path: str, killed: float) -> None:
    """Where a day takes many parts, smoothed probabilities are still those of the chain."""
    chain = Chain.constant([0, 1], [1, 0], [[900.0], [300.0]], 2, days=3)
    evidence = replace(
        Evidence.none(2),
        killing=np.array([[[0.0], [killed]]]),
        killing_segment=np.array([-1, 0], dtype=np.int32),
    )
    start = np.array([[0.5], [0.5]])
    batch = filtering.Batch(start, chain, evidence, np.full(1, 2, dtype=np.int32))
    found = infer(batch, every_state(batch, 1), path).smoothed[..., 0]
    quiet = chain.at(0).dense()[0]
    silent = quiet - np.diag([0.0, killed])
    begins = [start[:, 0], start[:, 0] @ expm(quiet)]
    begins.append(begins[1] @ expm(silent))
    ends = [expm(quiet) @ expm(silent) @ np.ones(2), expm(silent) @ np.ones(2), np.ones(2)]
    expected = np.array(begins) * np.array(ends)
    np.testing.assert_allclose(found, expected / expected.sum(axis=1)[:, None], atol=1e-9)
