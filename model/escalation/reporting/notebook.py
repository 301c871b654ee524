"""What the report notebook calls: from its parameters to an assessment, and to files.

The notebook is run by our own command, by plain papermill and by jupyter-scheduler, so every
parameter may come as a text, even one in quotes, and the working folder may be anywhere.

>>> as_day("2025-11-22"), as_day("'2025-11-22'"), as_day("")
(datetime.date(2025, 11, 22), datetime.date(2025, 11, 22), None)
>>> as_whole("'4096'", "draws")
4096
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from escalation.engine.assessment import DRAWS, SEED, Assessment, assess
from escalation.errors import InvalidValueError
from escalation.reading.documents import Workspace
from escalation.reading.scenario import load
from escalation.reporting.earlier import Earlier, earlier
from escalation.reporting.progress import MARK
from escalation.reporting.provenance import git_state, inputs
from escalation.reporting.record import forecast, result, to_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

WORKSPACE = "ESCALATION_WORKSPACE"
OUT = "ESCALATION_OUT"
EARLIER = "ESCALATION_EARLIER"
_STEP = 0.02


@dataclass(frozen=True)
class Run:
    """An assessment, and what it was made from."""

    assessment: Assessment
    provenance: Mapping[str, object]


def begin(
    scenario: object, *, as_of: object = "", draws: object = DRAWS, seed: object = SEED
) -> Run:
    """Read and assess a scenario.

    Parameters
    ----------
    scenario : path
        Absolute, or from the workspace or the working folder.
    as_of : date or text
        Blank: the scenario's own.
    draws, seed : int or text

    Raises
    ------
    EscalationError
        If a parameter, the scenario or the evidence cannot be used.
    """
    case = load(find(scenario), as_of=as_day(as_of))
    count, key = as_whole(draws, "draws"), as_whole(seed, "seed")
    provenance = {
        **inputs(case, case.as_of, count, key),
        "git": git_state(Workspace.of(case.path).root),
    }
    return Run(assess(case, draws=count, seed=key, progress=_reporter()), provenance)


def _reporter() -> Callable[[float], None]:
    """Return what prints how much is done, over and over on one line."""
    said = -1.0

    def report(share: float) -> None:
        nonlocal said
        if share >= 1 or share - said >= _STEP:
            said = share
            print(f"{MARK} {share:.0%}", end="\r", flush=True)  # noqa: T201 (a notebook shows it)

    return report


def before() -> Earlier | None:
    """Return the report in the folder that `ESCALATION_EARLIER` names, made again if it can be."""
    folder = os.environ.get(EARLIER, "")
    return earlier(Path(folder)) if folder else None


def save(run: Run, out: object = "", more: Mapping[str, object] | None = None) -> None:
    """Write `result.json`, with what there is more of it, and `forecast.csv` into a folder.

    A blank one is the folder that `ESCALATION_OUT` names; if that is blank too, nothing is
    written: who opens a finished report and runs it again does not change it.
    """
    folder = unquoted(out) or os.environ.get(OUT, "")
    if not folder:
        return
    data = result(run.assessment, run.provenance) | dict(more or {})
    Path(folder, "result.json").write_text(to_json(data), encoding="utf-8")
    Path(folder, "forecast.csv").write_text(forecast(run.assessment), encoding="utf-8")


def find(path: object) -> Path:
    """Return a file of the workspace, wherever the working folder is.

    A relative path is tried from the folder that `ESCALATION_WORKSPACE` names, from the working
    folder and those above it, and from those above the package (an editable install).

    Raises
    ------
    InvalidValueError
        If there is none.
    """
    wanted = Path(unquoted(path))
    for folder in _folders():
        if (folder / wanted).is_file():
            return folder / wanted
    raise InvalidValueError(
        f"no file '{wanted}' from {Path.cwd()} upwards; set {WORKSPACE} to the folder that holds "
        "scenarios/, or give an absolute path"
    )


def _folders() -> Iterator[Path]:
    if named := os.environ.get(WORKSPACE):
        yield Path(named)
    yield from (Path.cwd(), *Path.cwd().parents)
    yield from Path(__file__).resolve().parents


def unquoted(value: object) -> str:
    """Return a parameter as a text, without the quotes that some schedulers leave."""
    text = str(value).strip()
    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
        return text[1:-1].strip()
    return text


def as_day(value: object) -> date | None:
    """Return a parameter as a day; blank or None: None.

    Raises
    ------
    InvalidValueError
        If it is no date.
    """
    text = unquoted(value)
    if value is None or not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise InvalidValueError(f"as_of: '{text}' is no date; write 2025-11-22") from error


def as_whole(value: object, name: str) -> int:
    """Return a parameter as a whole number.

    Raises
    ------
    InvalidValueError
        If it is none.
    """
    try:
        return int(unquoted(value))
    except ValueError as error:
        raise InvalidValueError(f"{name}: '{value}' is no whole number") from error
