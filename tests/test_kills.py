"""Killed at any stage: what is linked is whole, and the next run makes what is missing."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from desks import ASSESS, RUN, desk_in, small
from killing import STAGES


@pytest.mark.skipif(sys.platform != "linux", reason="reports are forked on Linux only")
def test_killed_at_every_stage(tmp_path: Path, workspace: Path) -> None:
    """kill -9 of runner, report and kernel: the old report stays until the new one is linked."""
    desk = desk_in(tmp_path / "desk", workspace)
    small(desk, "'before'", RUN + ASSESS, name="scenario_report.ipynb")
    script = Path(__file__).with_name("killing.py")
    done = subprocess.run(
        [sys.executable, str(script), str(desk)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert [each["stage"] for each in found] == list(STAGES)
    for each in found:
        assert each["killed"] == -9, each
        if each["stage"] == "after the link":
            assert each["after"] != each["before"], each
        else:
            assert each["after"] == each["before"] != "", each
        assert each["repaired"] == 0, each
        assert each["now"] not in ("", each["before"]), each
        assert each["left"] == [], each
