"""What the toolchains share: folders, stamps, and running an installer."""

import hashlib
import os
import shutil
import subprocess
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

from tests.conformance.client import NotRun

ROOT: Final = Path(__file__).resolve().parents[3]
BUILD: Final = ROOT / "build" / "conformance"
MANIFESTS: Final = ROOT / "tests" / "toolchains"
PROGRAMS: Final = ROOT / "tests" / "conformance" / "programs"
INSTALL_SECONDS_MAX: Final = 1200


def need(program: str) -> str:
    """The path of a program. Raises NotRun if there is none."""
    found = shutil.which(program)
    if found is None:
        raise NotRun(f"{program} is not on PATH")
    return found


def run(
    argv: Sequence[str],
    folder: Path,
    environment: Mapping[str, str] | None = None,
    seconds_max: float = INSTALL_SECONDS_MAX,
) -> None:
    """Raises NotRun with the last lines of what the program said, if it fails."""
    try:
        done = subprocess.run(
            argv,
            cwd=folder,
            env={**os.environ, **(environment or {})},
            capture_output=True,
            text=True,
            timeout=seconds_max,
        )
    except subprocess.TimeoutExpired:
        raise NotRun(f"{argv[0]} took more than {seconds_max:.0f} s") from None
    if done.returncode:
        said = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
        raise NotRun(f"{Path(argv[0]).name} {argv[1]} failed: {' | '.join(said[-3:])}"[:400])


def build_once(target: Path, sources: Iterable[Path], build: Callable[[], None]) -> None:
    """Run `build` into the empty folder `target`, unless it was made from the same sources."""
    digest = hashlib.sha256()
    for source in sorted(sources):
        digest.update(source.name.encode() + b"\0" + source.read_bytes())
    stamp = target / ".made-from"
    if stamp.exists() and stamp.read_text() == digest.hexdigest():
        return
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    build()
    stamp.write_text(digest.hexdigest())
