from typing import Any

VARIANTS: tuple[str, ...]
LANES: int
MOST_DAYS: int
SHIFT: float

def problem(arrays: tuple[Any, ...], least_terms: int, keep: bool, /) -> object: ...
def run(problem: object, first: int, last: int, variant: str, /) -> float: ...
