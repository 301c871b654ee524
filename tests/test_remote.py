"""Reports made on a cluster: a real scheduler and two workers on loopback, each in a process."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from desks import ASSESS, RUN, desk_in, small
from escalation.reporting.shelf import intact
from machines import Machines, machines

pytest.importorskip("distributed", reason="needs the extra cluster")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machines]:
    """A scheduler and two workers."""
    with machines(tmp_path_factory.mktemp("cluster")) as made:
        yield made


@pytest.fixture
def desk(tmp_path: Path, workspace: Path) -> Path:
    """A workspace with a small notebook that writes down who runs it."""
    folder = desk_in(tmp_path / "desk", workspace)
    note = f"import os\nopen({str(tmp_path / 'workers')!r}, 'a').write(f'{{os.getcwd()}}\\n')"
    small(folder, note, RUN + ASSESS, name="scenario_report.ipynb")
    return folder


def report(desk: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run `escalation report` on a cluster."""
    words = [*arguments, "--draws", "32", "--format", "html"]
    return subprocess.run(
        [sys.executable, "-m", "escalation", "report", *words],
        cwd=desk,
        env=dict(os.environ),
        capture_output=True,
        text=True,
        check=False,
    )


def test_reports_are_made_there_and_stand_here(cluster: Machines, desk: Path) -> None:
    """Made in folders of the workers' own, published whole here; failures come back as they are."""
    (desk / "scenarios/tiny/broken.yaml").write_text("extends: baseline.yaml\nnonsense: 1\n")
    done = report(desk, "scenarios", "--cluster", cluster.address)
    assert done.returncode == 1, done.stderr
    assert "2 made, 1 failed" in done.stderr
    assert "unknown key 'nonsense'" in done.stderr
    for name in ("baseline", "variant"):
        link = desk / f"reports/tiny-{name}/2030-03-01"
        key = link.resolve().name.rpartition("-")[2]
        manifest = (link / "manifest.json").read_text(encoding="utf-8")
        digest = manifest.partition('"inputs_digest": "')[2].partition('"')[0]
        assert digest.startswith(key)
        assert intact(link, digest) is not None
    folders = (desk.parent / "workers").read_text(encoding="utf-8").split()
    assert len(folders) == 2
    assert not any(each.startswith(str(desk)) for each in folders)
    assert not any(Path(each).exists() for each in folders)
    again = report(desk, "scenarios/tiny/baseline.yaml", "--cluster", cluster.address)
    assert again.stdout.startswith("unchanged")


def test_failure_there_is_kept_here(cluster: Machines, desk: Path) -> None:
    """The notebook with the error on top comes back, with the exit code of the fault."""
    small(desk, "raise ValueError('no luck')", name="scenario_report.ipynb")
    done = report(desk, "scenarios/tiny/baseline.yaml", "--cluster", cluster.address)
    assert done.returncode == 5, done.stderr
    (kept,) = (desk / "reports/tiny-baseline/failed").iterdir()
    assert "no luck" in (kept / "report.ipynb").read_text(encoding="utf-8")


def test_no_scheduler(desk: Path) -> None:
    """Code 12 and what to do."""
    done = report(desk, "scenarios/tiny/baseline.yaml", "--cluster", "tcp://127.0.0.1:9")
    assert done.returncode == 12, done.stderr
    assert "no Dask scheduler answers at tcp://127.0.0.1:9" in done.stderr
