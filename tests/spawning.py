"""Makes reports as systems without sound forks do: each process is started anew.

Run as `python spawning.py REPORTS SCENARIO…`: prints what came of each, and ends with the batch's
exit code. A process that is started anew reads this file too, so it takes the same way.
"""

from __future__ import annotations

import sys
from pathlib import Path

from escalation.reporting import nursery
from escalation.reporting.batch import Batch, Settings
from escalation.reporting.requests import Request

nursery.FORKS = False


def main(out: str, *paths: str) -> int:
    """Make the reports, two at a time."""
    requests = [Request(Path(path), out=out, draws=32) for path in paths]
    batch = Batch(requests, Settings(jobs=2))
    code = batch.run()
    for each in batch.outcomes:
        sys.stdout.write(f"{each.line(out)} {each.error}\n")
    return code


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
