"""The whole inference is calibrated, on each way of drawing and on each path of the engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from calibration import CHANGES, NAMES, calibrate, excess, uniformity
from cases import load_case
from escalation.engine import posterior
from escalation.maths import filtering

if TYPE_CHECKING:
    from pathlib import Path

CASES, DRAWS, KEPT = 150, 512, 99
# Each test looks at so many ranks and rates; together they raise a false alarm once in 500 runs.
FALSE_ALARM = 0.002
WAYS = {"prior": {}, "amis": {"TRUSTED": -9.0}, "smc+amis": {"TRUSTED": -9.0, "SCARCE": 2.0}}


@pytest.mark.parametrize("path", filtering.PATHS)
@pytest.mark.parametrize("method", WAYS)
def test_ranks_of_the_truth_are_uniform(
    method: str, path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over simulated cases the true assumptions and states are where the posterior says."""
    monkeypatch.setattr(filtering, "PATH", path)
    for name, value in WAYS[method].items():
        monkeypatch.setattr(posterior, name, value)
    monkeypatch.setattr(posterior, "ROUNDS", 2)
    cases = CASES if (method, path) == ("prior", filtering.PATHS[0]) else CASES // 3
    found = calibrate(
        load_case(tmp_path, changes=CHANGES),
        NAMES,
        cases=cases,
        draws=DRAWS,
        seed=11,
        posterior=KEPT,
    )
    assert set(found.methods) <= {method, "prior"} or method == "prior"
    if method != "prior":
        assert found.methods.count(method) > cases / 2
    each = FALSE_ALARM / (len(NAMES) + 1)
    for column, name in enumerate(NAMES):
        assert uniformity(found.ranks[:, column], KEPT, bins=5) > each, name
    assert np.abs(excess(found)).max() < 3.6  # two-sided normal, 0.0003


def test_a_wrong_inference_is_found_out(tmp_path: Path) -> None:
    """The check has teeth: ranks among prior instead of posterior draws are not uniform."""
    found = calibrate(
        load_case(tmp_path, changes=CHANGES),
        NAMES[:1],
        cases=CASES,
        draws=DRAWS,
        seed=11,
        posterior=KEPT,
    )
    halved = np.minimum(found.ranks[:, 0], KEPT - found.ranks[:, 0])
    assert uniformity(halved, KEPT, bins=5) < FALSE_ALARM
