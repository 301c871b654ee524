"""Opens the workbench ready to use: its cells have run before the browser shows the page.

`escalation lab` starts JupyterLab with the settings in `lab/jupyter/`, which name this module as a
server extension. When the server loads it, it starts the notebook's kernel, runs the cells, and
saves what they showed into the notebook. The page that opens finds outputs and a live kernel, as
it does after a reload, and shows the widgets; nothing has to be pressed. JupyterLab then saves the
notebook every few seconds, so that a page that is reloaded or closed finds its widgets again.

Widgets die with the kernel. When the server stops, outputs are taken out of the notebook again, as
notebooks are committed without them; what was typed stays.
"""

from __future__ import annotations

import atexit
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nbformat

if TYPE_CHECKING:
    from jupyter_server.serverapp import ServerApp

RUN = "ESCALATION_RUN"  # environment variable: the notebook to run, relative to the server's root
SETTINGS = Path(__file__).with_name("jupyter")  # a folder of Jupyter's configuration
SECONDS = 60  # how long its kernel may take to come up


def _load_jupyter_server_extension(app: ServerApp) -> None:
    """Run the notebook that `escalation lab` opens; called by Jupyter's server."""
    path = os.environ.pop(RUN, "")
    if not path:
        return
    app.log.info("running %s", path)
    try:
        app.io_loop.run_sync(lambda: run(app, path))
    except Exception:  # (a page that has not run is better than none)
        app.log.exception("%s could not be run beforehand; use Run → Run All Cells", path)
    atexit.register(stripped, Path(app.root_dir, path))


async def run(app: Any, path: str) -> None:  # noqa: ANN401 (what it manages has no types)
    """Start a notebook's kernel, run its cells in it, and save what they show."""
    from jupyter_core.utils import ensure_async

    model = await ensure_async(app.contents_manager.get(path))
    session = await ensure_async(
        app.session_manager.create_session(
            path=path,
            name=Path(path).name,
            type="notebook",
            kernel_name=model["content"]["metadata"].get("kernelspec", {}).get("name", ""),
        )
    )
    client = app.kernel_manager.get_kernel(session["kernel"]["id"]).client()
    client.start_channels()
    try:
        await client.wait_for_ready(timeout=SECONDS)
        for cell in model["content"]["cells"]:
            if cell["cell_type"] == "code":
                cell["metadata"]["trusted"] = True
                await _execute(client, cell)
    finally:
        client.stop_channels()
    await ensure_async(app.contents_manager.save(model, path))


async def _execute(client: Any, cell: Any) -> None:  # noqa: ANN401 (neither has useful types)
    """Run a cell and keep its outputs in it."""
    shown = {"display_data", "execute_result", "stream", "error"}
    cell["outputs"] = []

    def keep(message: dict[str, Any]) -> None:
        if message["header"]["msg_type"] in shown:
            cell["outputs"].append(nbformat.v4.output_from_msg(message))  # type: ignore[no-untyped-call]

    reply = await client.execute_interactive(
        cell["source"], allow_stdin=False, output_hook=keep, timeout=None
    )
    cell["execution_count"] = reply["content"]["execution_count"]


def stripped(path: Path) -> None:
    """Take the outputs out of a notebook file, if it is one and has some."""
    try:
        notebook = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
    except (OSError, ValueError):  # removed or broken meanwhile: nothing to take out
        return
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    if not any(cell.outputs for cell in code):
        return
    for cell in code:
        cell.outputs, cell.execution_count = [], None
        cell.metadata.pop("trusted", None)
    notebook.metadata.pop("widgets", None)
    made = path.with_name(f".{path.name}.new")
    nbformat.write(notebook, made)  # type: ignore[no-untyped-call]
    made.replace(path)
