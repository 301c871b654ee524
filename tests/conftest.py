"""What every test shares: repeatable property tests, and where the project and its data are."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

# The same examples on every run, however busy the machine: a failure is a fault, never luck.
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")


@pytest.fixture(scope="session")
def workspace() -> Path:
    """The root of the repository."""
    return Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def reference(workspace: Path) -> Path:
    """The folder of public reference data, which the repository does not hold.

    `ESCALATION_REFERENCE` names it; otherwise it is `shared/reference` beside the repository.
    """
    named = os.environ.get("ESCALATION_REFERENCE")
    folder = Path(named) if named else workspace.parent / "shared" / "reference"
    if folder.is_dir():
        return folder
    if named:
        pytest.fail(f"ESCALATION_REFERENCE is {named}, which is not a folder")
    pytest.skip("no reference data: set ESCALATION_REFERENCE to its folder")
