"""Clocks, rounds over all contestants in turn, and the arithmetic limit of the machine."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


@dataclass(frozen=True)
class Taken:
    """What one contestant took in each round, in seconds."""

    rounds: tuple[float, ...]

    @property
    def least(self) -> float:
        """The least disturbed round."""
        return min(self.rounds)

    @property
    def median(self) -> float:
        """The median round."""
        return float(np.median(self.rounds))


def seconds(work: Callable[[], object], clock: Callable[[], float]) -> float:
    """Seconds that it takes by a clock."""
    begun = clock()
    work()
    return clock() - begun


def wall(work: Callable[[], object]) -> float:
    """Seconds by the clock on the wall."""
    return seconds(work, time.perf_counter)


def processor(work: Callable[[], object]) -> float:
    """Seconds of processor time, of all threads of this process."""
    return seconds(work, time.process_time)


def interleaved(works: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, Taken]:
    """Run every contestant once in every round, after one round that does not count."""
    taken: dict[str, list[float]] = {name: [] for name in works}
    for number in range(rounds + 1):
        for name, work in works.items():
            value = work()
            if number:
                taken[name].append(value)
    return {name: Taken(tuple(each)) for name, each in taken.items()}


def ratio(slow: Taken, fast: Taken) -> float:
    """How many times as long it took, the median over rounds of the ratio within a round."""
    return float(np.median(np.array(slow.rounds) / np.array(fast.rounds)))


def operation(size: int = 384) -> float:
    """Processor seconds for one floating-point operation in a matrix product, on one thread."""
    rng = np.random.default_rng(0)
    a, b = rng.random((2, size, size))
    out = np.empty_like(a)
    return processor(lambda: np.matmul(a, b, out=out)) / (2 * size**3)
