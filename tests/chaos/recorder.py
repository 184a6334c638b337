"""Write a process's lines so that kill -9 takes none that was begun.

Each line is one write to a file opened for appending: once it returned, the kernel has it. The
invocation is written before the client library hears of the operation.
"""

import itertools
import json
import os
import time
from pathlib import Path
from typing import Any


class Recorder:
    """One process's part of a history; may be used from the threads of a client library."""

    def __init__(self, path: Path, process: str) -> None:
        self.process = process
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        self._descriptor = os.open(path, flags, 0o600)
        self._numbers = itertools.count(1)

    def invoke(self, op: str, **fields: Any) -> int:
        """Note that an operation begins; returns the number its completion must carry."""
        number = next(self._numbers)
        self.note(op, "invoke", n=number, **fields)
        return number

    def complete(self, number: int, op: str, kind: str, **fields: Any) -> None:
        self.note(op, kind, n=number, **fields)

    def note(self, op: str, kind: str, **fields: Any) -> None:
        line = {"p": self.process, "t": time.monotonic_ns(), "op": op, "type": kind, **fields}
        os.write(self._descriptor, json.dumps(line, separators=(",", ":")).encode() + b"\n")
