"""Kernels of this very Python: started anew, or forked from a process that has imported everything.

Imports are most of what a kernel costs. Where a process can be forked (Linux), the one that makes
a report forks off a **stub** at once, while it has one thread and no sockets. The stub holds every
import of its parent, waits for the notebook's connection file, and becomes an ordinary kernel:
a process of its own, with its own folder, environment, variables and random numbers. What one
notebook does to its kernel, no other ever sees.

Channels are encrypted where they can be. Both managers are asynchronous: a synchronous one would
silently switch papermill's timeouts off.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from escalation.reporting.shelf import PRIVATE

if TYPE_CHECKING:
    from collections.abc import Mapping

LOG = "kernel.log"  # what the kernel itself, not a cell, has to say
_POLL_SECONDS = 0.01
OPTIONS = ("--HistoryManager.enabled=False",)


@dataclass
class Stub:
    """A forked process that waits to become a kernel. It has what `subprocess.Popen` has.

    Attributes
    ----------
    pid : int
    pipe : int
        Descriptor to send it its orders by; -1 once they are sent.
    returncode : int or None
        Its exit code, or minus the signal that killed it, once it has ended.
    """

    pid: int
    pipe: int
    returncode: int | None = None
    stdin: None = field(default=None, init=False)
    stdout: None = field(default=None, init=False)
    stderr: None = field(default=None, init=False)

    @classmethod
    def fork(cls, *others: int) -> Stub:
        """Fork one, which closes other descriptors.

        The caller has one thread, and no ZeroMQ context.
        """
        reading, writing = os.pipe()
        pid = os.fork()
        if not pid:
            for each in (writing, *others):
                os.close(each)
            _be_a_kernel(reading)
        os.close(reading)
        return cls(pid, writing)

    def start(self, orders: Mapping[str, object]) -> None:
        """Let it become a kernel."""
        with os.fdopen(self.pipe, "w") as pipe:
            json.dump(orders, pipe)
        self.pipe = -1

    def close(self) -> None:
        """End it, whether or not it became a kernel."""
        if self.pipe >= 0:
            os.close(self.pipe)
            self.pipe = -1
        if self.poll() is None:
            self.kill()
            self.wait()

    def poll(self) -> int | None:
        """Return how it ended; None if it has not."""
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait until it has ended, and return how."""
        end = None if timeout is None else time.monotonic() + timeout
        while (code := self.poll()) is None:
            if end is not None and time.monotonic() > end:
                raise TimeoutError(f"kernel {self.pid} goes on")
            time.sleep(_POLL_SECONDS)
        return code

    def send_signal(self, number: int) -> None:
        """Send it a signal, if it runs."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill it."""
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)


def _be_a_kernel(reading: int) -> NoReturn:
    """Wait for orders, and become a kernel; the process ends with it."""
    code = 1
    try:
        die_with_parent()
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        with os.fdopen(reading) as pipe:
            text = pipe.read()
        if text:
            _launch(json.loads(text))
            code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:
        import traceback

        traceback.print_exc()
        raise
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _launch(orders: Mapping[str, Any]) -> None:
    """Take folder, variables and log of its own, and serve until it is told to stop."""
    from ipykernel.kernelapp import IPKernelApp

    log = os.open(orders["log"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.environ.clear()
    os.environ.update(orders["env"])
    os.chdir(orders["cwd"])
    if "numpy" in sys.modules:  # its global generator was seeded once, for all forks
        sys.modules["numpy"].random.seed()
    parent = f"--IPKernelApp.parent_handle={os.getppid()}"
    sys.argv = ["ipykernel_launcher", "-f", orders["file"], parent, *OPTIONS]
    IPKernelApp.launch_instance(argv=sys.argv[1:])


def die_with_parent() -> None:
    """Have this process killed when the one that forked it ends, however that ends (Linux)."""
    if sys.platform != "linux":
        return
    import ctypes

    death_signal = 1  # PR_SET_PDEATHSIG of <sys/prctl.h>
    ctypes.CDLL(None).prctl(death_signal, int(signal.SIGKILL))


def manager(environment: Mapping[str, str], folder: Path, stub: Stub | None) -> type:
    """Return a class of managers, as papermill wants it.

    Parameters
    ----------
    environment : Mapping
        Variables for the kernel, besides those of this process.
    folder : Path
        Where the kernel runs, with its log.
    stub : Stub, optional
        What becomes the kernel; by default a new process does.
    """
    import zmq
    from jupyter_client.kernelspec import KernelSpec
    from jupyter_client.manager import AsyncKernelManager
    from traitlets import default

    class ReportKernelManager(AsyncKernelManager):
        """Asynchronous: a synchronous manager would silently switch timeouts off."""

        @default("transport_encryption")
        def _encrypt_if_possible(self) -> str:
            return "auto" if zmq.has("curve") else "disabled"

        async def start_kernel(self, **options: object) -> None:  # type: ignore[override]
            (folder / PRIVATE).mkdir(mode=0o700)  # its connection file; nobody's IPython settings
            self.connection_file = str(folder / PRIVATE / "connection.json")
            if stub is not None:
                self.provisioner = _provisioner(self, stub, folder / LOG)
            with (folder / LOG).open("w") as stderr:
                await super().start_kernel(**options, stderr=stderr)

        @property
        def kernel_spec(self) -> KernelSpec:
            command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
            return KernelSpec(
                argv=[*command, *OPTIONS],
                display_name="Python 3",
                language="python",
                metadata={"supported_encryption": "curve"},
                env={**environment, "IPYTHONDIR": str(folder / PRIVATE)},
            )

    return ReportKernelManager


def _provisioner(manager: Any, stub: Stub, log: Path) -> Any:  # noqa: ANN401 (untyped traitlets)
    """Return what starts a stub in place of a new process."""
    from jupyter_client.provisioning.local_provisioner import LocalProvisioner

    class Forked(LocalProvisioner):
        """Starts no process: the one it manages is there already."""

        async def launch_kernel(self, cmd: list[str], **options: Any) -> Any:  # noqa: ANN401, ARG002
            orders = {
                "file": manager.connection_file,
                "env": options["env"],
                "cwd": str(options["cwd"]),
                "log": str(log),
            }
            stub.start(orders)
            # It has all that is used of a Popen.
            self.process = stub  # type: ignore[assignment]
            self.pid = stub.pid
            return self.connection_info

    return Forked(kernel_id=manager.kernel_id, kernel_spec=manager.kernel_spec, parent=manager)
