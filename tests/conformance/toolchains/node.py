"""The Node.js programs and the packages of tests/toolchains/node/package-lock.json.

npm is taken from PATH, else from the wheel that the dashboard pins. kafka-javascript is native
code: its own installer takes a ready binary where it can reach one, else builds with librdkafka's
source from its package and the -dev packages of tests/toolchains/debian.txt.
"""

import functools
import os
import shutil
from pathlib import Path
from typing import Final

from control_plane.dashboard.vendor import NoNpm, npm_command
from tests.conformance.client import NotRun
from tests.conformance.toolchains.building import (
    BUILD,
    MANIFESTS,
    PROGRAMS,
    build_once,
    run,
)

MODULES: Final = BUILD / "node"
NATIVE: Final = BUILD / "node-native"
WHEEL: Final = BUILD / "node-wheel"
MANIFEST: Final = MANIFESTS / "node"
SOURCES: Final = PROGRAMS / "node"
FILES: Final = ("package.json", "package-lock.json", ".npmrc")
NATIVE_PACKAGE: Final = "@confluentinc/kafka-javascript"
NATIVE_SECONDS_MAX: Final = 3600  # of a loaded machine; minutes without load


def program(name: str, *, is_native: bool = False) -> list[str]:
    """How one of our Node.js programs is run. Their `require` finds modules beside them."""
    prepare()
    if is_native:
        prepare_native()
    return [_node(), str(MODULES / name)]


@functools.cache
def prepare() -> None:
    build_once(MODULES, [MANIFEST / name for name in FILES], _install)
    for source in SOURCES.glob("*.js"):
        shutil.copy(source, MODULES / source.name)


@functools.cache
def prepare_native() -> None:
    """The stamp has a folder of its own: kafkajs runs where the build fails."""
    build_once(NATIVE, [MANIFEST / "package-lock.json"], _build_native)


def _install() -> None:
    for name in FILES:
        shutil.copy(MANIFEST / name, MODULES / name)
    run([*_npm(), "ci", "--ignore-scripts", "--no-audit", "--no-fund"], MODULES)


def _build_native() -> None:
    package = MODULES / "node_modules" / NATIVE_PACKAGE
    bound_compilers(package / "deps" / "librdkafka.gyp")
    # `dynamic`: the system's zlib, OpenSSL and codecs instead of sources from their web sites.
    run(
        [*_npm(), "rebuild", NATIVE_PACKAGE],
        MODULES,
        {"CKJS_LINKING": "dynamic"},
        NATIVE_SECONDS_MAX,
    )
    if not any((package / "build").rglob("*.node")):
        raise NotRun(f"npm did not build {NATIVE_PACKAGE}")


def bound_compilers(gyp: Path) -> None:
    """One compiler per core: it asks for one per file, and a bare -j overrides MAKEFLAGS.

    JOBS, which node-gyp knows, is of no use: its targets do not say that they wait for librdkafka.
    """
    text = gyp.read_text()
    gyp.write_text(text.replace('"make", "-j",', f'"make", "-j{os.cpu_count()}",'))


@functools.cache
def _npm() -> list[str]:
    WHEEL.mkdir(parents=True, exist_ok=True)
    try:
        return npm_command(WHEEL)
    except NoNpm as error:
        raise NotRun(str(error)) from error


def _node() -> str:
    """The node that npm belongs to."""
    first = Path(_npm()[0])
    return str(first.with_name("node")) if first.name == "npm" else str(first)
