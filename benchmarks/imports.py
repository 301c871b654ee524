"""Cold start: the kernel and the imports of `escalation assess` beside `import numpy`.

Modules are compiled once, as in any installation, even where the environment says to keep no
bytecode (`PYTHONDONTWRITEBYTECODE`): what is measured is loading, not compiling.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from benchmarks.page import table

CASE = Path(__file__).resolve().parents[1] / "scenarios" / "venezuela" / "baseline.yaml"
CLOCK = "import time; clock = time.process_time; begun = clock(); "
NUMPY = CLOCK + "import numpy; print(clock() - begun)"
SPECIAL = CLOCK + "import scipy.special; print(clock() - begun)"
KERNEL = (
    "import json, sys, time; clock = time.process_time; import numpy;"
    "import importlib.machinery as m, importlib.util as u;"
    "l = m.ExtensionFileLoader('escalation.maths._kernel', sys.argv[1]); begun = clock();"
    "s = u.spec_from_loader('escalation.maths._kernel', l); k = u.module_from_spec(s);"
    "l.exec_module(k); print(clock() - begun)"
)
# All modules that the command loads, in the order in which their imports began.
LOADED = (
    "import sys; from escalation.cli.main import main; "
    "main(['assess', sys.argv[1], '--draws', '16', '--json']); "
    "print('\\n' + ' '.join(n for n in sys.modules if n != '__main__'))"
)
ASSESS = (
    "import sys, time; clock = time.process_time; names = sys.argv[1].split();"
    "from importlib import import_module; begun = clock()\n"
    "for name in names:\n"
    "    try:\n"
    "        import_module(name)\n"
    "    except ImportError:\n"
    "        pass\n"
    "print(clock() - begun)"
)


def fresh(code: str, *arguments: str, cache: str) -> str:
    """What a fresh interpreter prints, whose bytecode is kept in the folder `cache`."""
    command = [sys.executable, "-c", code, *arguments]
    environment = {
        **os.environ,
        "OPENBLAS_NUM_THREADS": "1",
        "PYTHONDONTWRITEBYTECODE": "",
        "PYTHONPYCACHEPREFIX": cache,
    }
    run = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    return run.stdout.strip()


def measure(*, quick: bool) -> tuple[str, dict[str, float]]:
    """Fresh interpreters in turn, processor time of each."""
    with tempfile.TemporaryDirectory() as cache:
        return _measure(cache, quick=quick)


def _measure(cache: str, *, quick: bool) -> tuple[str, dict[str, float]]:
    names = fresh(LOADED, str(CASE), cache=cache).splitlines()[-1]
    works = {"numpy": (NUMPY,), "special": (SPECIAL,), "assess": (ASSESS, names)}
    try:
        from escalation.maths import _kernel

        works["kernel"] = (KERNEL, str(_kernel.__file__))
    except ImportError:
        pass
    taken: dict[str, list[float]] = {name: [] for name in works}
    for number in range(4 if quick else 10):
        for name, (code, *arguments) in works.items():
            value = float(fresh(code, *arguments, cache=cache))
            if number:  # the first one fills the caches
                taken[name].append(value)
    base = np.array(taken["numpy"])
    numbers = {name: float(np.median(np.array(each) / base)) for name, each in taken.items()}
    rows = [
        (label, f"{np.median(taken[name]) * 1e3:,.1f}", f"{min(taken[name]) * 1e3:,.1f}",
         f"{numbers[name]:.3f}")
        for name, label in (
            ("numpy", "`import numpy`"),
            ("kernel", "loading the kernel"),
            ("special", "`import scipy.special`, NumPy among it"),
            ("assess", "all imports of `escalation assess`, NumPy among them"),
        )
        if name in taken
    ]  # fmt: skip
    text = "Processor milliseconds in fresh interpreters, in turn.\n\n" + table(
        ("", "median", "least", "÷ `import numpy`"), rows
    )
    return text, numbers


if __name__ == "__main__":
    print(json.dumps(measure(quick=True)[1]))
