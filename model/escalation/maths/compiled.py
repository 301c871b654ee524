"""The compiled path of `filtering`: hands the arrays of a batch to the extension `_kernel`.

The kernel does what `recursions` does, for 16 batch members at a time in the lanes of vector
registers: without the interpreter's lock, in working memory that it uses again for the next
ones, and where there is work enough, on as many threads as there are processors, each on its own
members. The bits of a member depend neither on the thread nor on its neighbours. Which
instruction set serves is decided when it is loaded. The kernel checks shapes, types and indices
before it touches them.

Where the extension was not built, `AVAILABLE` is False and `recursions` serves.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from escalation.maths.batches import Batch, Inference, Likelihood, Questions
from escalation.maths.ctmc import Chain, terms_table
from escalation.maths.graphs import Blocks, side_by_side
from escalation.maths.steps import forecast_steps, history_steps

try:
    from escalation.maths._kernel import LANES, MOST_DAYS, SHIFT, VARIANTS, problem, run
except ImportError:  # not built: no compiler
    LANES, MOST_DAYS, SHIFT, VARIANTS = 1, 1, 0.0, ()

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]
    Index = NDArray[np.int32]
    Moves = tuple[int, int, bool, bytes, bytes, bytes]

__all__ = [
    "AVAILABLE",
    "VARIANTS",
    "Prepared",
    "infer",
    "log_likelihood",
    "prepare",
    "prepare_arrays",
    "problem",
    "run",
]

AVAILABLE = bool(VARIANTS)
CHUNK = 1024
LINE = 8  # numbers in a line of the cache
WORTH = 1e7  # edges times days times members, some 30 ms: below it threads cost what they save


@dataclass(frozen=True)
class Prepared:
    """A batch made ready for the kernel, and the arrays that it writes to."""

    problem: object
    size: int
    work: float  # edges times days times members
    likelihood: Likelihood
    outputs: tuple[Array, Array, Array, Array]  # filtered, smoothed, forecast, passage

    def run(self, *, threads: int = 0, chunk: int = CHUNK, variant: str = "") -> float:
        """Compute, and return the floating-point operations needed.

        Parameters
        ----------
        threads : int
            0: as many as there are processors, or one where starting others costs more.
        chunk : int
            Members that a thread takes at a time, at most.
        variant : str
            Instruction set, one of `VARIANTS`; by default the best here.
        """
        workers = threads or (_processors() if self.work >= WORTH else 1)
        share = -(-self.size // workers)
        step = max(LANES, min(chunk, share) // LANES * LANES)
        begins = range(0, self.size, step)

        def one(begin: int) -> float:
            end = min(begin + step, self.size)
            return run(self.problem, begin, end, variant or VARIANTS[0])

        if workers == 1 or len(begins) == 1:
            return sum(map(one, begins))
        with ThreadPoolExecutor(workers) as pool:
            return sum(pool.map(one, begins))


def log_likelihood(batch: Batch) -> Likelihood:
    """Forward filter only."""
    prepared = prepare(batch, None)
    prepared.run()
    return prepared.likelihood


def infer(batch: Batch, questions: Questions) -> Inference:
    """Filter, smooth, forecast and first passages."""
    prepared = prepare(batch, questions)
    prepared.run()
    return Inference(prepared.likelihood, *prepared.outputs)


def prepare(batch: Batch, questions: Questions | None) -> Prepared:
    """Make a batch ready; without questions, for log-likelihoods only."""
    arrays, likelihood, outputs = prepare_arrays(batch, questions)
    checked = problem(arrays, _diameter(_moves(batch.chain)), questions is not None)
    return Prepared(checked, batch.size, _work(batch, questions), likelihood, outputs)


def prepare_arrays(
    batch: Batch, questions: Questions | None
) -> tuple[tuple[NDArray[Any], ...], Likelihood, tuple[Array, Array, Array, Array]]:
    """All arrays of a batch in the kernel's order, and those among them that it writes to."""
    keep = questions is not None
    states, size = batch.chain.states, batch.size
    asked = questions or Questions(0, _empty(0, states), np.zeros((0, states), dtype=bool))
    past = history_steps(batch, MOST_DAYS if keep else None)
    ahead = forecast_steps(batch, asked.horizon, MOST_DAYS)
    likelihood = Likelihood(
        np.zeros(size),
        np.zeros((len(batch.evidence.event_day), size)),
        np.zeros(size, dtype=np.int32),
        np.zeros((states, size)),
    )
    outputs = _outputs(batch, asked, keep=keep)
    arrays = (
        *_inputs(batch),
        past,
        ahead,
        terms_table(lossless=False, shift=SHIFT),
        terms_table(lossless=True),
        *_rows(asked, batch.chain),
        likelihood.loglik,
        likelihood.increment,
        likelihood.impossible,
        likelihood.filtered,
        *outputs,
    )
    return arrays, likelihood, outputs


