"""Sweeps on disk: tidy Parquet, written block by block, taken up again where they stopped.

    reports/sweep/venezuela-baseline/2025-11-22-3f9c0a51d2e4/     named by the digest of its inputs
      sweep.json            what it was made from, and the design
      parts/000000.parquet  blocks that are finished, while it is under way
      sweep.parquet         one row for each variant, target and day, when it is done

Every file is written aside and renamed, so that what is there is whole. The same command goes on
where it was stopped; other inputs get another folder. Columns of `sweep.parquet`: `variant`,
one for each varied assumption by its dotted name, `target`, `days`, `probability`, `low`,
`high`, `ess`, `log_evidence` (`docs/compare.md`). Parquet is read and written by Apache Arrow
(https://arrow.apache.org/docs/python), the extra `sweep`.
"""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from escalation.engine.runners import identity
from escalation.errors import InvalidInputError, InvalidValueError, Problem, RunError
from escalation.reading.naming import TIMES, in_words, unit
from escalation.reading.ranges import Range
from escalation.reporting.provenance import inputs, inputs_digest
from escalation.sweeping.designs import Design
from escalation.sweeping.sweep import Block, Job, evaluate

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from escalation.engine.runners import Runner
    from escalation.reading.case import Assumption

    Array = NDArray[np.float64]

SCHEMA = 1
KEY = 12  # hexadecimal digits of a digest that stand in a folder's name
TABLE, ABOUT, PARTS = "sweep.parquet", "sweep.json", "parts"
RESULTS = ("probability", "low", "high")


@dataclass(frozen=True)
class Sweep:
    """A finished sweep.

    Attributes
    ----------
    path : Path
        `sweep.parquet`.
    about : Mapping
        What it was made from: `scenario`, `title`, `as_of`, `design`, `samples` and more.
    design : Design
    targets : tuple of str
    days : tuple of int
    block : Block
        Of all variants.
    """

    path: Path
    about: Mapping[str, Any]
    design: Design
    targets: tuple[str, ...]
    days: tuple[int, ...]
    block: Block

    def probability(self, target: str, days: int | None = None) -> Array:
        """P(target reached within so many days; by default the horizon) of each variant: (V,).

        Raises
        ------
        InvalidValueError
            If the sweep did not keep that target or day.
        """
        at = self.days[-1] if days is None else days
        for name, value, kept in (("target", target, self.targets), ("day", at, self.days)):
            if value not in kept:
                shown = ", ".join(str(each) for each in kept)
                raise InvalidValueError(f"the sweep kept no {name} {value}; it has {shown}")
        return np.asarray(
            self.block.probability[:, self.days.index(at), self.targets.index(target)]
        )


def run_sweep(
    job: Job,
    out: Path,
    runner: Runner,
    progress: Callable[[int, int], None] | None = None,
) -> Sweep:
    """Evaluate a sweep, or what is missing of it.

    Parameters
    ----------
    job : Job
    out : Path
        Folder of all sweeps.
    runner : Runner
    progress : callable, optional
        Called with the number of variants done and of all, first with those found done.

    Raises
    ------
    RunError
        If the folder cannot be written, or the work cannot be done; what is finished is kept.
    """
    _arrow()
    about = _about(job)
    folder = out / job.plan.scenario.name / f"{job.plan.as_of}-{about['key'][:KEY]}"
    try:
        return _run(job, about, folder, runner, progress or (lambda _done, _all: None))
    except OSError as error:
        raise RunError(f"{folder}: {error.strerror or error}") from error


def _run(
    job: Job,
    about: dict[str, Any],
    folder: Path,
    runner: Runner,
    progress: Callable[[int, int], None],
) -> Sweep:
    parts = folder / PARTS
    if not (folder / TABLE).is_file():
        parts.mkdir(parents=True, exist_ok=True)
        _write_text(folder / ABOUT, json.dumps(about, indent=1, ensure_ascii=False))
        tasks = [each for each in job.blocks() if not _part(parts, each).is_file()]
        done = job.design.size - sum(map(len, tasks))
        progress(done, job.design.size)
        for _, block in runner.map(evaluate, job, tasks):
            _write(_rows(job, block), _part(parts, block.variants))
            done += len(block.variants)
            progress(done, job.design.size)
        _join([_part(parts, each) for each in job.blocks()], folder / TABLE, about)
        shutil.rmtree(parts)
    return read_sweep(folder / TABLE)


