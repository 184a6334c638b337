"""Mounts and network namespaces of this program: named by its process, and cleared up after it.

A run that is killed cannot clean up; the next one does, for every name whose process is gone.
"""

import itertools
import os
import re
import subprocess
from pathlib import Path

PREFIX = "ottla-chaos-p"  # of namespaces and mount points; then the process id, then a number
LINK_PREFIX = "otc"  # of network links, which may have fifteen letters
OWNED = re.compile(rf"{PREFIX}(\d+)-")

_numbers = itertools.count(1)


def new_name() -> str:
    return f"{PREFIX}{os.getpid()}-{next(_numbers)}"


def is_alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def run(*words: str) -> None:
    """Raises CalledProcessError with what the program said."""
    subprocess.run(words, check=True, capture_output=True, text=True)


def owner_is_gone(name: str) -> bool:
    found = OWNED.search(name)
    return found is not None and not is_alive(int(found[1]))


def clear() -> list[str]:
    """Remove what dead runs left; returns the names."""
    gone = []
    for line in Path("/proc/mounts").read_text().splitlines():
        place = line.split()[1]
        if owner_is_gone(place):
            run("umount", "--lazy", place)
            gone.append(place)
    for path in Path("/run/netns").glob(f"{PREFIX}*"):
        if owner_is_gone(path.name):
            run("ip", "netns", "delete", path.name)  # Its ends of links go with it.
            gone.append(path.name)
    for link in Path("/sys/class/net").glob(f"{LINK_PREFIX}*"):
        pid = re.match(rf"{LINK_PREFIX}(\d+)", link.name)
        if pid is not None and not is_alive(int(pid[1])):
            subprocess.run(["ip", "link", "delete", link.name], check=False, capture_output=True)
            gone.append(link.name)
    return gone
