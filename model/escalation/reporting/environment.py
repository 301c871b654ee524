"""What is installed of all that the package needs, directly or not: the lock as it really is.

Names and versions stand in the names of the `*.dist-info` folders, requirements in the head of
their `METADATA` (https://packaging.python.org/specifications/core-metadata/). Reading just these
takes milliseconds, where `importlib.metadata` takes a tenth of a second, and every batch of
reports asks. Requirements of extras are left out; those for other systems are not installed.

>>> "numpy" in installed("escalation"), installed("no-such-package")
(True, {})
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

_SUFFIX = ".dist-info"
_REQUIRES = "Requires-Dist:"
_NAME = re.compile(r"[\w.-]+")


def installed(package: str) -> dict[str, str]:
    """Return the version of each distribution that a package needs, itself left out.

    Parameters
    ----------
    package : str

    Returns
    -------
    dict
        Normalised name → version.
    """
    there = _distributions()
    found: dict[str, str] = {}
    waiting = [_normal(package)]
    while waiting:
        name = waiting.pop()
        if name in there and name not in found:
            folder, found[name] = there[name]
            waiting += _required(folder)
    found.pop(_normal(package), None)
    return dict(sorted(found.items()))


def _distributions() -> dict[str, tuple[Path, str]]:
    """Return the folder and version of everything installed; the first on the path counts."""
    found: dict[str, tuple[Path, str]] = {}
    for place in sys.path:
        try:
            folders = [each for each in Path(place).iterdir() if each.suffix == _SUFFIX]
        except OSError:
            continue
        for each in folders:
            name, _, version = each.stem.partition("-")
            found.setdefault(_normal(name), (each, version))
    return found


def _required(folder: Path) -> list[str]:
    """Return the names that a distribution asks for, extras left aside."""
    names = []
    try:
        with (folder / "METADATA").open(encoding="utf-8", errors="replace") as lines:
            for line in lines:
                if line == "\n":  # the head ends; a blank line within it is indented
                    break
                if line.startswith(_REQUIRES) and "extra ==" not in line:
                    match = _NAME.match(line.removeprefix(_REQUIRES).strip())
                    names += [_normal(match[0])] if match else []
    except OSError:
        return []
    return names


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
