"""Mounts, namespaces, folders and processes of this program: named by it, cleared up after it.

A run that is killed cannot clean up; the next one does, for every name whose process is gone.
"""

import itertools
import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

PREFIX = "ottla-chaos-p"  # of namespaces, mount points, folders; then the process id
LINK_PREFIX = "otc"  # of network links, which may have fifteen letters
OWNED = re.compile(rf"{PREFIX}(\d+)-")

_numbers = itertools.count(1)


def new_name() -> str:
    return f"{PREFIX}{os.getpid()}-{next(_numbers)}"


def new_folder() -> Path:
    """Whoever is started with a path of it on its command line can be found by it."""
    return Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-"))


def is_alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def run(*words: str) -> None:
    """Raises CalledProcessError with what the program said."""
    subprocess.run(words, check=True, capture_output=True, text=True)


def owner_is_gone(name: str) -> bool:
    found = OWNED.search(name)
    return found is not None and not is_alive(int(found[1]))


def is_own(name: str) -> bool:
    found = OWNED.search(name)
    return found is not None and int(found[1]) == os.getpid()


def clear() -> list[str]:
    """Remove what dead runs left; returns the names."""
    gone = cleared(owner_is_gone)
    for link in Path("/sys/class/net").glob(f"{LINK_PREFIX}*"):
        pid = re.match(rf"{LINK_PREFIX}(\d+)", link.name)
        if pid is not None and not is_alive(int(pid[1])):
            subprocess.run(["ip", "link", "delete", link.name], check=False, capture_output=True)
            gone.append(link.name)
    return gone


def clear_own() -> list[str]:
    """Remove what is left of this process, which was told to end at once, maybe in a clean-up."""
    return cleared(is_own)


def cleared(is_left: Callable[[str], bool]) -> list[str]:
    """Processes, mounts, folders and namespaces, by the name that they carry."""
    gone = end_orphans(is_left)
    for line in Path("/proc/mounts").read_text().splitlines():
        place = line.split()[1]
        if is_left(place):
            run("umount", "--lazy", place)
            gone.append(place)
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        if is_left(folder.name):
            shutil.rmtree(folder, ignore_errors=True)
            gone.append(str(folder))
    for path in Path("/run/netns").glob(f"{PREFIX}*"):
        if is_left(path.name):
            run("ip", "netns", "delete", path.name)  # Its ends of links go with it.
            gone.append(path.name)
    return gone


def end_orphans(is_left: Callable[[str], bool] = owner_is_gone) -> list[str]:
    """Kill brokers and relays whose run is dead: their command lines name its folder."""
    gone = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):  # It ended meanwhile, or is somebody else's.
            if is_left(path.read_bytes().decode(errors="replace")):
                os.kill(int(path.parent.name), signal.SIGKILL)
                gone.append(f"process {path.parent.name}")
    return gone
