"""The report notebook under other runners: plain papermill, and jupyter-scheduler's REST API."""

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import nbformat
import pytest

from escalation.engine.assessment import assess
from escalation.maths.words import percent
from escalation.reading import scenario

DRAWS, SEED = 96, 1
SCENARIO = "scenarios/tiny/baseline.yaml"
AS_OF = "2030-02-12"
TOKEN = "other-runners"  # noqa: S105 (of a server on this machine, for the time of the test)
OVER = {"COMPLETED", "FAILED"}  # a job that has not begun is said to be STOPPED
LATER = 480  # seconds; how long a busy machine may take
STEP = 0.2  # seconds between two looks


@pytest.fixture
def desk(tmp_path: Path, workspace: Path) -> Path:
    """A workspace with the tiny case and the notebooks."""
    folder = tmp_path / "a desk"
    shutil.copytree(workspace / "tests/data/tiny", folder / "scenarios/tiny")
    shutil.copytree(workspace / "notebooks", folder / "notebooks")
    return folder


def headline(desk: Path) -> str:
    """What the report has to say first, computed here and now."""
    case = scenario.load(desk / SCENARIO, as_of=date.fromisoformat(AS_OF))
    answer = assess(case, draws=DRAWS, seed=SEED)
    return percent(answer.reach_by(case.targets[0]).probability)


def shown(path: Path) -> str:
    """Everything that an executed notebook shows."""
    notebook = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
    outputs = [each for cell in notebook.cells for each in cell.get("outputs", [])]
    assert not [each for each in outputs if each.output_type == "error"]
    return "".join(each.get("data", {}).get("text/html", "") for each in outputs)


def test_plain_papermill_from_the_command_line(desk: Path) -> None:
    """`papermill notebook out -p scenario …` runs the report as it is, and writes its data."""
    command = [
        *(str(Path(sys.executable).with_name("papermill")), "notebooks/scenario_report.ipynb"),
        *("out.ipynb", "-p", "scenario", SCENARIO, "-p", "as_of", AS_OF),
        *("-p", "draws", str(DRAWS), "-p", "seed", str(SEED), "-p", "out", "."),
    ]
    done = subprocess.run(command, cwd=desk, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert headline(desk) in shown(desk / "out.ipynb")
    data = json.loads((desk / "result.json").read_text(encoding="utf-8"))
    assert percent(data["headline"][0]["within"][-1]["probability"]) == headline(desk)
    assert (desk / "forecast.csv").read_text().count(f"\n{AS_OF},") > 0


@dataclass(frozen=True)
class Server:
    """A Jupyter server with jupyter-scheduler."""

    address: str
    folder: Path

    def ask(self, method: str, path: str, body: object = None) -> Any:  # noqa: ANN401 (JSON)
        """Ask the scheduler for something."""
        url = urlsplit(self.address)
        connection = http.client.HTTPConnection(url.hostname or "", url.port, timeout=60)
        headers = {"Authorization": f"token {TOKEN}", "Content-Type": "application/json"}
        try:
            text = None if body is None else json.dumps(body)
            connection.request(method, f"{url.path}scheduler/{path}", text, headers)
            answer = connection.getresponse()
            data = answer.read().decode()
        finally:
            connection.close()
        assert answer.status < http.client.BAD_REQUEST, data
        return json.loads(data) if data else None


@pytest.fixture
def server(desk: Path, tmp_path: Path) -> Iterator[Server]:
    """A real server on loopback, at home in the workspace, with everything else of its own."""
    pytest.importorskip("jupyter_scheduler", reason="no jupyter-scheduler")
    homes = {f"JUPYTER_{each}_DIR": str(tmp_path / each) for each in ("CONFIG", "DATA", "RUNTIME")}
    options = ["--no-browser", "--allow-root", "--ip=127.0.0.1", "--port=0"]
    workspace = {"ESCALATION_WORKSPACE": str(desk), "OPENBLAS_NUM_THREADS": "1"}
    with (tmp_path / "server.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "jupyter_server", *options, f"--IdentityProvider.token={TOKEN}"],
            cwd=desk,
            env={**os.environ, **homes, **workspace, "HOME": str(tmp_path)},
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            yield Server(_address(tmp_path, process), desk)
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(30)


def _address(folder: Path, process: subprocess.Popen[bytes]) -> str:
    """Wait until the server has said where it is, and listens there."""
    until = time.monotonic() + LATER
    while time.monotonic() < until:
        for found in (folder / "RUNTIME").glob("jpserver-*.json"):
            if (text := found.read_text()) and _listens(told := str(json.loads(text)["url"])):
                return told
        assert process.poll() is None, (folder / "server.log").read_text()
        time.sleep(STEP)
    raise AssertionError((folder / "server.log").read_text())


def _listens(address: str) -> bool:
    """Whether somebody answers; a server says where it is a moment before it listens."""
    url = urlsplit(address)
    try:
        socket.create_connection((url.hostname or "", url.port or 0), timeout=5).close()
    except OSError:
        return False
    return True


def test_jupyter_scheduler_runs_the_report(server: Server) -> None:
    """A job submitted through its REST API ends with the report in its output, and its data.

    It runs a copy of the notebook in a place of its own and injects texts as they stand, so that
    the caller writes the quotes; nothing in the notebook has to be changed for it.
    """
    data = server.folder / "data"
    data.mkdir()
    environment = server.ask("GET", "runtime_environments")[0]["name"]
    job = server.ask(
        "POST",
        "jobs",
        {
            "name": "Every morning",
            "input_uri": "notebooks/scenario_report.ipynb",
            "runtime_environment_name": environment,
            "output_formats": ["ipynb", "html"],
            "parameters": {
                "scenario": f"'{SCENARIO}'",
                "as_of": f'"{AS_OF}"',
                "draws": str(DRAWS),
                "seed": f"'{SEED}'",
                "out": repr(str(data)),
            },
        },
    )["job_id"]
    until = time.monotonic() + LATER
    while (told := server.ask("GET", f"jobs/{job}"))["status"] not in OVER:
        assert time.monotonic() < until, told
        time.sleep(STEP)
    assert told["status"] == "COMPLETED", told.get("status_message")
    server.ask("GET", f"jobs/{job}/download_files")
    while not (found := [*(server.folder / "jobs").rglob("*.ipynb")]):
        assert time.monotonic() < until
        time.sleep(STEP)
    executed = next(each for each in found if each.name != "scenario_report.ipynb")
    assert headline(server.folder) in shown(executed)
    assert json.loads((data / "result.json").read_text(encoding="utf-8"))["as_of"] == AS_OF
