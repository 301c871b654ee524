"""The report before: kept with the files it was made from, so that it can be made again.

A run keeps a copy of its scenario, of what that extends and of the reports (`inputs.zip`). From
it the assessment is made again, and if it gives the numbers that the run gave, what changed since
can be split into its causes. Where it cannot be (an older version of the package, a file gone),
its stored headlines still say how far the answer moved.

A file in a zip archive has a date of its own; here all have the same, so that equal inputs make
equal archives.
"""

from __future__ import annotations

import json
import tempfile
import zipfile
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from escalation.engine.assessment import assess
from escalation.errors import EscalationError
from escalation.reading.documents import Workspace
from escalation.reading.scenario import load
from escalation.reporting.provenance import relative
from escalation.reporting.shelf import MANIFEST

if TYPE_CHECKING:
    from collections.abc import Mapping

    from escalation.engine.assessment import Assessment
    from escalation.reading.case import Scenario

ARCHIVE = "inputs.zip"
SAME = 1e-4  # two probabilities closer than this are the same, as stored ones are rounded
_EPOCH = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class Earlier:
    """A finished run.

    Attributes
    ----------
    as_of : date
    made : str
        When, in ISO form.
    digest : str
        Of its inputs.
    horizon : int
        Days.
    headline : Mapping[str, float]
        P(target within the horizon), as it was stored.
    reports : frozenset of str
        Ids of the observations that it knew.
    assessment : Assessment or None
        Made again from its files; None if that cannot be done.
    obstacle : str
        Why not; empty if it could.
    """

    as_of: date
    made: str
    digest: str
    horizon: int
    headline: Mapping[str, float]
    reports: frozenset[str]
    assessment: Assessment | None
    obstacle: str


def keep(scenario: Scenario, folder: Path) -> None:
    """Write a copy of a scenario's files into the folder of a run."""
    root = Workspace.of(scenario.path).root
    with zipfile.ZipFile(folder / ARCHIVE, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.comment = relative(scenario.path, root).encode()
        for path in sorted({scenario.path, *scenario.files}):
            entry = zipfile.ZipInfo(relative(path, root), _EPOCH)
            archive.writestr(entry, path.read_bytes(), zipfile.ZIP_DEFLATED)


def earlier(folder: Path) -> Earlier | None:
    """Return the run in a folder, made again if possible; None if there is none to speak of."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        result = json.loads((folder / "result.json").read_text(encoding="utf-8"))
        headline = {
            each["target"]: float(each["within"][-1]["probability"]) for each in result["headline"]
        }
        reports = frozenset(str(each["id"]) for each in result["observations"])
        when, made = date.fromisoformat(manifest["as_of"]), str(manifest["started"])
        digest, horizon = str(manifest["inputs_digest"]), int(result["horizon_days"])
    except (OSError, ValueError, KeyError, TypeError, IndexError):
        return None
    again, obstacle = _again(folder, manifest, headline)
    return Earlier(when, made, digest, horizon, headline, reports, again, obstacle)


def _again(
    folder: Path, manifest: Mapping[str, Any], headline: Mapping[str, float]
) -> tuple[Assessment | None, str]:
    """Assess a run's own files, and say why not if that cannot be done."""
    try:
        settings = manifest["inputs"]["parameters"]
        when = date.fromisoformat(settings["as_of"])
        with tempfile.TemporaryDirectory() as place:
            path = _unpacked(folder / ARCHIVE, Path(place))
            case = load(path, as_of=when)
            found = assess(case, draws=int(settings["draws"]), seed=int(settings["seed"]))
    except FileNotFoundError:
        return None, "the files it was made from were not kept"
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        return None, f"the files it was made from cannot be read ({error})"
    except EscalationError as error:
        return None, f"its scenario can no longer be assessed ({error})"
    for target, then in headline.items():
        if target not in found.plan.reach or abs(found.reach_by(target).probability - then) > SAME:
            return None, "this version of the package gives other numbers from the same files"
    return found, ""


def _unpacked(archive: Path, place: Path) -> Path:
    with zipfile.ZipFile(archive) as files:
        files.extractall(place)  # keeps every file inside the place
        return place / files.comment.decode()
