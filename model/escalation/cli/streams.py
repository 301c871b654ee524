r"""Standard output and error: nothing that a command does hangs on who reads them.

What their encoding does not have is escaped, as JSON escapes it, so that data stay data. A closed
one leads nowhere. One that cannot be written to any more is led nowhere, too, when the command
ends: otherwise Python would try again what it has left, and end with an exit code of its own.

>>> prepare()
>>> "50\N{NO-BREAK SPACE}%".encode("ascii", errors=ESCAPED)
b'50\\u00a0%'
"""

from __future__ import annotations

import codecs
import json
import os
import sys
from contextlib import suppress
from io import TextIOWrapper
from pathlib import Path

ESCAPED = "escalation.escaped"
_STREAMS = ("stdout", "stderr")


def prepare() -> None:
    """Make both streams take any text."""
    codecs.register_error(ESCAPED, _escaped)
    for name in _STREAMS:
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open("w"))  # noqa: SIM115 (as long as we run)
        stream = getattr(sys, name)
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors=ESCAPED)


def _escaped(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return json.dumps(error.object[error.start : error.end])[1:-1], error.end


def say(text: str) -> None:
    """Write a line on standard error, if it takes one."""
    with suppress(OSError, ValueError):
        print(text, file=sys.stderr, flush=True)


def settle() -> None:
    """Write what is left, and lead a stream that does not take it nowhere."""
    for name in _STREAMS:
        stream = getattr(sys, name)
        try:
            stream.flush()
        except (OSError, ValueError):
            with suppress(OSError, ValueError), Path(os.devnull).open("w") as nowhere:
                os.dup2(nowhere.fileno(), stream.fileno())