def read_sweep(path: Path) -> Sweep:
    """Read a finished sweep from its Parquet file.

    Raises
    ------
    InvalidInputError
        If there is none.
    """
    _, parquet = _arrow()
    try:
        table = parquet.read_table(path)
        about = json.loads(table.schema.metadata[b"escalation"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        message = f"no finished sweep can be read from it ({error})"
        raise InvalidInputError([Problem(path, 1, 1, "", message)]) from error
    design = _design(about["design"], table)
    targets, days = tuple(about["targets"]), tuple(about["days"])
    shape = (-1, len(days), len(targets))
    cells = [table.column(name).to_numpy().reshape(shape) for name in RESULTS]
    once = [table.column(n).to_numpy().reshape(shape)[:, 0, 0] for n in ("ess", "log_evidence")]
    block = Block(range(design.size), cells[0], cells[1], cells[2], once[0], once[1])
    return Sweep(path, about, design, targets, days, block)


def _design(about: Mapping[str, Any], table: Any) -> Design:  # noqa: ANN401 (Arrow has no types)
    ranges = tuple(Range(**each) for each in about["ranges"])
    rows = slice(None, None, about["rows_each"])
    columns = [table.column(each.name).to_numpy()[rows] for each in ranges]
    return Design(about["kind"], ranges, np.stack(columns, axis=-1))


def _about(job: Job) -> dict[str, Any]:
    """What a sweep is made from, with its digest under `key`."""
    scenario = job.plan.scenario
    about: dict[str, Any] = {
        "schema": SCHEMA,
        "scenario": scenario.name,
        "title": scenario.title,
        "as_of": str(job.plan.as_of),
        "horizon_days": job.plan.horizon,
        "targets": list(job.targets),
        "days": list(job.days),
        "samples": job.samples,
        "engine": identity()[-1],
        "labels": {state.id: state.label for state in scenario.ladder.states},
        "about": {name: in_words(scenario, name) for name in job.design.names},
        "units": {name: _unit(scenario.assumptions[name]) for name in job.design.names},
        "design": {
            "kind": job.design.kind,
            "variants": job.design.size,
            "rows_each": len(job.days) * len(job.targets),
            "ranges": [vars(each) for each in job.design.ranges],
        },
        "inputs": inputs(scenario, job.plan.as_of, len(job.loglik), job.seed),
    }
    shared = {name: values.tolist() for name, values in job.draws.items()}
    key = inputs_digest([about, job.design.values.tolist(), shared, scenario_numbers(job)])
    return {**about, "key": key}


def _unit(assumption: Assumption) -> list[str]:
    """Sign before, and unit after, a value."""
    return [TIMES if assumption.role == "multiplier" else "", unit(assumption)]


def scenario_numbers(job: Job) -> dict[str, str]:
    """Every assumption as it is believed, so that one changed for this run counts."""
    return {name: repr(each.prior) for name, each in job.plan.assumptions.items()}


def _rows(job: Job, block: Block) -> dict[str, Any]:
    """Columns of a block, one row for each variant, day and target."""
    count, days, targets = block.probability.shape
    each = days * targets
    variants = np.arange(block.variants.start, block.variants.stop, dtype=np.int32)
    pinned = job.design.values[block.variants.start : block.variants.stop]
    columns: dict[str, Any] = {"variant": np.repeat(variants, each)}
    for name, column in zip(job.design.names, pinned.T, strict=True):
        columns[name] = np.repeat(column, each)
    columns["target"] = np.array(list(job.targets) * (count * days))
    columns["days"] = np.tile(np.repeat(np.array(job.days, dtype=np.int32), targets), count)
    columns |= {name: getattr(block, name).ravel() for name in RESULTS}
    columns["ess"] = np.repeat(block.ess, each)
    columns["log_evidence"] = np.repeat(block.log_evidence, each)
    return columns


def _part(parts: Path, variants: range) -> Path:
    return parts / f"{variants.start:06d}.parquet"


def _write(columns: Mapping[str, Any], path: Path) -> None:
    arrow, parquet = _arrow()
    aside = path.with_suffix(f".{os.getpid()}")
    parquet.write_table(arrow.table(dict(columns)), aside, compression="zstd")
    aside.replace(path)


def _join(parts: list[Path], path: Path, about: Mapping[str, Any]) -> None:
    """Write all blocks as one table, with what they were made from beside them."""
    arrow, parquet = _arrow()
    table = arrow.concat_tables([parquet.read_table(part) for part in parts])
    table = table.set_column(
        table.schema.get_field_index("target"), "target", table["target"].dictionary_encode()
    )
    told = {b"escalation": json.dumps(about, ensure_ascii=False).encode()}
    aside = path.with_suffix(f".{os.getpid()}")
    parquet.write_table(
        table.replace_schema_metadata(told).combine_chunks(), aside, compression="zstd"
    )
    aside.replace(path)


def _write_text(path: Path, text: str) -> None:
    aside = path.with_suffix(f".{os.getpid()}")
    aside.write_text(text + "\n", encoding="utf-8")
    aside.replace(path)


def _arrow() -> tuple[Any, Any]:
    try:
        import pyarrow as arrow  # noqa: ICN001 (said in full)
        from pyarrow import parquet
    except ImportError as error:
        raise RunError("sweeps need Apache Arrow: pip install 'escalation[sweep]'") from error
    return arrow, parquet
