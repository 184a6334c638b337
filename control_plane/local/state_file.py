"""What the supervisor tells others: a small JSON file, replaced whole at each change.

`ottla demo` and `ottla down` are other processes than `ottla up`; this file is how they follow it.
"""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

from control_plane.local.data_directory import write_private

Phase = Literal["starting", "ready", "stopping", "failed", "stopped"]


@dataclass(slots=True)
class StepState:
    """One step of the start; `seconds` is None while it runs."""

    name: str
    seconds: float | None = None
    failed: bool = False


@dataclass(slots=True)
class ProgramState:
    pid: int | None = None
    restarts: int = 0


@dataclass(slots=True)
class ServiceState:
    """The service as its supervisor sees it."""

    pid: int
    phase: Phase = "starting"
    api_url: str = ""
    dashboard_url: str = ""
    reason: str = ""  # why it failed, in words
    steps: list[StepState] = field(default_factory=list)
    programs: dict[str, ProgramState] = field(default_factory=dict)

    def write(self, path: Path) -> None:
        write_private(path, json.dumps(asdict(self), indent=1))


def read_state(path: Path) -> ServiceState | None:
    """The last state written, None where there is none (yet)."""
    try:
        raw = json.loads(path.read_text())
    except (OSError, ValueError):
        return None
    raw["steps"] = [StepState(**step) for step in raw["steps"]]
    raw["programs"] = {name: ProgramState(**p) for name, p in raw["programs"].items()}
    return ServiceState(**raw)