def _work(batch: Batch, questions: Questions | None) -> float:
    """Edges times days times members, roughly: chains outside a set have half the edges."""
    days = float(batch.days.max(initial=0))
    if questions is not None:
        days = 2 * days + questions.horizon * (1 + len(questions.passage) / 2)
    return (len(batch.chain.source) + batch.chain.states) * days * batch.size


def _processors() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _outputs(
    batch: Batch, questions: Questions, *, keep: bool
) -> tuple[Array, Array, Array, Array]:
    if not keep:
        none = np.zeros((0, 0, 0))
        return none, none, none, none
    past, ahead = int(batch.days.max(initial=0)) + 1, questions.horizon + 1
    rows, sets, size = questions.rows, len(questions.passage), batch.size
    return (
        _aligned(past, rows, size),
        _aligned(past, rows, size),
        _aligned(ahead, rows, size),
        _aligned(ahead, sets, size),
    )


def _aligned(*shape: int) -> Array:
    """An array that begins where a line of the cache does, so that blocks share none."""
    count = int(np.prod(shape))
    memory = np.empty(count + LINE)
    begin = -memory.ctypes.data % (8 * LINE) // 8
    return memory[begin : begin + count].reshape(shape)


def _real(array: NDArray[Any]) -> Array:
    return np.ascontiguousarray(array, dtype=np.float64)


def _whole(array: NDArray[Any]) -> Index:
    return np.ascontiguousarray(array, dtype=np.int32)


def _empty(*shape: int) -> Index:
    return np.zeros(shape, dtype=np.int32)


def _inputs(batch: Batch) -> tuple[NDArray[Any], ...]:
    chain, evidence = batch.chain, batch.evidence
    none = np.zeros((0, chain.states, 1))
    width = max(evidence.event_day.shape[1], evidence.event_table.shape[1])
    events = (len(evidence.event_day), width)

    def wide(array: Index) -> Index:
        return _whole(array if array.shape == events else np.broadcast_to(array, events))

    return (
        _real(batch.start),
        _real(chain.rates),
        _whole(chain.modulator),
        _real(chain.multipliers),
        _whole(chain.segment),
        _real(evidence.killing) if evidence.killing.size else none,
        _whole(evidence.killing_segment),
        wide(evidence.event_day),
        wide(evidence.event_table),
        _whole(evidence.table) if evidence.table.size else _empty(0, chain.states),
        _real(evidence.likelihood),
        _real(evidence.log_scale),
        _whole(batch.days),
    )


def _rows(questions: Questions, chain: Chain) -> tuple[Index, ...]:
    """The states of each marginal row, as offsets and two lists; places and edges of graphs."""
    place, *graphs = _graphs(_moves(chain), np.ascontiguousarray(questions.passage).tobytes())
    if not questions.rows:
        return _empty(1), _empty(0), _empty(0), place, *graphs
    states = np.tile(np.arange(questions.marginal.shape[1]), len(questions.marginal))
    rows = questions.marginal.ravel()
    counts = np.bincount(rows, minlength=questions.rows)
    states = states[np.argsort(rows, kind="stable")]
    first = np.append(0, np.cumsum(counts))
    return _whole(first), _whole(states), _whole(place[0, states]), place, *graphs


def _moves(chain: Chain) -> Moves:
    """States, number of rates, and the moves of a chain: all that its graphs depend on."""
    source, target, row = (
        _whole(each).tobytes() for each in (chain.source, chain.target, chain.row)
    )
    return chain.states, len(chain.rates), chain.turned, source, target, row


def _skeleton(moves: Moves) -> Chain:
    """A chain with these moves, whose rates are of no account."""
    states, rates, turned, *parts = moves
    source, target, row = (np.frombuffer(each, dtype=np.int32) for each in parts)
    none, zeros = np.zeros((0, 0, 1)), np.zeros((rates, 1))
    modulator = np.zeros(rates, np.int32)
    return Chain(states, source, target, row, zeros, modulator, none, _empty(0), turned)


@lru_cache(maxsize=256)
def _diameter(moves: Moves) -> int:
    return _skeleton(moves).diameter


@lru_cache(maxsize=256)
def _graphs(moves: Moves, sets: bytes) -> tuple[Index, ...]:
    """Graphs of chains with these moves: made once for all the batches that have them."""
    chain = _skeleton(moves)
    inside = np.frombuffer(sets, dtype=np.bool_).reshape(-1, chain.states)
    ahead, place = side_by_side(chain, inside)
    graphs = (chain.forward, chain.backward, ahead)
    nothing = len(chain.rates) + chain.states + 1
    blocks = [Blocks.cut(graph, nothing) for graph in graphs]
    sizes = [(graph.states, len(each.shape)) for graph, each in zip(graphs, blocks, strict=True)]
    return (
        _whole(place),
        _whole(np.array(sizes)),
        _whole(np.concatenate([each.shape for each in blocks])),
        _whole(np.concatenate([each.rate for each in blocks])),
        _whole(np.concatenate([each.source for each in blocks])),
    )
